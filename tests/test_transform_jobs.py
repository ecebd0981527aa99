"""Batch transform through boto3: splitting, batching, outputs, failures."""

import csv
import gzip
import json
import re

import boston
import numpy as np
import pytest
from botocore.exceptions import ClientError

from local_aws.installation import ROLE_ARN

GROUP = "/aws/sagemaker/TransformJobs"


@pytest.fixture(scope="module")
def sagemaker(stand_in):
    return stand_in.client("sagemaker")


@pytest.fixture(scope="module")
def s3(stand_in):
    return stand_in.client("s3")


@pytest.fixture(scope="module")
def model(stand_in, sagemaker, s3):
    """(bucket, model name, test frame) with a model trained on the Boston data."""
    bucket = boston.name("sagemaker-transform")
    s3.create_bucket(Bucket=bucket)
    _, _, test = boston.upload(s3, bucket)
    name = boston.name()
    sagemaker.create_training_job(**boston.training_request(bucket, name))
    job = boston.wait_for_training(sagemaker, name)
    sagemaker.create_model(
        ModelName=name,
        ExecutionRoleArn=ROLE_ARN,
        PrimaryContainer={
            "Image": boston.IMAGE,
            "ModelDataUrl": job["ModelArtifacts"]["S3ModelArtifacts"],
        },
    )
    return bucket, name, test


def run(sagemaker, model, **changes):
    bucket, model_name, _ = model
    name = boston.name()
    request = {**boston.transform_request(bucket, name, model_name), **changes}
    request["TransformOutput"] = {
        "S3OutputPath": f"s3://{bucket}/{name}",
        **changes.get("TransformOutput", {}),
    }
    sagemaker.create_transform_job(**request)
    return boston.wait_for_transform(sagemaker, name)


def source(uri, **changes):
    return {
        "DataSource": {"S3DataSource": {"S3DataType": "S3Prefix", "S3Uri": uri}},
        "ContentType": "text/csv",
        "SplitType": "Line",
        **changes,
    }


def output(s3, job, key):
    bucket, prefix = re.fullmatch(
        "s3://([^/]+)/(.*)", job["TransformOutput"]["S3OutputPath"]
    ).groups()
    return s3.get_object(Bucket=bucket, Key=f"{prefix}/{key}")["Body"].read()


def outputs(s3, job):
    bucket, prefix = re.fullmatch(
        "s3://([^/]+)/(.*)", job["TransformOutput"]["S3OutputPath"]
    ).groups()
    found = s3.list_objects_v2(Bucket=bucket, Prefix=prefix + "/").get("Contents", [])
    return sorted(entry["Key"].removeprefix(prefix + "/") for entry in found)


@pytest.fixture(scope="module")
def whole(sagemaker, s3, model):
    job = run(sagemaker, model)
    assert job["TransformJobStatus"] == "Completed", job
    return output(s3, job, "test.csv.out")


def test_one_prediction_a_row(whole, model):
    predictions = np.array(whole.split(), dtype=float)
    truth = model[2]["MEDV"].to_numpy()
    assert predictions.shape == truth.shape
    error = np.sqrt(np.mean((predictions - truth) ** 2))
    assert error < 0.6 * truth.std()  # it has learned something
    assert error > 0.1  # and does not see the answers
    assert whole.endswith(b"\n")


def test_describe_shows_the_defaults_and_the_times(sagemaker, model):
    job = run(sagemaker, model)
    assert job["TransformInput"]["CompressionType"] == "None"
    assert job["TransformOutput"]["AssembleWith"] == "None"
    assert job["CreationTime"] <= job["TransformStartTime"] <= job["TransformEndTime"]


@pytest.mark.parametrize(
    "changes",
    [
        {"BatchStrategy": "SingleRecord"},
        {"BatchStrategy": "SingleRecord", "MaxConcurrentTransforms": 4},
        {"MaxConcurrentTransforms": 0},
        {"BatchStrategy": "MultiRecord", "MaxPayloadInMB": 1},
        {"TransformOutput": {"AssembleWith": "Line", "Accept": "text/csv"}},
        {
            "TransformOutput": {"AssembleWith": "Line"},
            "BatchStrategy": "SingleRecord",
            "MaxConcurrentTransforms": 2,
        },
        {"TransformResources": {"InstanceType": "ml.m5.large", "InstanceCount": 2}},
    ],
    ids=str,
)
def test_how_it_is_cut_does_not_change_the_result(sagemaker, s3, model, whole, changes):
    job = run(sagemaker, model, **changes)
    assert job["TransformJobStatus"] == "Completed", job
    assert output(s3, job, "test.csv.out") == whole


