"""Buckets as S3 has them: names, places, owners, public access, restarts."""

import json

import boston
import pytest
from botocore.exceptions import ClientError
from conftest import start_stand_in, stop_stand_in

ALL_BLOCKED = {
    "BlockPublicAcls": True,
    "IgnorePublicAcls": True,
    "BlockPublicPolicy": True,
    "RestrictPublicBuckets": True,
}


@pytest.fixture(scope="module")
def s3(stand_in):
    return stand_in.client("s3")


def refusal(call, **request):
    """Status, code and text of a request that is refused."""
    with pytest.raises(ClientError) as caught:
        call(**request)
    response = caught.value.response
    status = response["ResponseMetadata"]["HTTPStatusCode"]
    return status, response["Error"]["Code"], response["Error"].get("Message", "")


@pytest.mark.parametrize(
    "name",
    [
        "ab",
        "a" * 64,
        "Upper",
        "under_score",
        "192.168.5.4",
        "two..dots",
        "-first",
        "last-",
        "xn--a",
        "sthree-a",
        "amzn-s3-demo-a",
        "a-s3alias",
        "a--ol-s3",
        "a.mrap",
        "a--x-s3",
        "a--table-s3",
    ],
)
def test_a_name_that_no_bucket_can_have(s3, name):
    error = 400, "InvalidBucketName", "The specified bucket is not valid."
    assert refusal(s3.create_bucket, Bucket=name) == error


@pytest.mark.parametrize("name", ["abc", "1.2.3", "a.b-c.9", "a" * 55])
def test_a_name_that_a_bucket_can_have(s3, name):
    unique = boston.name()[-6:]
    s3.create_bucket(Bucket=f"{name}{unique}")
    s3.delete_bucket(Bucket=f"{name}{unique}")


def located(place):
    return {"CreateBucketConfiguration": {"LocationConstraint": place}}


@pytest.mark.parametrize(
    ("region", "place", "code"),
    [
        ("us-east-1", "us-east-1", "InvalidLocationConstraint"),
        ("us-east-1", "nowhere", "InvalidLocationConstraint"),
        ("eu-west-1", "nowhere", "InvalidLocationConstraint"),
        ("eu-west-1", "us-east-1", "IllegalLocationConstraintException"),
        ("eu-west-1", "us-west-2", "IllegalLocationConstraintException"),
        ("eu-west-1", None, "IllegalLocationConstraintException"),
    ],
)
def test_where_a_bucket_can_not_be(stand_in, region, place, code):
    create = stand_in.client("s3", region=region).create_bucket
    where = located(place) if place else {}
    assert refusal(create, Bucket=boston.name(), **where)[:2] == (400, code)


def test_making_a_bucket_twice(stand_in, s3):
    name, western = boston.name(), boston.name()
    for _ in range(2):
        s3.create_bucket(Bucket=name)
    eu = stand_in.client("s3", region="eu-west-1")
    eu.create_bucket(Bucket=western, **located("eu-west-1"))
    assert refusal(eu.create_bucket, Bucket=western, **located("eu-west-1")) == (
        409,
        "BucketAlreadyOwnedByYou",
        "Your previous request to create the named bucket succeeded and you already "
        "own it.",
    )


def test_a_name_that_somebody_else_has(s3, bucket):
    assert refusal(s3.create_bucket, Bucket="my-bucket") == (
        409,
        "BucketAlreadyExists",
        "The requested bucket name is not available. The bucket namespace is shared by "
        "all users of the system. Please select a different name and try again.",
    )
    assert refusal(s3.head_bucket, Bucket="my-bucket") == (403, "403", "Forbidden")
    denied = 403, "AccessDenied", "Access Denied"
    theirs = {"Bucket": "my-bucket", "Key": "key"}
    assert refusal(s3.list_objects_v2, Bucket="my-bucket") == denied
    assert refusal(s3.get_object, **theirs) == denied
    assert refusal(s3.put_object, **theirs, Body=b"x" * 300_000) == denied
    assert refusal(s3.delete_object, **theirs) == denied
    assert refusal(s3.delete_bucket, Bucket="my-bucket") == denied
    copy = {"Bucket": bucket, "Key": "copy", "CopySource": theirs}
    assert refusal(s3.copy_object, **copy) == denied
    assert "my-bucket" not in {one["Name"] for one in s3.list_buckets()["Buckets"]}


def test_jobs_and_models_can_not_use_it_either(stand_in):
    sagemaker = stand_in.client("sagemaker")
    request = boston.training_request("my-bucket", boston.name())
    status, code, text = refusal(sagemaker.create_training_job, **request)
    assert (status, code) == (400, "ValidationException")
    assert text.startswith('No S3 objects found under S3 URL "s3://my-bucket/boston/')
    assert text.endswith(" Error message from S3: Access Denied")
    container = {"Image": boston.IMAGE, "ModelDataUrl": "s3://my-bucket/model.tar.gz"}
    status, code, text = refusal(
        sagemaker.create_model,
        ModelName=boston.name(),
        ExecutionRoleArn=request["RoleArn"],
        PrimaryContainer=container,
    )
    assert code == "ValidationException"
    assert text.startswith("Could not access model data at s3://my-bucket/model.tar.gz")


def test_the_expected_owner_of_a_bucket(s3, bucket):
    s3.head_bucket(Bucket=bucket, ExpectedBucketOwner="123456789012")
    other = {"Bucket": bucket, "ExpectedBucketOwner": "999999999999"}
    assert refusal(s3.head_bucket, **other)[0] == 403
    assert refusal(s3.list_objects_v2, **other)[:2] == (403, "AccessDenied")


