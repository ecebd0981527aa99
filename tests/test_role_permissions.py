"""A role without a permission is refused where AWS refuses it; with it, it is not."""

import json

import boston
import pytest
from botocore.exceptions import ClientError

TRUST = json.dumps(
    {
        "Version": "2012-10-17",
        "Statement": [
            {
                "Effect": "Allow",
                "Principal": {"Service": "sagemaker.amazonaws.com"},
                "Action": "sts:AssumeRole",
            }
        ],
    }
)


@pytest.fixture(scope="module")
def sagemaker(stand_in):
    return stand_in.client("sagemaker")


@pytest.fixture(scope="module")
def bucket(stand_in):
    s3 = stand_in.client("s3")
    name = boston.name("sagemaker-roles")
    s3.create_bucket(Bucket=name)
    boston.upload(s3, name)
    return name


@pytest.fixture
def role(stand_in):
    """A function that makes a role which may do these S3 actions; returns its ARN."""
    iam = stand_in.client("iam")

    def create(*actions):
        name = boston.name("role")
        arn = iam.create_role(RoleName=name, AssumeRolePolicyDocument=TRUST)["Role"][
            "Arn"
        ]
        statement = {"Effect": "Allow", "Action": list(actions), "Resource": "*"}
        if actions:
            iam.put_role_policy(
                RoleName=name,
                PolicyName="s3",
                PolicyDocument=json.dumps(
                    {"Version": "2012-10-17", "Statement": [statement]}
                ),
            )
        return arn

    return create


ALL = ("s3:ListBucket", "s3:GetObject", "s3:PutObject")


def without(action):
    return [other for other in ALL if other != action]


def train(sagemaker, bucket, arn):
    name = boston.name()
    sagemaker.create_training_job(**boston.training_request(bucket, name, RoleArn=arn))
    return boston.wait_for_training(sagemaker, name)


def test_a_role_with_all_three_trains(sagemaker, bucket, role):
    job = train(sagemaker, bucket, role(*ALL))
    assert job["TrainingJobStatus"] == "Completed", job.get("FailureReason")


def test_a_role_that_may_not_list_is_refused_at_once(sagemaker, bucket, role):
    with pytest.raises(ClientError, match='has "s3:ListBucket" permissions'):
        train(sagemaker, bucket, role(*without("s3:ListBucket")))


@pytest.mark.parametrize(
    ("action", "reason"),
    [
        ("s3:GetObject", "ClientError: Data download failed:"),
        ("s3:PutObject", "ClientError: Artifact upload failed:"),
    ],
)
def test_a_role_that_lacks_one_permission_fails_the_job(
    sagemaker, bucket, role, action, reason
):
    job = train(sagemaker, bucket, role(*without(action)))
    assert job["TrainingJobStatus"] == "Failed"
    assert job["FailureReason"].startswith(reason)
    assert action in job["FailureReason"]


def create_model(sagemaker, uri, arn):
    name = boston.name("model")
    sagemaker.create_model(
        ModelName=name,
        ExecutionRoleArn=arn,
        PrimaryContainer={"Image": boston.IMAGE, "ModelDataUrl": uri},
    )
    return name


def test_model_data_that_the_role_may_not_read(sagemaker, bucket, role):
    job = train(sagemaker, bucket, role(*ALL))
    uri = job["ModelArtifacts"]["S3ModelArtifacts"]
    with pytest.raises(ClientError, match="Could not access model data at"):
        create_model(sagemaker, uri, role("s3:ListBucket"))
    create_model(sagemaker, uri, role("s3:GetObject"))


def test_a_transform_that_may_not_write(stand_in, sagemaker, bucket, role):
    uri = train(sagemaker, bucket, role(*ALL))["ModelArtifacts"]["S3ModelArtifacts"]
    outcomes = {}
    for actions in (ALL, without("s3:PutObject")):
        model = create_model(sagemaker, uri, role(*actions))
        name = boston.name()
        sagemaker.create_transform_job(**boston.transform_request(bucket, name, model))
        outcomes[name] = boston.wait_for_transform(sagemaker, name)[
            "TransformJobStatus"
        ]
    assert list(outcomes.values()) == ["Completed", "Failed"]
    lines = boston.log_lines(
        stand_in.client("logs"), "/aws/sagemaker/TransformJobs", name + "/"
    )
    assert any("s3:PutObject" in line for line in lines)
