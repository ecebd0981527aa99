"""Training jobs through boto3: states, times, logs, metrics, artifacts, refusals."""

import io
import itertools
import re
import tarfile

import boston
import numpy as np
import pytest
import xgboost as xgb
from botocore.exceptions import ClientError

from local_aws.installation import ROLE_ARN

GROUP = "/aws/sagemaker/TrainingJobs"

# Runs for minutes, prints a line a round.
ENDLESS = {"num_round": "1000000", "max_depth": "2"}


@pytest.fixture(scope="module")
def sagemaker(stand_in):
    return stand_in.client("sagemaker")


@pytest.fixture(scope="module")
def data(stand_in):
    s3 = stand_in.client("s3")
    bucket = boston.name("sagemaker-training")
    s3.create_bucket(Bucket=bucket)
    return bucket, *boston.upload(s3, bucket)


@pytest.fixture(scope="module")
def completed(sagemaker, data):
    name = boston.name()
    sagemaker.create_training_job(
        **boston.training_request(data[0], name, Tags=[{"Key": "team", "Value": "a"}])
    )
    return boston.wait_for_training(sagemaker, name)


def refused(call, **request):
    with pytest.raises(ClientError) as caught:
        call(**request)
    answer = caught.value.response
    assert answer["ResponseMetadata"]["HTTPStatusCode"] == 400
    return answer["Error"]["Code"], answer["Error"]["Message"]


def test_it_goes_through_the_real_states(completed):
    assert completed["TrainingJobStatus"] == "Completed", completed
    transitions = completed["SecondaryStatusTransitions"]
    assert [transition["Status"] for transition in transitions] == [
        "Starting",
        "Downloading",
        "Training",
        "Uploading",
        "Completed",
    ]
    for before, after in itertools.pairwise(transitions):
        assert before["StartTime"] <= before["EndTime"] == after["StartTime"]
    assert (
        completed["CreationTime"]
        <= completed["TrainingStartTime"]
        <= completed["TrainingEndTime"]
    )
    seconds = (
        completed["TrainingEndTime"] - completed["TrainingStartTime"]
    ).total_seconds()
    assert 0 <= completed["TrainingTimeInSeconds"] - seconds < 1
    assert completed["BillableTimeInSeconds"] == completed["TrainingTimeInSeconds"]


def trained_model(stand_in, job):
    """The model in the job's artifact."""
    bucket, key = job["ModelArtifacts"]["S3ModelArtifacts"][5:].split("/", 1)
    body = stand_in.client("s3").get_object(Bucket=bucket, Key=key)["Body"]
    with tarfile.open(fileobj=io.BytesIO(body.read())) as tar:
        assert tar.getnames() == ["xgboost-model"]
        content = tar.extractfile("xgboost-model").read()
    return xgb.Booster(model_file=bytearray(content))


def test_the_artifact_is_the_model_that_bare_xgboost_trains(stand_in, completed, data):
    bucket, train, _, test = data
    uri = completed["ModelArtifacts"]["S3ModelArtifacts"]
    name = completed["TrainingJobName"]
    assert uri == f"s3://{bucket}/output/{name}/output/model.tar.gz"
    model = trained_model(stand_in, completed)
    expected = xgb.train(
        {"objective": "reg:squarederror", "max_depth": 4, "eta": 0.3},
        xgb.DMatrix(train.drop(columns="MEDV").to_numpy(), train["MEDV"]),
        20,
    )
    features = xgb.DMatrix(test.drop(columns="MEDV").to_numpy())
    np.testing.assert_allclose(
        model.predict(features), expected.predict(features), rtol=1e-4
    )


def test_metrics_come_from_the_log(stand_in, completed):
    lines = boston.log_lines(
        stand_in.client("logs"), GROUP, completed["TrainingJobName"] + "/"
    )
    rounds = [line for line in lines if line.startswith("[19]#011")]
    assert len(rounds) == 1
    printed = dict(re.findall(r"#011(\w+)-rmse:([0-9.]+)", rounds[0]))
    final = {
        metric["MetricName"]: metric["Value"]
        for metric in completed["FinalMetricDataList"]
    }
    assert final == pytest.approx(
        {
            "train:rmse": float(printed["train"]),
            "validation:rmse": float(printed["validation"]),
        }
    )
    names = stand_in.client("cloudwatch").list_metrics(
        Namespace=GROUP,
        Dimensions=[{"Name": "TrainingJobName", "Value": completed["TrainingJobName"]}],
    )["Metrics"]
    assert {metric["MetricName"] for metric in names} == set(final)


