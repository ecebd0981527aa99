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
def role_with(stand_in):
    """A function that makes a role with these statements; returns its ARN."""
    iam = stand_in.client("iam")

    def create(*statements):
        name = boston.name("role")
        arn = iam.create_role(RoleName=name, AssumeRolePolicyDocument=TRUST)["Role"][
            "Arn"
        ]
        if statements:
            iam.put_role_policy(
                RoleName=name,
                PolicyName="s3",
                PolicyDocument=json.dumps(
                    {"Version": "2012-10-17", "Statement": statements}
                ),
            )
        return arn

    return create


@pytest.fixture
def role(role_with):
    """A function that makes a role which may do these S3 actions on everything."""
    return lambda *actions: role_with(allow(actions, "*"))


def allow(actions, *resources, **conditions):
    """A statement that allows S3 actions; resources are ARNs less their beginning."""
    return {
        "Effect": "Allow",
        "Action": actions,
        "Resource": [
            "*" if resource == "*" else f"arn:aws:s3:::{resource}"
            for resource in resources
        ],
        **({"Condition": conditions} if conditions else {}),
    }


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


def only(bucket, **changes):
    """What training and transform of the Boston data need, and nothing more."""
    allowed = {
        "ListBucket": [bucket],
        "GetObject": [
            f"{bucket}/boston/train/*",
            f"{bucket}/boston/validation/validation.csv",
            f"{bucket}/boston/test/*",
            f"{bucket}/output/*/model.tar.gz",
        ],
        "PutObject": [
            f"{bucket}/output/*/output/model.tar.gz",
            f"{bucket}/transformed/*.out",
        ],
        **changes,
    }
    return [allow(f"s3:{action}", *resources) for action, resources in allowed.items()]


def test_a_role_for_the_jobs_own_objects_is_enough(sagemaker, bucket, role_with):
    """The channels are prefixes without a slash: no object has such a key."""
    arn = role_with(*only(bucket))
    job = train(sagemaker, bucket, arn)
    assert job["TrainingJobStatus"] == "Completed", job.get("FailureReason")
    model = create_model(sagemaker, job["ModelArtifacts"]["S3ModelArtifacts"], arn)
    name = boston.name()
    sagemaker.create_transform_job(**boston.transform_request(bucket, name, model))
    transform = boston.wait_for_transform(sagemaker, name)
    assert transform["TransformJobStatus"] == "Completed", transform


def test_an_artifact_in_a_folder_needs_a_permission_for_each_file(
    sagemaker, bucket, role_with
):
    def outcome(resource):
        name = boston.name()
        arn = role_with(*only(bucket, PutObject=[resource]))
        output = {"S3OutputPath": f"s3://{bucket}/output", "CompressionType": "NONE"}
        sagemaker.create_training_job(
            **boston.training_request(
                bucket, name, RoleArn=arn, OutputDataConfig=output
            )
        )
        return boston.wait_for_training(sagemaker, name)

    job = outcome(f"{bucket}/output/*/output/model/xgboost-model")
    assert job["TrainingJobStatus"] == "Completed", job.get("FailureReason")
    folder = f"s3://{bucket}/output/{job['TrainingJobName']}/output/model/"
    assert job["ModelArtifacts"]["S3ModelArtifacts"] == folder
    job = outcome(f"{bucket}/output/*/output/model/other")
    assert job["FailureReason"].startswith("ClientError: Artifact upload failed:")


@pytest.mark.parametrize(
    ("resource", "missing"),
    [
        ("boston/train", "boston/train/train.csv"),
        ("boston/train/a*", "boston/train/train.csv"),
        ("boston/validation/*", "boston/train/train.csv"),
    ],
)
def test_one_object_of_a_channel_that_the_role_may_not_read(
    sagemaker, bucket, role_with, resource, missing
):
    allowed = [f"{bucket}/{resource}", f"{bucket}/boston/validation/*"]
    job = train(sagemaker, bucket, role_with(*only(bucket, GetObject=allowed)))
    assert job["TrainingJobStatus"] == "Failed"
    assert job["FailureReason"].startswith("ClientError: Data download failed:")
    assert (
        f's3:GetObject on resource: "arn:aws:s3:::{bucket}/{missing}"'
        in job["FailureReason"]
    )