def policy_for(bucket, principal):
    statement = {
        "Effect": "Allow",
        "Principal": principal,
        "Action": "s3:GetObject",
        "Resource": f"arn:aws:s3:::{bucket}/*",
    }
    return json.dumps({"Version": "2012-10-17", "Statement": [statement]})


def test_a_new_bucket_is_closed_to_the_public_until_it_is_opened(s3, bucket):
    def is_blocked():
        found = s3.get_public_access_block(Bucket=bucket)
        return found["PublicAccessBlockConfiguration"]

    assert is_blocked() == ALL_BLOCKED
    public = {"Bucket": bucket, "Policy": policy_for(bucket, "*")}
    status, code, text = refusal(s3.put_bucket_policy, **public)
    assert (status, code) == (403, "AccessDenied")
    assert "is not authorized to perform: s3:PutBucketPolicy" in text
    assert f'"arn:aws:s3:::{bucket}" because public policies are prevented' in text
    own = policy_for(bucket, {"AWS": "arn:aws:iam::123456789012:root"})
    s3.put_bucket_policy(Bucket=bucket, Policy=own)
    unblocked = {**ALL_BLOCKED, "BlockPublicPolicy": False}
    settings = {"PublicAccessBlockConfiguration": unblocked}
    s3.put_public_access_block(Bucket=bucket, **settings)
    assert is_blocked() == unblocked
    s3.put_bucket_policy(**public)
    assert s3.get_bucket_policy_status(Bucket=bucket)["PolicyStatus"]["IsPublic"]
    s3.delete_public_access_block(Bucket=bucket)
    gone = refusal(s3.get_public_access_block, Bucket=bucket)
    assert gone[:2] == (404, "NoSuchPublicAccessBlockConfiguration")


def test_acls_are_off_until_they_are_asked_for(s3, bucket):
    unsupported = "AccessControlListNotSupported", "The bucket does not allow ACLs"
    public = {"Bucket": bucket, "ACL": "public-read"}
    key = {"Bucket": bucket, "Key": "key"}
    s3.put_object(**key, ACL="bucket-owner-full-control")
    assert refusal(s3.put_object, **key, ACL="public-read") == (400, *unsupported)
    assert refusal(s3.put_object_acl, **key, ACL="private") == (400, *unsupported)
    assert refusal(s3.put_bucket_acl, **public) == (400, *unsupported)
    assert s3.get_bucket_acl(Bucket=bucket)["Grants"]
    new = {**public, "Bucket": boston.name()}
    found = refusal(s3.create_bucket, **new)
    assert found[:2] == (400, "InvalidBucketAclWithObjectOwnership")
    rules = {"Rules": [{"ObjectOwnership": "BucketOwnerPreferred"}]}
    s3.put_bucket_ownership_controls(Bucket=bucket, OwnershipControls=rules)
    assert refusal(s3.put_bucket_acl, **public)[:2] == (403, "AccessDenied")
    s3.delete_public_access_block(Bucket=bucket)
    s3.put_bucket_acl(**public)


def test_a_bucket_is_deleted_when_it_is_empty_of_all_versions(s3, bucket):
    text = "The bucket you tried to delete is not empty"
    s3.put_object(Bucket=bucket, Key="key")
    assert refusal(s3.delete_bucket, Bucket=bucket) == (409, "BucketNotEmpty", text)
    enabled = {"Status": "Enabled"}
    s3.put_bucket_versioning(Bucket=bucket, VersioningConfiguration=enabled)
    keys = {"Objects": [{"Key": "key"}]}
    s3.delete_objects(Bucket=bucket, Delete=keys)
    assert "Contents" not in s3.list_objects_v2(Bucket=bucket)
    text += ". You must delete all versions in the bucket."
    assert refusal(s3.delete_bucket, Bucket=bucket) == (409, "BucketNotEmpty", text)
    found = s3.list_object_versions(Bucket=bucket)
    for one in found["Versions"] + found["DeleteMarkers"]:
        s3.delete_object(Bucket=bucket, Key="key", VersionId=one["VersionId"])
    s3.delete_bucket(Bucket=bucket)


def test_what_a_bucket_of_ones_own_has_survives_a_restart(home):
    name, gone = boston.name("own"), boston.name("gone")
    tags = {"TagSet": [{"Key": "course", "Value": "08"}]}
    opened = {**ALL_BLOCKED, "BlockPublicPolicy": False}
    first = start_stand_in(home)
    try:
        s3 = first.client("s3")
        for bucket in (name, gone):
            s3.create_bucket(Bucket=bucket)
        settings = {"PublicAccessBlockConfiguration": opened}
        s3.put_public_access_block(Bucket=name, **settings)
        s3.put_bucket_tagging(Bucket=name, Tagging=tags)
        for key in ("kept", "deleted"):
            s3.put_object(Bucket=name, Key=key, Body=key.encode())
        s3.delete_objects(Bucket=name, Delete={"Objects": [{"Key": "deleted"}]})
        s3.delete_bucket(Bucket=gone)
    finally:
        first.process.kill()
        first.process.wait()
    second = start_stand_in(home)
    try:
        s3 = second.client("s3")
        s3.head_bucket(Bucket=name)
        found = s3.get_public_access_block(Bucket=name)
        assert found["PublicAccessBlockConfiguration"] == opened
        assert s3.get_bucket_tagging(Bucket=name)["TagSet"] == tags["TagSet"]
        controls = s3.get_bucket_ownership_controls(Bucket=name)["OwnershipControls"]
        assert controls["Rules"] == [{"ObjectOwnership": "BucketOwnerEnforced"}]
        listed = s3.list_objects_v2(Bucket=name)["Contents"]
        assert [one["Key"] for one in listed] == ["kept"]
        assert refusal(s3.head_bucket, Bucket=gone) == (404, "404", "Not Found")
    finally:
        stop_stand_in(second)
