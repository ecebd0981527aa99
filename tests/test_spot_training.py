"""Managed spot training and checkpoints, through boto3."""

import io
import tarfile

import boston
import pytest
import xgboost as xgb

SPOT = {
    "EnableManagedSpotTraining": True,
    "StoppingCondition": {"MaxRuntimeInSeconds": 600, "MaxWaitTimeInSeconds": 1200},
}
# Enough for an interruption to come in between.
ROUNDS = {"num_round": "400", "max_depth": "6"}


@pytest.fixture(scope="module")
def sagemaker(stand_in):
    return stand_in.client("sagemaker")


@pytest.fixture(scope="module")
def s3(stand_in):
    return stand_in.client("s3")


@pytest.fixture(scope="module")
def data(s3):
    bucket = boston.name("sagemaker-spot")
    s3.create_bucket(Bucket=bucket)
    boston.upload(s3, bucket)
    return bucket


def train(sagemaker, bucket, hyperparameters, **changes):
    name = boston.name()
    sagemaker.create_training_job(
        **boston.training_request(bucket, name, hyperparameters, **changes)
    )
    job = boston.wait_for_training(sagemaker, name)
    assert job["TrainingJobStatus"] == "Completed", job
    return job


def checkpoints_in(bucket, name):
    return {"CheckpointConfig": {"S3Uri": f"s3://{bucket}/checkpoints/{name}"}}


def names_under(s3, bucket, prefix):
    listed = s3.list_objects_v2(Bucket=bucket, Prefix=prefix).get("Contents", [])
    return {entry["Key"].removeprefix(prefix) for entry in listed}


def model_of(s3, job):
    bucket, _, key = (
        job["ModelArtifacts"]["S3ModelArtifacts"].removeprefix("s3://").partition("/")
    )
    body = s3.get_object(Bucket=bucket, Key=key)["Body"].read()
    with tarfile.open(fileobj=io.BytesIO(body), mode="r:gz") as archive:
        return archive.extractfile("xgboost-model").read()


def statuses(job):
    return [entry["Status"] for entry in job["SecondaryStatusTransitions"]]


def test_spot_without_an_interruption_is_billed_in_full(sagemaker, s3, data):
    given = checkpoints_in(data, "quiet")
    job = train(sagemaker, data, {"num_round": "20"}, **SPOT, **given)
    assert job["EnableManagedSpotTraining"] is True
    assert job["CheckpointConfig"] == given["CheckpointConfig"]
    assert job["BillableTimeInSeconds"] == job["TrainingTimeInSeconds"] >= 1
    assert "Interrupted" not in statuses(job)
    last_five = {f"xgboost-checkpoint.{number}" for number in range(15, 20)}
    assert names_under(s3, data, "checkpoints/quiet/") == last_five
    plain = train(sagemaker, data, {"num_round": "20"})
    assert model_of(s3, job) == model_of(s3, plain)


def test_an_interrupted_job_resumes_from_its_checkpoint(stand_in, sagemaker, s3, data):
    switch = {"Environment": {"LOCAL_AWS_SPOT_INTERRUPTION": "1"}}
    given = checkpoints_in(data, "interrupted")
    job = train(sagemaker, data, ROUNDS, **SPOT, **given, **switch)
    attempt = ["Starting", "Downloading", "Training"]
    ends = ["Uploading", "Completed"]
    assert statuses(job) == [*attempt, "Interrupted", *attempt, *ends]
    gap = job["SecondaryStatusTransitions"][3]
    assert (gap["EndTime"] - gap["StartTime"]).total_seconds() >= 1
    assert job["BillableTimeInSeconds"] < job["TrainingTimeInSeconds"]
    lines = boston.log_lines(
        stand_in.client("logs"), "/aws/sagemaker/TrainingJobs", job["TrainingJobName"]
    )
    resumed = [line for line in lines if "Resuming from iteration" in line]
    assert len(resumed) == 1
    assert 2 <= int(resumed[0].rpartition(" ")[2]) < 400
    plain = train(sagemaker, data, ROUNDS)
    assert model_of(s3, job) == model_of(s3, plain)
    assert (
        xgb.Booster(model_file=bytearray(model_of(s3, job))).num_boosted_rounds() == 400
    )