def test_the_log_stream_is_named_as_on_aws_and_shows_no_path_of_ours(
    stand_in, completed
):
    logs = stand_in.client("logs")
    name = completed["TrainingJobName"]
    (stream,) = logs.describe_log_streams(logGroupName=GROUP, logStreamNamePrefix=name)[
        "logStreams"
    ]
    assert re.fullmatch(rf"{name}/algo-1-\d{{10}}", stream["logStreamName"])
    text = "\n".join(boston.log_lines(logs, GROUP, name))
    assert str(stand_in.home) not in text
    assert "/opt/ml" in text


@pytest.mark.parametrize("where", ["job", "channel"])
def test_fast_file_mode_is_like_file_mode(sagemaker, data, where):
    name = boston.name()
    request = boston.training_request(data[0], name)
    if where == "job":
        request["AlgorithmSpecification"]["TrainingInputMode"] = "FastFile"
    else:
        request["InputDataConfig"][0]["InputMode"] = "FastFile"
    sagemaker.create_training_job(**request)
    job = boston.wait_for_training(sagemaker, name)
    assert job["TrainingJobStatus"] == "Completed", job.get("FailureReason")


def test_a_failure_names_its_cause(sagemaker, data):
    name = boston.name()
    request = boston.training_request(data[0], name)
    del request["HyperParameters"]["num_round"]
    sagemaker.create_training_job(**request)
    job = boston.wait_for_training(sagemaker, name)
    assert job["TrainingJobStatus"] == "Failed"
    assert job["SecondaryStatus"] == "Failed"
    assert job["FailureReason"].startswith("AlgorithmError: ")
    assert job["FailureReason"].endswith(", exit code: 1")
    assert len(job["FailureReason"]) <= 1024


def test_stopping_keeps_what_was_trained(stand_in, sagemaker, data):
    name = boston.name()
    hyperparameters = {**ENDLESS, "save_model_on_termination": "true"}
    sagemaker.create_training_job(
        **boston.training_request(data[0], name, hyperparameters)
    )
    # It logs while it runs: the first rounds are there before the job has ended.
    wait_for_lines(stand_in, name, "#011train-rmse")
    sagemaker.stop_training_job(TrainingJobName=name)
    job = boston.wait_for_training(sagemaker, name)
    assert job["TrainingJobStatus"] == "Stopped"
    assert job["SecondaryStatus"] == "Stopped"
    assert [entry["Status"] for entry in job["SecondaryStatusTransitions"]][-2:] == [
        "Stopping",
        "Stopped",
    ]
    assert trained_model(stand_in, job).num_boosted_rounds() > 0
    code, message = refused(sagemaker.stop_training_job, TrainingJobName=name)
    assert (code, message) == (
        "ValidationException",
        "The request was rejected because the training job is in status Stopped.",
    )


def wait_for_lines(stand_in, name, text):
    logs = stand_in.client("logs")

    def describe(**_):
        try:
            lines = boston.log_lines(logs, GROUP, name + "/")
        except logs.exceptions.ResourceNotFoundException:
            lines = []
        return {"found": any(text in line for line in lines)}

    boston.wait(describe, "found", (True,))


def test_a_job_beyond_its_time_is_stopped_not_failed(sagemaker, data):
    name = boston.name()
    sagemaker.create_training_job(
        **boston.training_request(
            data[0], name, ENDLESS, StoppingCondition={"MaxRuntimeInSeconds": 1}
        )
    )
    job = boston.wait_for_training(sagemaker, name)
    assert job["TrainingJobStatus"] == "Stopped"
    assert job["SecondaryStatus"] == "MaxRuntimeExceeded"
    assert "FailureReason" not in job


def test_describe_echoes_the_request(completed, data):
    request = boston.training_request(data[0], completed["TrainingJobName"])
    request["AlgorithmSpecification"] |= {
        "MetricDefinitions": completed["AlgorithmSpecification"]["MetricDefinitions"],
        "EnableSageMakerMetricsTimeSeries": True,
    }
    assert {key: completed[key] for key in request} == request
    names = {
        definition["Name"]
        for definition in completed["AlgorithmSpecification"]["MetricDefinitions"]
    }
    assert {"validation:rmse", "train:rmse"} <= names


