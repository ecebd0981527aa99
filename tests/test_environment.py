"""What a request may put into a container's environment."""

import boston
import pytest
from botocore.exceptions import ClientError

from local_aws.installation import ROLE_ARN

BAD = [
    ({"MINE": "a\0b"}, "The value of MINE in Environment holds a NUL character."),
    ({"GOOD": "x", "LAST": "\0"}, "The value of LAST in Environment holds a NUL"),
    ({"A\0B": "x"}, "regular expression pattern: [a-zA-Z_][a-zA-Z0-9_]"),
    ({"A\n": "x"}, "regular expression pattern: [a-zA-Z_][a-zA-Z0-9_]"),
    ({"A=B": "x"}, "regular expression pattern: [a-zA-Z_][a-zA-Z0-9_]"),
    ({"": "x"}, "regular expression pattern: [a-zA-Z_][a-zA-Z0-9_]"),
]


@pytest.fixture
def model(stand_in, bucket):
    """A request for a model whose artifact is there."""
    stand_in.client("s3").put_object(Bucket=bucket, Key="m.tar.gz", Body=b"x")
    container = {"Image": boston.IMAGE, "ModelDataUrl": f"s3://{bucket}/m.tar.gz"}
    return {
        "ModelName": boston.name("model"),
        "ExecutionRoleArn": ROLE_ARN,
        "PrimaryContainer": container,
    }


def refused(operation, request, text):
    with pytest.raises(ClientError) as caught:
        operation(**request)
    error = caught.value.response["Error"]
    assert error["Code"] == "ValidationException"
    assert text in error["Message"]


@pytest.mark.parametrize(("environment", "text"), BAD)
def test_of_a_training_job(stand_in, bucket, environment, text):
    boston.upload(stand_in.client("s3"), bucket)
    sagemaker = stand_in.client("sagemaker")
    request = boston.training_request(bucket, boston.name(), Environment=environment)
    refused(sagemaker.create_training_job, request, text)
    name = request["TrainingJobName"]
    assert not sagemaker.list_training_jobs(NameContains=name)["TrainingJobSummaries"]


@pytest.mark.parametrize(("environment", "text"), BAD)
def test_of_a_model(stand_in, model, environment, text):
    sagemaker = stand_in.client("sagemaker")
    model["PrimaryContainer"]["Environment"] = environment
    refused(sagemaker.create_model, model, text)
    model["Containers"] = [model.pop("PrimaryContainer")]
    refused(sagemaker.create_model, model, text)


@pytest.mark.parametrize(("environment", "text"), BAD)
def test_of_a_transform_job(stand_in, bucket, model, environment, text):
    boston.upload(stand_in.client("s3"), bucket)
    sagemaker = stand_in.client("sagemaker")
    sagemaker.create_model(**model)
    request = boston.transform_request(
        bucket, boston.name(), model["ModelName"], Environment=environment
    )
    refused(sagemaker.create_transform_job, request, text)