def test_a_permission_to_list_another_bucket(sagemaker, bucket, role_with):
    arn = role_with(*only(bucket, ListBucket=[f"{bucket}-2", f"{bucket}/*"]))
    with pytest.raises(ClientError, match='has "s3:ListBucket" permissions'):
        train(sagemaker, bucket, arn)


def test_a_permission_to_list_some_prefixes(sagemaker, bucket, role_with):
    def listing(*prefixes):
        statements = only(bucket)[1:]
        like = {"s3:prefix": list(prefixes)}
        return role_with(allow("s3:ListBucket", bucket, StringLike=like), *statements)

    job = train(sagemaker, bucket, listing("boston/train*", "boston/validation"))
    assert job["TrainingJobStatus"] == "Completed", job.get("FailureReason")
    with pytest.raises(ClientError, match="boston/validation"):
        train(sagemaker, bucket, listing("boston/train*", "boston/validation/*"))


def test_model_data_of_another_job(sagemaker, bucket, role, role_with):
    job = train(sagemaker, bucket, role(*ALL))
    uri = job["ModelArtifacts"]["S3ModelArtifacts"]
    key = uri.removeprefix("s3://")
    with pytest.raises(ClientError, match="Could not access model data at"):
        create_model(sagemaker, uri, role_with(allow("s3:GetObject", key + "x")))
    create_model(sagemaker, uri, role_with(allow("s3:GetObject", key)))


def test_model_data_in_a_folder(stand_in, sagemaker, bucket, role_with):
    """It is listed, and read object by object."""
    for name in ("a", "b"):
        stand_in.client("s3").put_object(Bucket=bucket, Key=f"files/{name}", Body=b"1")
    source = {
        "S3Uri": f"s3://{bucket}/files/",
        "S3DataType": "S3Prefix",
        "CompressionType": "None",
    }
    container = {"Image": boston.IMAGE, "ModelDataSource": {"S3DataSource": source}}
    listing = allow("s3:ListBucket", bucket)

    def create(*statements):
        sagemaker.create_model(
            ModelName=boston.name("model"),
            PrimaryContainer=container,
            ExecutionRoleArn=role_with(*statements),
        )

    reading = allow("s3:GetObject", f"{bucket}/files/*")
    for missing in ([reading], [listing, allow("s3:GetObject", f"{bucket}/files/a")]):
        with pytest.raises(ClientError, match="Could not access model data at"):
            create(*missing)
    create(listing, reading)


def test_a_transform_where_each_object_needs_a_permission(
    stand_in, sagemaker, bucket, role, role_with
):
    uri = train(sagemaker, bucket, role(*ALL))["ModelArtifacts"]["S3ModelArtifacts"]
    outcomes = []
    for action, resource in (
        ("GetObject", "boston/test"),
        ("PutObject", "transformed"),
    ):
        allowed = {action: [f"{bucket}/output/*", f"{bucket}/{resource}"]}
        model = create_model(
            sagemaker,
            uri,
            role_with(
                *only(bucket, **allowed),
                allow("s3:GetObject", uri.removeprefix("s3://")),
            ),
        )
        name = boston.name()
        sagemaker.create_transform_job(**boston.transform_request(bucket, name, model))
        job = boston.wait_for_transform(sagemaker, name)
        lines = boston.log_lines(
            stand_in.client("logs"), "/aws/sagemaker/TransformJobs", name + "/"
        )
        outcomes.append((job["TransformJobStatus"], any(action in x for x in lines)))
    assert outcomes == [("Failed", True), ("Failed", True)]