@pytest.mark.parametrize("operation", ["describe", "stop", "delete"])
def test_an_unknown_job(sagemaker, operation):
    call = getattr(sagemaker, f"{operation}_training_job")
    assert refused(call, TrainingJobName="nobody") == (
        "ValidationException",
        "Requested resource not found.",
    )


def test_a_name_is_used_once_until_the_job_is_deleted(sagemaker, data, completed):
    name = boston.name()
    request = boston.training_request(data[0], name)
    arn = sagemaker.create_training_job(**request)["TrainingJobArn"]
    assert refused(sagemaker.create_training_job, **request) == (
        "ResourceInUse",
        "Training job names must be unique within an AWS account and region, and a "
        f"training job with this name already exists ({arn})",
    )
    boston.wait_for_training(sagemaker, name)
    sagemaker.delete_training_job(TrainingJobName=name)
    assert refused(sagemaker.describe_training_job, TrainingJobName=name)[0] == (
        "ValidationException"
    )


def test_a_running_job_is_not_deleted(sagemaker, data):
    name = boston.name()
    sagemaker.create_training_job(**boston.training_request(data[0], name, ENDLESS))
    code, message = refused(sagemaker.delete_training_job, TrainingJobName=name)
    assert code == "ResourceInUse"
    assert "InProgress" in message
    sagemaker.stop_training_job(TrainingJobName=name)
    boston.wait_for_training(sagemaker, name)


def test_missing_input_is_refused_before_anything_starts(sagemaker, data):
    bucket = data[0]
    request = boston.training_request(
        bucket, boston.name(), InputDataConfig=[boston.channel(bucket, "nothing")]
    )
    code, message = refused(sagemaker.create_training_job, **request)
    assert code == "ValidationException"
    assert message == (
        f'No S3 objects found under S3 URL "s3://{bucket}/boston/nothing" given in '
        "input data source. Please ensure that the bucket exists in the selected "
        "region (us-east-1), that objects exist under that S3 prefix, and that the "
        f'role "{ROLE_ARN}" has "s3:ListBucket" permissions on bucket "{bucket}".'
    )
    refused(sagemaker.describe_training_job, TrainingJobName=request["TrainingJobName"])


def with_resources(**changes):
    return {
        "ResourceConfig": {
            "InstanceType": "ml.m5.large",
            "InstanceCount": 1,
            "VolumeSizeInGB": 5,
            **changes,
        }
    }


