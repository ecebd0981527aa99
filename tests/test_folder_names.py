"""A stand-in whose state lies below a folder with letters beyond ASCII."""

import boston
import numpy as np
import pytest
from xgboost_jobs import as_recordio, libsvm_text, parquet_bytes

from local_aws.installation import CHECKOUT

LOGS = "/aws/sagemaker/TrainingJobs"
LINEAR_LEARNER = "382416733822.dkr.ecr.us-east-1.amazonaws.com/linear-learner:1"
TABLE = np.round(boston.frame().to_numpy(float), 3)

JOBS = {
    "csv": ("text/csv", boston.csv(boston.frame())),
    "libsvm": ("text/libsvm", libsvm_text(TABLE).encode()),
    "parquet": ("application/x-parquet", parquet_bytes(TABLE)),
    "recordio": ("application/x-recordio-protobuf", as_recordio(TABLE)),
}


@pytest.fixture(scope="module")
def bucket(stand_in):
    """A bucket with the data in every format."""
    assert not str(stand_in.home).isascii()
    s3 = stand_in.client("s3")
    name = boston.name("sagemaker")
    s3.create_bucket(Bucket=name)
    for data, (_, body) in JOBS.items():
        s3.put_object(Bucket=name, Key=f"{data}/part", Body=body)
    boston.upload(s3, name)
    return name


def train(
    stand_in, bucket, data, image=boston.IMAGE, hyperparameters=None, channels=None
):
    sagemaker = stand_in.client("sagemaker")
    name = boston.name()
    content_type, _ = JOBS[data]
    channel = boston.channel(bucket, "train", ContentType=content_type)
    channel["DataSource"]["S3DataSource"]["S3Uri"] = f"s3://{bucket}/{data}/"
    request = boston.training_request(bucket, name, InputDataConfig=[channel])
    request["AlgorithmSpecification"]["TrainingImage"] = image
    if hyperparameters:
        request["HyperParameters"] = hyperparameters
    sagemaker.create_training_job(**request)
    return boston.wait_for_training(sagemaker, name)


@pytest.mark.parametrize("data", JOBS)
def test_xgboost_trains_on_every_content_type(stand_in, bucket, data):
    job = train(stand_in, bucket, data)
    assert job["TrainingJobStatus"] == "Completed", job.get("FailureReason")


def test_linear_learner_trains(stand_in, bucket):
    given = {"predictor_type": "regressor", "mini_batch_size": "100"}
    job = train(stand_in, bucket, "csv", LINEAR_LEARNER, given)
    assert job["TrainingJobStatus"] == "Completed", job.get("FailureReason")


def test_a_model_is_transformed_with(stand_in, bucket):
    job = train(stand_in, bucket, "csv")
    sagemaker = stand_in.client("sagemaker")
    name = boston.name("model")
    sagemaker.create_model(
        ModelName=name,
        ExecutionRoleArn=boston.ROLE_ARN,
        PrimaryContainer={
            "Image": boston.IMAGE,
            "ModelDataUrl": job["ModelArtifacts"]["S3ModelArtifacts"],
        },
    )
    sagemaker.create_transform_job(**boston.transform_request(bucket, name, name))
    done = boston.wait_for_transform(sagemaker, name)
    assert done["TransformJobStatus"] == "Completed", done.get("FailureReason")
    body = stand_in.client("s3").get_object(
        Bucket=bucket, Key="transformed/test.csv.out"
    )["Body"]
    assert len(body.read().splitlines()) == 106


@pytest.mark.parametrize(
    ("image", "given"),
    [
        (boston.IMAGE, {"num_round": "1", "foo": "1"}),
        (LINEAR_LEARNER, {"predictor_type": "regressor", "foo": "1"}),
    ],
)
def test_a_failure_shows_only_the_containers_folders(stand_in, bucket, image, given):
    job = train(stand_in, bucket, "csv", image, given)
    assert job["TrainingJobStatus"] == "Failed"
    reason = job["FailureReason"]
    log = "\n".join(
        boston.log_lines(stand_in.client("logs"), LOGS, job["TrainingJobName"])
    )
    for text in (reason, log):
        assert "foo" in text
        for hidden in (
            "local_aws",
            str(CHECKOUT),
            str(stand_in.home),
            stand_in.home.name,
        ):
            assert hidden not in text
    if image == boston.IMAGE:
        last = reason.splitlines()[-1]
        assert last == "Extraneous hyperparameter found: foo, exit code: 1"