def test_a_whole_object_without_splitting(sagemaker, s3, model, whole):
    uri = f"s3://{model[0]}/boston/test/test.csv"
    job = run(sagemaker, model, TransformInput=source(uri, SplitType="None"))
    assert output(s3, job, "test.csv.out") == whole


def test_gzip_input(sagemaker, s3, model, whole):
    bucket = model[0]
    plain = s3.get_object(Bucket=bucket, Key="boston/test/test.csv")["Body"].read()
    s3.put_object(Bucket=bucket, Key="zipped/test.gz", Body=gzip.compress(plain))
    uri = f"s3://{bucket}/zipped/"
    job = run(sagemaker, model, TransformInput=source(uri, CompressionType="Gzip"))
    assert output(s3, job, "test.gz.out") == whole


def test_many_payloads_keep_their_order(sagemaker, s3, model):
    """2.5 MB in payloads of 1 MB, two at a time."""
    bucket, _, test = model
    rows = boston.csv(test.drop(columns="MEDV"))
    copies = 2_500_000 // len(rows)
    s3.put_object(Bucket=bucket, Key="large/large.csv", Body=rows * copies)
    job = run(
        sagemaker,
        model,
        TransformInput=source(f"s3://{bucket}/large/"),
        MaxPayloadInMB=1,
        MaxConcurrentTransforms=2,
    )
    once = output(s3, run(sagemaker, model), "test.csv.out")
    assert output(s3, job, "large.csv.out") == once * copies


def test_each_object_under_a_prefix_has_its_output(sagemaker, s3, model, whole):
    bucket = model[0]
    body = s3.get_object(Bucket=bucket, Key="boston/test/test.csv")["Body"].read()
    prefix = boston.name("many")
    for key in ("a.csv", "b.csv", "deep/c.csv"):
        s3.put_object(Bucket=bucket, Key=f"{prefix}/{key}", Body=body)
    s3.put_object(Bucket=bucket, Key=f"{prefix}/folder/", Body=b"")
    for uri in (f"s3://{bucket}/{prefix}", f"s3://{bucket}/{prefix}/"):
        job = run(sagemaker, model, TransformInput=source(uri))
        assert outputs(s3, job) == ["a.csv.out", "b.csv.out", "deep/c.csv.out"]
        assert output(s3, job, "deep/c.csv.out") == whole


def test_instances_work_side_by_side(stand_in, sagemaker, s3, model, whole):
    bucket = model[0]
    body = s3.get_object(Bucket=bucket, Key="boston/test/test.csv")["Body"].read()
    prefix = boston.name("side")
    for number in range(5):
        s3.put_object(Bucket=bucket, Key=f"{prefix}/{number}.csv", Body=body)
    job = run(
        sagemaker,
        model,
        TransformInput=source(f"s3://{bucket}/{prefix}/"),
        TransformResources={"InstanceType": "ml.m5.large", "InstanceCount": 2},
    )
    assert outputs(s3, job) == [f"{number}.csv.out" for number in range(5)]
    assert output(s3, job, "4.csv.out") == whole
    streams = stand_in.client("logs").describe_log_streams(
        logGroupName=GROUP, logStreamNamePrefix=job["TransformJobName"]
    )["logStreams"]
    instances = [s for s in streams if not s["logStreamName"].endswith("data-log")]
    assert len(instances) == 2


def test_a_bad_file_fails_the_job_and_spares_the_others(
    stand_in, sagemaker, s3, model, whole
):
    bucket = model[0]
    body = s3.get_object(Bucket=bucket, Key="boston/test/test.csv")["Body"].read()
    prefix = boston.name("mixed")
    s3.put_object(Bucket=bucket, Key=f"{prefix}/bad.csv", Body=b"no,numbers,here\n")
    s3.put_object(Bucket=bucket, Key=f"{prefix}/good.csv", Body=body)
    job = run(sagemaker, model, TransformInput=source(f"s3://{bucket}/{prefix}/"))
    assert job["TransformJobStatus"] == "Failed"
    assert job["FailureReason"] == "ClientError: See job logs for more information"
    assert outputs(s3, job) == ["good.csv.out"]
    assert output(s3, job, "good.csv.out") == whole
    lines = boston.log_lines(
        stand_in.client("logs"), GROUP, job["TransformJobName"] + "/"
    )
    assert any(f"{bucket}/{prefix}/bad.csv: ClientError: 415" in line for line in lines)
    assert any("Loading csv data failed" in line for line in lines)


