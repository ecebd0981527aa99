"""State that the previous edition (commit 0ff9ad8) wrote is read by this one.

`previous_edition.tar.xz` was made by running this file in a checkout of that commit:

    git worktree add OLD 0ff9ad8
    cp tests/test_previous_edition.py OLD/tests/
    cd OLD && python tests/test_previous_edition.py /path/to/previous_edition.tar.xz
"""

import sqlite3
import sys
import tarfile
import tempfile
import time
from pathlib import Path

import pytest
from botocore.exceptions import ClientError
from conftest import StandIn, start_stand_in, stop_stand_in

from local_aws.installation import ROLE_ARN

FIXTURE = Path(__file__).with_name("previous_edition.tar.xz")
BUCKET = "sagemaker-previous"
IMAGE = "683313688378.dkr.ecr.us-east-1.amazonaws.com/sagemaker-xgboost:3.2-0"
FEATURES = "".join(f"{i},{i * i % 11}\n" for i in range(50))
TRAIN = "".join(f"{i % 7},{line}\n" for i, line in enumerate(FEATURES.split()))
PART = b"x" * (5 * 2**20)
TAGS = [{"Key": "team", "Value": "blue"}]
STREAM = {"logGroupName": "/own", "logStreamName": "stream"}
METRIC = {"Namespace": "Own", "MetricName": "rmse"}
STATUSES = (
    "TrainingJobStatus",
    "TransformJobStatus",
    "EndpointStatus",
    "NotebookInstanceStatus",
)


@pytest.fixture
def previous(home) -> Path:
    """A state folder of the previous edition; a job and an endpoint were cut off."""
    with tarfile.open(FIXTURE) as archive:
        archive.extractall(home, filter="data")
    with sqlite3.connect(home / "sagemaker.sqlite") as connection:
        for name, change in (
            ("Stopped", "'$.TrainingJobStatus', 'InProgress'"),
            ("Cut-off", "'$.EndpointStatus', 'Updating'"),
        ):
            connection.execute(
                f"UPDATE resources SET record=json_set(record, {change}) WHERE name=?",
                (name,),
            )
    connection.close()
    return home


def test_it_is_read_and_goes_on(previous) -> None:
    stand_in = start_stand_in(previous)
    for _ in range(2):
        check_moto_services(stand_in)
        check_sagemaker(stand_in.client("sagemaker"))
        stand_in.process.kill()
        stand_in.process.wait()
        stand_in = start_stand_in(previous)  # now on what this edition wrote
    go_on(stand_in)
    assert "Traceback" not in stop_stand_in(stand_in)


def check_moto_services(stand_in: StandIn) -> None:
    s3 = stand_in.client("s3")
    assert s3.get_bucket_tagging(Bucket=BUCKET)["TagSet"] == TAGS
    found = s3.get_object(Bucket=BUCKET, Key="train/train.csv")
    assert found["Body"].read() == TRAIN.encode()
    assert found["TagCount"] == 1
    large = s3.get_object(Bucket=BUCKET, Key="large")
    assert large["Body"].read() == b"large" * 40_000
    finished = s3.get_object(Bucket=BUCKET, Key="finished")
    assert finished["Body"].read() == PART
    versions = s3.list_object_versions(Bucket=BUCKET, Prefix="gone")
    assert len(versions["Versions"]) == len(versions["DeleteMarkers"]) == 1
    (upload,) = s3.list_multipart_uploads(Bucket=BUCKET)["Uploads"]
    parts = s3.list_parts(Bucket=BUCKET, Key="unfinished", UploadId=upload["UploadId"])
    assert [part["Size"] for part in parts["Parts"]] == [len(PART)]
    iam = stand_in.client("iam")
    assert iam.get_role(RoleName="own")["Role"]["Tags"] == TAGS
    attached = iam.list_attached_role_policies(RoleName="own")["AttachedPolicies"]
    assert [policy["PolicyName"] for policy in attached] == ["ReadOnlyAccess"]
    events = stand_in.client("logs").get_log_events(**STREAM)["events"]
    assert [event["message"] for event in events] == ["a line"]
    cloudwatch = stand_in.client("cloudwatch")
    (alarm,) = cloudwatch.describe_alarms()["MetricAlarms"]
    assert alarm["AlarmName"] == "high"
    (metric,) = cloudwatch.list_metrics(Namespace=METRIC["Namespace"])["Metrics"]
    assert metric["MetricName"] == METRIC["MetricName"]