def with_algorithm(**changes):
    return {
        "AlgorithmSpecification": {
            "TrainingImage": boston.IMAGE,
            "TrainingInputMode": "File",
            **changes,
        }
    }


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"RoleArn": ROLE_ARN + "x"}, "Could not assume role"),
        ({"RoleArn": ROLE_ARN.replace("service-role/", "")}, "Could not assume role"),
        (
            {"InputDataConfig": [boston.channel("sagemaker-no-such-bucket", "train")]},
            "The specified bucket does not exist",
        ),
        (
            {"InputDataConfig": [boston.channel("no bucket", "train")]},
            '"s3://no bucket/boston/train" names no bucket',
        ),
        (
            {"OutputDataConfig": {"S3OutputPath": "s3://no bucket"}},
            '"s3://no bucket" names no bucket',
        ),
        ({"EnableManagedSpotTraining": True}, "Invalid MaxWaitTimeInSeconds"),
        (
            {
                "EnableManagedSpotTraining": True,
                "StoppingCondition": {
                    "MaxRuntimeInSeconds": 600,
                    "MaxWaitTimeInSeconds": 300,
                },
            },
            "Invalid MaxWaitTimeInSeconds",
        ),
        (
            {
                "StoppingCondition": {
                    "MaxRuntimeInSeconds": 60,
                    "MaxWaitTimeInSeconds": 60,
                }
            },
            "It is only supported when EnableManagedSpotTraining is set to true",
        ),
        (with_resources(InstanceCount=2), "InstanceCount above 1"),
        (with_resources(InstanceCount=2), "reproduce it. Use 1, or run this"),
        (with_resources(InstanceCount=0), "at least 1"),
        ({"AlgorithmSpecification": None}, "AlgorithmSpecification is required"),
        ({"StoppingCondition": {"MaxRuntimeInSeconds": 10**9}}, "28 days"),
        (
            with_algorithm(TrainingImage=boston.IMAGE.replace("3.2-0", "9.9-9")),
            "3.2-0",
        ),
        (
            with_algorithm(MetricDefinitions=[{"Name": "a", "Regex": "(.*)"}]),
            "can't override the metric definitions",
        ),
        (with_algorithm(ContainerEntrypoint=["bash"]), "ContainerEntrypoint"),
        (
            {"CheckpointConfig": {"S3Uri": "s3://no bucket/ckpt"}},
            '"s3://no bucket/ckpt" names no bucket',
        ),
        (
            {
                "CheckpointConfig": {
                    "S3Uri": "s3://sagemaker-bucket/ckpt",
                    "LocalPath": "/opt/ml/model/saved",
                }
            },
            "LocalPath /opt/ml/model/saved in CheckpointConfig can't hold checkpoints",
        ),
        (
            {"HyperParameters": {"sagemaker_program": "train.py"}},
            "Script mode",
        ),
        (with_algorithm(TrainingInputMode="Pipe"), "TrainingInputMode Pipe"),
        (with_algorithm(TrainingInputMode="Pipe"), "Use File or FastFile, or run this"),
        (
            {
                "InputDataConfig": [
                    boston.channel("sagemaker-bucket", "train", InputMode="Pipe")
                ]
            },
            "Channel train: InputMode Pipe",
        ),
        (
            {
                "DebugHookConfig": {
                    "S3OutputPath": "s3://sagemaker-bucket/debug",
                    "CollectionConfigurations": [{"CollectionName": "metrics"}],
                }
            },
            "SageMaker Debugger",
        ),
    ],
)
def test_what_is_refused_leaves_no_job(sagemaker, data, changes, words):
    request = {**boston.training_request(data[0], boston.name()), **changes}
    request = {key: value for key, value in request.items() if value is not None}
    code, message = refused(sagemaker.create_training_job, **request)
    assert code == "ValidationException"
    assert words in message
    refused(sagemaker.describe_training_job, TrainingJobName=request["TrainingJobName"])


def test_what_the_estimator_sends_for_the_debugger_is_taken(sagemaker, data):
    hook = {"S3OutputPath": f"s3://{data[0]}/debug"}
    name = boston.name()
    request = boston.training_request(data[0], name, DebugHookConfig=hook)
    sagemaker.create_training_job(**request)
    described = boston.wait_for_training(sagemaker, name)
    assert described["TrainingJobStatus"] == "Completed"
    assert described["DebugHookConfig"] == hook


def test_two_channels_of_one_name_are_refused(sagemaker, data):
    channels = [boston.channel(data[0], "train")] * 2
    request = boston.training_request(data[0], boston.name(), InputDataConfig=channels)
    code, message = refused(sagemaker.create_training_job, **request)
    assert (code, "unique" in message) == ("ValidationException", True)


def test_lists_come_in_pages_without_a_gap(sagemaker, data):
    prefix = boston.name("page")
    names = [f"{prefix}-{number}" for number in range(5)]
    for name in names:
        sagemaker.create_training_job(**boston.training_request(data[0], name))
    for order in ("Ascending", "Descending"):
        pages = sagemaker.get_paginator("list_training_jobs").paginate(
            NameContains=prefix,
            SortBy="Name",
            SortOrder=order,
            PaginationConfig={"PageSize": 2},
        )
        found = [
            job["TrainingJobName"]
            for page in pages
            for job in page["TrainingJobSummaries"]
        ]
        assert found == sorted(names, reverse=order == "Descending")
    for name in names:
        boston.wait_for_training(sagemaker, name)
    listed = sagemaker.list_training_jobs(
        NameContains=prefix,
        StatusEquals="Completed",
        SortOrder="Descending",
        MaxResults=5,
    )
    assert len(listed["TrainingJobSummaries"]) == 5
    code, message = refused(sagemaker.list_training_jobs, NextToken="nonsense")
    assert (code, message) == ("ValidationException", "Invalid NextToken.")