def test_a_record_over_the_payload_limit(sagemaker, s3, model, stand_in):
    bucket = model[0]
    prefix = boston.name("huge")
    s3.put_object(Bucket=bucket, Key=f"{prefix}/x.csv", Body=b"1," * 600_000 + b"1\n")
    for changes in ({}, {"BatchStrategy": "SingleRecord"}):
        job = run(
            sagemaker,
            model,
            TransformInput=source(f"s3://{bucket}/{prefix}/"),
            MaxPayloadInMB=1,
            **changes,
        )
        assert job["TransformJobStatus"] == "Failed"
        lines = boston.log_lines(
            stand_in.client("logs"), GROUP, job["TransformJobName"] + "/"
        )
        assert any("Too much data for max payload size" in line for line in lines)


def test_json_is_answered_when_asked_for(sagemaker, s3, model):
    """In batch mode the image writes plain lines whatever Accept says."""
    job = run(sagemaker, model, TransformOutput={"Accept": "application/json"})
    assert job["TransformJobStatus"] == "Completed", job
    first = output(s3, job, "test.csv.out").split()[0]
    assert isinstance(json.loads(first), float)


def test_streams_are_named_as_on_aws(stand_in, sagemaker, model):
    job = run(sagemaker, model)
    name = job["TransformJobName"]
    streams = stand_in.client("logs").describe_log_streams(
        logGroupName=GROUP, logStreamNamePrefix=name
    )["logStreams"]
    names = sorted(stream["logStreamName"] for stream in streams)
    assert re.fullmatch(rf"{name}/i-[0-9a-f]{{17}}-\d{{10}}", names[0])
    assert names[1] == names[0] + "/data-log"


def test_stopping_discards_the_output(sagemaker, s3, model):
    bucket, model_name, test = model
    rows = boston.csv(test.drop(columns="MEDV"))
    prefix = boston.name("slow")
    s3.put_object(Bucket=bucket, Key=f"{prefix}/a.csv", Body=rows)
    s3.put_object(Bucket=bucket, Key=f"{prefix}/b.csv", Body=rows * 400)
    name = boston.name()
    request = boston.transform_request(
        bucket,
        name,
        model_name,
        TransformInput=source(f"s3://{bucket}/{prefix}/"),
        TransformOutput={"S3OutputPath": f"s3://{bucket}/{name}"},
        BatchStrategy="SingleRecord",
    )
    sagemaker.create_transform_job(**request)
    boston.wait(lambda: {"written": outputs(s3, request)}, "written", (["a.csv.out"],))
    sagemaker.stop_transform_job(TransformJobName=name)
    job = boston.wait_for_transform(sagemaker, name)
    assert job["TransformJobStatus"] == "Stopped"
    assert outputs(s3, job) == []


def test_the_id_goes_around_the_model(sagemaker, s3, model, whole):
    """AWS's own recipe: $[1:] in, joined, $[0,-1] out."""
    bucket, _, test = model
    features = test.drop(columns="MEDV")
    features.insert(0, "id", [f'tract "{number}", x' for number in range(len(test))])
    prefix = boston.name("ids")
    s3.put_object(Bucket=bucket, Key=f"{prefix}/ids.csv", Body=boston.csv(features))
    job = run(
        sagemaker,
        model,
        TransformInput=source(f"s3://{bucket}/{prefix}/"),
        TransformOutput={"Accept": "text/csv", "AssembleWith": "Line"},
        DataProcessing={
            "InputFilter": "$[1:]",
            "JoinSource": "Input",
            "OutputFilter": "$[0,-1]",
        },
    )
    assert job["TransformJobStatus"] == "Completed", job
    rows = list(csv.reader(output(s3, job, "ids.csv.out").decode().splitlines()))
    assert [row[0] for row in rows] == list(features["id"])
    assert [row[1] for row in rows] == whole.decode().split()


def test_a_filter_alone_needs_no_accept(sagemaker, s3, model, whole):
    bucket, _, test = model
    features = test.drop(columns="MEDV")
    features.insert(0, "id", range(len(test)))
    prefix = boston.name("filtered")
    s3.put_object(Bucket=bucket, Key=f"{prefix}/ids.csv", Body=boston.csv(features))
    job = run(
        sagemaker,
        model,
        TransformInput=source(f"s3://{bucket}/{prefix}/"),
        DataProcessing={"InputFilter": "$[1:]"},
    )
    assert output(s3, job, "ids.csv.out") == whole