def check_sagemaker(sagemaker) -> None:
    job = sagemaker.describe_training_job(TrainingJobName="trained")
    assert job["TrainingJobStatus"] == "Completed"
    assert job["FinalMetricDataList"]
    assert sagemaker.list_tags(ResourceArn=job["TrainingJobArn"])["Tags"] == TAGS
    failed = sagemaker.describe_training_job(TrainingJobName="failed")
    assert failed["TrainingJobStatus"] == "Failed"
    assert "num_round" in failed["FailureReason"]
    cut_off = wait(sagemaker.describe_training_job, TrainingJobName="Stopped")
    assert cut_off["TrainingJobStatus"] == "Failed"
    listed = sagemaker.list_training_jobs()["TrainingJobSummaries"]
    assert {job["TrainingJobName"] for job in listed} == {
        "trained",
        "failed",
        "Stopped",
    }
    job = sagemaker.describe_transform_job(TransformJobName="transformed")
    assert job["TransformJobStatus"] == "Completed"
    assert len(sagemaker.list_transform_jobs()["TransformJobSummaries"]) == 1
    model = sagemaker.describe_model(ModelName="Model")
    assert model["PrimaryContainer"]["Image"] == IMAGE
    assert sagemaker.list_tags(ResourceArn=model["ModelArn"])["Tags"] == TAGS
    assert len(sagemaker.list_models()["Models"]) == 1
    for name in ("first", "second"):
        found = sagemaker.describe_endpoint_config(EndpointConfigName=name)
        (variant,) = found["ProductionVariants"]
        assert variant["ModelName"] == "Model"
    for name, config in (("endpoint", "second"), ("Cut-off", "first")):
        found = wait(sagemaker.describe_endpoint, EndpointName=name)
        assert found["EndpointStatus"] == "InService"
        assert found["EndpointConfigName"] == config
        assert sagemaker.list_tags(ResourceArn=found["EndpointArn"])["Tags"] == TAGS
    assert len(sagemaker.list_endpoints()["Endpoints"]) == 2
    notebook = sagemaker.describe_notebook_instance(NotebookInstanceName="notebook")
    assert notebook["NotebookInstanceStatus"] == "InService"


def go_on(stand_in: StandIn) -> None:
    """What was begun with the previous edition is used, changed, ended and deleted."""
    s3, sagemaker = stand_in.client("s3"), stand_in.client("sagemaker")
    (upload,) = s3.list_multipart_uploads(Bucket=BUCKET)["Uploads"]
    where = {"Bucket": BUCKET, "Key": "unfinished", "UploadId": upload["UploadId"]}
    tags = [part["ETag"] for part in s3.list_parts(**where)["Parts"]]
    tags.append(s3.upload_part(**where, PartNumber=2, Body=b"end")["ETag"])
    parts = [{"PartNumber": n, "ETag": tag} for n, tag in enumerate(tags, 1)]
    s3.complete_multipart_upload(**where, MultipartUpload={"Parts": parts})
    found = s3.get_object(Bucket=BUCKET, Key="unfinished")["Body"].read()
    assert found == PART + b"end"
    event = {"timestamp": int(time.time() * 1000), "message": "another"}
    stand_in.client("logs").put_log_events(**STREAM, logEvents=[event])
    runtime = stand_in.client("sagemaker-runtime")
    for name, config in (("endpoint", "first"), ("Cut-off", "second")):
        wait(sagemaker.describe_endpoint, EndpointName=name)
        sagemaker.update_endpoint(EndpointName=name, EndpointConfigName=config)
        found = wait(sagemaker.describe_endpoint, EndpointName=name)
        assert found["EndpointStatus"] == "InService", found
        assert found["EndpointConfigName"] == config
        invoked = runtime.invoke_endpoint(
            EndpointName=name, ContentType="text/csv", Body="1,1"
        )
        float(invoked["Body"].read())
        sagemaker.delete_endpoint(EndpointName=name)
    model = sagemaker.describe_model(ModelName="Model")
    model_arn = model["ModelArn"]
    assert model_arn.endswith(":model/model")  # that edition lower-cased names
    sagemaker.add_tags(ResourceArn=model_arn, Tags=[{"Key": "new", "Value": ""}])
    members = ("PrimaryContainer", "ExecutionRoleArn")
    same = {member: model[member] for member in members}
    with pytest.raises(ClientError, match=f'already existing model "{model_arn}"'):
        sagemaker.create_model(ModelName="model", **same)
    other_arn = sagemaker.create_model(ModelName="moDEL", **same)["ModelArn"]
    assert other_arn.endswith(":model/moDEL")
    sagemaker.delete_model(ModelName="Model")
    with pytest.raises(ClientError, match="Could not find"):
        sagemaker.list_tags(ResourceArn=model_arn)
    for name in ("trained", "failed", "Stopped"):
        sagemaker.delete_training_job(TrainingJobName=name)