def test_several_files_and_a_single_object_are_channels_too(sagemaker, data, stand_in):
    bucket, train, *_ = data
    s3 = stand_in.client("s3")
    for number, rows in enumerate(np.array_split(np.arange(len(train)), 3)):
        s3.put_object(
            Bucket=bucket,
            Key=f"parts/train/deep/{number}.csv",
            Body=boston.csv(train.iloc[rows]),
        )
    channels = [boston.channel(bucket, "train"), boston.channel(bucket, "validation")]
    source = channels[0]["DataSource"]["S3DataSource"]
    source["S3Uri"] = f"s3://{bucket}/parts/train/"
    channels[1]["DataSource"]["S3DataSource"]["S3Uri"] += "/validation.csv"
    name = boston.name()
    sagemaker.create_training_job(
        **boston.training_request(bucket, name, InputDataConfig=channels)
    )
    job = boston.wait_for_training(sagemaker, name)
    assert job["TrainingJobStatus"] == "Completed", job.get("FailureReason")
    lines = boston.log_lines(stand_in.client("logs"), GROUP, name + "/")
    assert any("Train matrix has 300 rows" in line for line in lines)


def linear_learner(bucket, job_name, **hyperparameters):
    request = boston.training_request(bucket, job_name)
    request["AlgorithmSpecification"]["TrainingImage"] = (
        "382416733822.dkr.ecr.us-east-1.amazonaws.com/linear-learner:1"
    )
    request["HyperParameters"] = {
        "predictor_type": "regressor",
        "mini_batch_size": "50",
        **hyperparameters,
    }
    return request


def test_linear_learner_trains_too(sagemaker, data):
    name = boston.name("linear")
    sagemaker.create_training_job(**linear_learner(data[0], name))
    job = boston.wait_for_training(sagemaker, name)
    assert job["TrainingJobStatus"] == "Completed", job.get("FailureReason")
    metrics = {m["MetricName"]: m["Value"] for m in job["FinalMetricDataList"]}
    variance = data[2]["MEDV"].var()
    assert 1 < metrics["validation:mse"] < 0.6 * variance


def test_what_linear_learner_blames_on_the_client(sagemaker, data):
    name = boston.name("linear")
    sagemaker.create_training_job(**linear_learner(data[0], name, epochz="3"))
    job = boston.wait_for_training(sagemaker, name)
    assert job["TrainingJobStatus"] == "Failed"
    assert job["FailureReason"].startswith("ClientError: ")
    assert "'epochz' was unexpected" in job["FailureReason"]
    assert job["FailureReason"].endswith(", exit code: 2")


@pytest.mark.parametrize("key", ["x" * 256 + ".csv", "a/b"])
def test_a_key_that_can_not_be_a_file(stand_in, sagemaker, data, key):
    prefix = boston.name("odd")
    s3 = stand_in.client("s3")
    s3.put_object(Bucket=data[0], Key=f"{prefix}/a", Body=b"1,2\n")
    s3.put_object(Bucket=data[0], Key=f"{prefix}/{key}", Body=b"1,2\n")
    channel = boston.channel(data[0], "train")
    channel["DataSource"]["S3DataSource"]["S3Uri"] = f"s3://{data[0]}/{prefix}/"
    name = boston.name()
    sagemaker.create_training_job(
        **boston.training_request(data[0], name, InputDataConfig=[channel])
    )
    job = boston.wait_for_training(sagemaker, name)
    assert job["FailureReason"].startswith("ClientError: Data download failed:")
    assert key in job["FailureReason"]


def test_an_output_bucket_that_is_not_there(stand_in, sagemaker, data):
    name = boston.name()
    sagemaker.create_training_job(
        **boston.training_request(
            data[0],
            name,
            OutputDataConfig={"S3OutputPath": "s3://sagemaker-no-such-bucket/out"},
        )
    )
    job = boston.wait_for_training(sagemaker, name)
    assert job["FailureReason"].startswith("ClientError: Artifact upload failed:")
    assert str(stand_in.home) not in job["FailureReason"]


def test_the_https_form_of_an_s3_uri(sagemaker, data):
    channels = [boston.channel(data[0], "train"), boston.channel(data[0], "validation")]
    first, second = (channel["DataSource"]["S3DataSource"] for channel in channels)
    first["S3Uri"] = f"https://{data[0]}.s3-us-east-1.amazonaws.com/boston/train/"
    second["S3Uri"] = f"https://s3.us-east-1.amazonaws.com/{data[0]}/boston/validation/"
    name = boston.name()
    sagemaker.create_training_job(
        **boston.training_request(data[0], name, InputDataConfig=channels)
    )
    job = boston.wait_for_training(sagemaker, name)
    assert job["TrainingJobStatus"] == "Completed", job.get("FailureReason")