@pytest.mark.parametrize(
    ("content", "way_out"),
    [
        (b"binf\0\0\0?\4\0\0\0", "re-saving it with XGBoost"),
        (
            b"\x80\x03cxgboost.core\nBooster\n",
            "Booster.save_model('xgboost-model.json')",
        ),
    ],
)
def test_a_model_of_an_old_version_says_what_can_convert_it(
    stand_in, sagemaker, s3, model, content, way_out
):
    bucket, _, test = model
    name = boston.name("old")
    s3.put_object(
        Bucket=bucket, Key=f"{name}.tar.gz", Body=boston.model_archive(content)
    )
    data = f"s3://{bucket}/{name}.tar.gz"
    container = {"Image": boston.IMAGE, "ModelDataUrl": data}
    sagemaker.create_model(
        ModelName=name, ExecutionRoleArn=ROLE_ARN, PrimaryContainer=container
    )
    job = run(sagemaker, (bucket, name, test))
    assert job["TransformJobStatus"] == "Failed"
    reason = job["FailureReason"]
    assert reason.startswith(
        "AlgorithmError: See job logs for more information. "
        "Model /opt/ml/model/xgboost-model cannot be loaded:\n"
    )
    assert way_out in " ".join(reason.split())
    logs = stand_in.client("logs")
    lines = boston.log_lines(logs, GROUP, job["TransformJobName"] + "/")
    assert any("ERROR] Unable to load model: Model /opt/ml/model/" in x for x in lines)


def test_a_plain_file_that_is_said_to_be_gzip(stand_in, sagemaker, model):
    uri = f"s3://{model[0]}/boston/test/"
    job = run(sagemaker, model, TransformInput=source(uri, CompressionType="Gzip"))
    assert job["FailureReason"] == "ClientError: See job logs for more information"
    lines = boston.log_lines(
        stand_in.client("logs"), GROUP, job["TransformJobName"] + "/"
    )
    assert any(
        "boston/test/test.csv: ClientError: not a gzip" in line for line in lines
    )


@pytest.mark.parametrize(
    ("processing", "words"),
    [
        ({"InputFilter": "$.name"}, "no names, only indexes"),
        ({"OutputFilter": "$[?(@>1)]"}, "is not a JSONPath"),
        ({"InputFilter": "$..x"}, "does not begin with $"),
        ({"InputFilter": "$[1:][0]"}, "deeper"),
        ({"InputFilter": "[1:]"}, "does not begin with $"),
    ],
)
def test_a_filter_that_can_not_work_is_refused(sagemaker, model, processing, words):
    request = boston.transform_request(
        model[0],
        boston.name(),
        model[1],
        TransformOutput={
            "S3OutputPath": f"s3://{model[0]}/filtered",
            "Accept": "text/csv",
            "AssembleWith": "Line",
        },
        DataProcessing=processing,
    )
    code, message = refused(sagemaker.create_transform_job, **request)
    assert (code, words in message) == ("ValidationException", True), message


def refused(call, **request):
    with pytest.raises(ClientError) as caught:
        call(**request)
    return caught.value.response["Error"]["Code"], str(caught.value)


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"ModelName": "nobody"}, 'Could not find model "arn:aws:sagemaker:'),
        ({"MaxPayloadInMB": 101}, "MaxPayloadInMB"),
        ({"MaxPayloadInMB": 50, "MaxConcurrentTransforms": 3}, "50"),
        (
            {"DataProcessing": {"JoinSource": "Input"}},
            "JoinSource Input needs ContentType and Accept to be the same",
        ),
        (
            {"TransformInput": source("s3://sagemaker-no-such-bucket/x")},
            "No S3 objects found",
        ),
    ],
    ids=str,
)
def test_what_is_refused_leaves_no_job(sagemaker, model, changes, words):
    name = boston.name()
    request = {**boston.transform_request(model[0], name, model[1]), **changes}
    code, message = refused(sagemaker.create_transform_job, **request)
    assert code == "ValidationException"
    assert words in message
    assert (
        "Could not find requested job with name"
        in refused(sagemaker.describe_transform_job, TransformJobName=name)[1]
    )


def test_more_instances_than_a_computer_can_play(sagemaker, model):
    request = boston.transform_request(model[0], boston.name(), model[1])
    request["TransformResources"]["InstanceCount"] = 21
    code, message = refused(sagemaker.create_transform_job, **request)
    assert (code, "at most 20" in message) == ("ResourceLimitExceeded", True)


def test_lists_newest_first(sagemaker, model):
    names = [run(sagemaker, model)["TransformJobName"] for _ in range(2)]
    listed = sagemaker.list_transform_jobs(MaxResults=2)["TransformJobSummaries"]
    assert [job["TransformJobName"] for job in listed] == names[::-1]