def fill(stand_in: StandIn) -> None:
    """Something of all that is persisted, in the states that last."""
    fill_s3(stand_in.client("s3"))
    iam = stand_in.client("iam")
    iam.create_role(RoleName="own", AssumeRolePolicyDocument="{}", Tags=TAGS)
    iam.attach_role_policy(
        RoleName="own", PolicyArn="arn:aws:iam::aws:policy/ReadOnlyAccess"
    )
    logs = stand_in.client("logs")
    logs.create_log_group(logGroupName=STREAM["logGroupName"])
    logs.create_log_stream(**STREAM)
    event = {"timestamp": int(time.time() * 1000), "message": "a line"}
    logs.put_log_events(**STREAM, logEvents=[event])
    cloudwatch = stand_in.client("cloudwatch")
    cloudwatch.put_metric_data(
        Namespace=METRIC["Namespace"],
        MetricData=[{"MetricName": METRIC["MetricName"], "Value": 1.5}],
    )
    cloudwatch.put_metric_alarm(
        **METRIC,
        AlarmName="high",
        ComparisonOperator="GreaterThanThreshold",
        EvaluationPeriods=1,
        Period=60,
        Statistic="Average",
        Threshold=3,
    )
    fill_sagemaker(stand_in.client("sagemaker"))


def fill_s3(s3) -> None:
    s3.create_bucket(Bucket=BUCKET)
    s3.put_bucket_tagging(Bucket=BUCKET, Tagging={"TagSet": TAGS})
    s3.put_object(Bucket=BUCKET, Key="train/train.csv", Body=TRAIN, Tagging="a=b")
    s3.put_object(Bucket=BUCKET, Key="features/features.csv", Body=FEATURES)
    s3.put_object(Bucket=BUCKET, Key="large", Body=b"large" * 40_000)
    s3.put_bucket_versioning(
        Bucket=BUCKET, VersioningConfiguration={"Status": "Enabled"}
    )
    s3.put_object(Bucket=BUCKET, Key="gone", Body=b"first")
    s3.delete_object(Bucket=BUCKET, Key="gone")
    begin_upload(s3, "unfinished")
    where, part = begin_upload(s3, "finished")
    s3.complete_multipart_upload(**where, MultipartUpload={"Parts": [part]})


def begin_upload(s3, key: str) -> tuple[dict, dict]:
    where = {"Bucket": BUCKET, "Key": key}
    where |= {"UploadId": s3.create_multipart_upload(**where)["UploadId"]}
    tag = s3.upload_part(**where, PartNumber=1, Body=PART)["ETag"]
    return where, {"PartNumber": 1, "ETag": tag}


def fill_sagemaker(sagemaker) -> None:
    for name, rounds in (("trained", "3"), ("failed", "none"), ("Stopped", "100000")):
        sagemaker.create_training_job(
            TrainingJobName=name,
            AlgorithmSpecification={
                "TrainingImage": IMAGE,
                "TrainingInputMode": "File",
            },
            RoleArn=ROLE_ARN,
            InputDataConfig=[{"ChannelName": "train", **data("train")}],
            OutputDataConfig={"S3OutputPath": f"s3://{BUCKET}/output"},
            ResourceConfig={
                "InstanceType": "ml.m5.large",
                "InstanceCount": 1,
                "VolumeSizeInGB": 1,
            },
            StoppingCondition={"MaxRuntimeInSeconds": 600},
            HyperParameters={"num_round": rounds},
            Tags=TAGS,
        )
    sagemaker.stop_training_job(TrainingJobName="Stopped")
    job = wait(sagemaker.describe_training_job, TrainingJobName="trained")
    wait(sagemaker.describe_training_job, TrainingJobName="failed")
    wait(sagemaker.describe_training_job, TrainingJobName="Stopped")
    container = {
        "Image": IMAGE,
        "ModelDataUrl": job["ModelArtifacts"]["S3ModelArtifacts"],
    }
    sagemaker.create_model(
        ModelName="Model",
        ExecutionRoleArn=ROLE_ARN,
        PrimaryContainer=container,
        Tags=TAGS,
    )
    sagemaker.create_transform_job(
        TransformJobName="transformed",
        ModelName="Model",
        TransformInput={"SplitType": "Line", **data("features")},
        TransformOutput={"S3OutputPath": f"s3://{BUCKET}/transform"},
        TransformResources={"InstanceType": "ml.m5.large", "InstanceCount": 1},
    )
    wait(sagemaker.describe_transform_job, TransformJobName="transformed")
    variant = {
        "VariantName": "Only",
        "ModelName": "Model",
        "InstanceType": "ml.m5.large",
        "InitialInstanceCount": 1,
    }
    for name in ("first", "second"):
        sagemaker.create_endpoint_config(
            EndpointConfigName=name, ProductionVariants=[variant]
        )
    for name in ("endpoint", "Cut-off"):
        endpoint = {"EndpointName": name, "EndpointConfigName": "first"}
        sagemaker.create_endpoint(**endpoint, Tags=TAGS)
        wait(sagemaker.describe_endpoint, EndpointName=name)
    sagemaker.update_endpoint(EndpointName="endpoint", EndpointConfigName="second")
    wait(sagemaker.describe_endpoint, EndpointName="endpoint")
    sagemaker.create_notebook_instance(
        NotebookInstanceName="notebook", InstanceType="ml.t3.medium", RoleArn=ROLE_ARN
    )
    wait(sagemaker.describe_notebook_instance, NotebookInstanceName="notebook")


def data(prefix: str) -> dict:
    source = {"S3DataType": "S3Prefix", "S3Uri": f"s3://{BUCKET}/{prefix}"}
    return {"ContentType": "text/csv", "DataSource": {"S3DataSource": source}}


def wait(describe, **name) -> dict:
    """The description once it says that nothing is under way."""
    deadline = time.monotonic() + 180
    while True:
        found = describe(**name)
        (status,) = (v for k, v in found.items() if k in STATUSES)
        if not status.endswith(("ing", "InProgress")) and status != "Pending":
            return found
        assert time.monotonic() < deadline, found
        time.sleep(0.05)


def make_fixture(path: Path) -> None:
    """Write what the edition that this file lies in makes of `fill`."""
    with tempfile.TemporaryDirectory(prefix="la-") as folder:
        home = Path(folder).resolve()
        stand_in = start_stand_in(home)
        fill(stand_in)
        stop_stand_in(stand_in)
        with tarfile.open(path, "w:xz") as archive:
            for name in ("services.sqlite", "sagemaker.sqlite", "s3"):
                if name != "s3":
                    connection = sqlite3.connect(home / name)
                    connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
                    connection.close()
                archive.add(home / name, name, filter=anonymous)


def anonymous(entry: tarfile.TarInfo) -> tarfile.TarInfo:
    entry.uid = entry.gid = 0
    entry.uname = entry.gname = ""
    return entry


if __name__ == "__main__":
    make_fixture(Path(sys.argv[1]))
