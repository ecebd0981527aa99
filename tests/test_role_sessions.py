"""Temporary keys of a role: who the caller is, and when they are refused."""

import json
import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta

import boston
import boto3
import pytest
from botocore.config import Config
from botocore.exceptions import ClientError

from local_aws import signature
from local_aws.access.credentials import TemporaryCredentials
from local_aws.access.roles import NO_ROLE
from local_aws.clients import Clients
from local_aws.errors import AwsError
from local_aws.installation import ACCOUNT_ID, ROLE_ARN
from local_aws.jobs.engine import JobEngine
from local_aws.jobs.job import Job, Observer
from local_aws.jobs.kinds import KINDS, JobKind
from local_aws.persistence.resources import Resources

OWN_ACCOUNT = {"AWS": f"arn:aws:iam::{ACCOUNT_ID}:root"}


@pytest.fixture
def make_role(stand_in) -> Callable:
    """A function that makes a role which trusts this principal."""
    iam = stand_in.client("iam")

    def make(principal: object = OWN_ACCOUNT, **condition: object) -> str:
        statement = {
            "Effect": "Allow",
            "Principal": principal,
            "Action": "sts:AssumeRole",
            **condition,
        }
        trust = {"Version": "2012-10-17", "Statement": [statement]}
        made = iam.create_role(
            RoleName=boston.name("role"), AssumeRolePolicyDocument=json.dumps(trust)
        )
        return made["Role"]["Arn"]

    return make


def assume(stand_in, arn: str, **more: object) -> dict:
    sts = stand_in.client("sts")
    return sts.assume_role(RoleArn=arn, RoleSessionName="a-function", **more)


def client(stand_in, service: str, keys: dict, region: str = "us-east-1"):
    """A client that signs with the keys that AssumeRole has given."""
    return boto3.Session().client(
        service,
        region,
        endpoint_url=stand_in.endpoint,
        aws_access_key_id=keys["AccessKeyId"],
        aws_secret_access_key=keys["SecretAccessKey"],
        aws_session_token=keys.get("SessionToken"),
        config=Config(retries={"max_attempts": 0}),
    )


def code_of(call: Callable) -> str:
    with pytest.raises(ClientError) as raised:
        call()
    return raised.value.response["Error"]["Code"]


def test_a_session_says_who_it_is(stand_in, make_role) -> None:
    arn = make_role()
    assumed = assume(stand_in, arn)
    who = client(stand_in, "sts", assumed["Credentials"]).get_caller_identity()
    name = arn.rpartition("/")[2]
    session = f"arn:aws:sts::{ACCOUNT_ID}:assumed-role/{name}/a-function"
    assert who["Arn"] == assumed["AssumedRoleUser"]["Arn"] == session
    role = stand_in.client("iam").get_role(RoleName=name)["Role"]
    assert who["UserId"] == f"{role['RoleId']}:a-function"
    assert assumed["Credentials"]["AccessKeyId"].startswith("ASIA")
    left = assumed["Credentials"]["Expiration"] - datetime.now(UTC)
    assert timedelta(minutes=58) < left <= timedelta(hours=1)


@pytest.mark.parametrize(
    ("principal", "condition", "parameters", "is_trusted"),
    [
        ({"AWS": ACCOUNT_ID}, {}, {}, True),
        ({"AWS": [ROLE_ARN]}, {}, {}, True),
        ("*", {}, {}, True),
        ({"AWS": "arn:aws:iam::123456789012:role/another"}, {}, {}, False),
        ({"Service": "lambda.amazonaws.com"}, {}, {}, False),
        (
            OWN_ACCOUNT,
            {"Condition": {"StringEquals": {"sts:ExternalId": "x1"}}},
            {"ExternalId": "x1"},
            True,
        ),
        (
            OWN_ACCOUNT,
            {"Condition": {"StringEquals": {"sts:ExternalId": "x1"}}},
            {},
            False,
        ),
    ],
)
def test_a_role_is_assumed_by_whom_it_trusts(
    stand_in, make_role, principal, condition, parameters, is_trusted
) -> None:
    arn = make_role(principal, **condition)
    if is_trusted:
        assert assume(stand_in, arn, **parameters)
    else:
        assert code_of(lambda: assume(stand_in, arn, **parameters)) == "AccessDenied"


CALLS = {
    "sts": lambda sts: sts.get_caller_identity(),
    "s3": lambda s3: s3.list_buckets(),
    "sagemaker": lambda sagemaker: sagemaker.list_models(),
    "sagemaker-runtime": lambda runtime: runtime.invoke_endpoint(
        EndpointName="x", Body=b"1"
    ),
}


@pytest.mark.parametrize(
    ("service", "without_token", "with_another"),
    [
        ("sts", "InvalidClientTokenId", "InvalidClientTokenId"),
        ("s3", "InvalidAccessKeyId", "InvalidToken"),
        ("sagemaker", "UnrecognizedClientException", "UnrecognizedClientException"),
        (
            "sagemaker-runtime",
            "UnrecognizedClientException",
            "UnrecognizedClientException",
        ),
    ],
)
def test_the_token_belongs_to_the_keys(
    stand_in, make_role, service, without_token, with_another
) -> None:
    keys, others = (assume(stand_in, make_role())["Credentials"] for _ in range(2))
    call = CALLS[service]
    bare = {k: v for k, v in keys.items() if k != "SessionToken"}
    assert code_of(lambda: call(client(stand_in, service, bare))) == without_token
    mixed = {**keys, "SessionToken": others["SessionToken"]}
    assert code_of(lambda: call(client(stand_in, service, mixed))) == with_another


def test_keys_end() -> None:
    """By themselves after their time, or when what they were made for ends."""
    credentials = TemporaryCredentials()
    session = credentials.of_role(ROLE_ARN, "short", timedelta(hours=-0.5))
    assert session.has_expired(datetime.now(UTC))
    assert credentials.find(session.access_key_id) is session
    other = credentials.of_role(ROLE_ARN, "long")
    assert not other.has_expired(datetime.now(UTC))
    credentials.end(other)
    assert credentials.find(other.access_key_id) is None
    forgotten = credentials.of_role(ROLE_ARN, "old", timedelta(hours=-2))
    credentials.of_role(ROLE_ARN, "next")
    assert credentials.find(forgotten.access_key_id) is None
    for secret in (session.secret_access_key, session.session_token):
        assert secret not in repr(session)


@pytest.mark.parametrize(
    ("protocol", "code", "status"),
    [
        ("rest-xml", "ExpiredToken", 400),
        ("query", "ExpiredToken", 403),
        ("json", "ExpiredTokenException", 400),
        ("rest-json", "ExpiredTokenException", 403),
    ],
)
def test_expired_keys_are_refused_as_such(protocol, code, status) -> None:
    now = datetime(2026, 1, 1, tzinfo=UTC)
    session = TemporaryCredentials().of_role(ROLE_ARN, "x")
    keys = session.keys
    head = signature.Head(
        "GET", "/", "", [("x-amz-security-token", session.session_token)]
    )
    scope = ("20260101", "us-east-1", "s3", "aws4_request")
    claim = signature.Claim(
        session.access_key_id, *scope, (), "", now, None, protocol, False
    )
    with pytest.raises(AwsError) as raised:
        signature.check_claim(head, claim, keys, now - timedelta(seconds=1), now)
    assert (raised.value.code, raised.value.status) == (code, status)
    assert "expired" in raised.value.message


@pytest.mark.parametrize("isolation", [False, True])
def test_a_jobs_container_has_keys_until_the_job_ends(
    tmp_path, monkeypatch, isolation
) -> None:
    clients = Clients(None, "http://127.0.0.1:1", lambda arn: NO_ROLE)
    seen: dict = {}

    def run(job: Job) -> None:
        job.begin_attempt("InProgress")
        seen.update(job.environment(ROLE_ARN, isolation))
        key = seen.get("AWS_ACCESS_KEY_ID")
        seen["session"] = key and clients.credentials.find(key)

    kind = JobKind("trivial-job", run, "Status", "StartTime", "EndTime")
    monkeypatch.setitem(KINDS, kind.name, kind)
    resources = Resources(tmp_path / "sagemaker.sqlite")
    engine = JobEngine(resources, clients, tmp_path / "jobs")
    engine.begin(kind.name, "eu-west-1", "one", {}, "arn", {}, Observer())
    while resources.get("eu-west-1", kind.name, "one")["Status"] == "InProgress":
        time.sleep(0.01)
    engine.close()
    resources.close()
    assert seen["AWS_REGION"] == "eu-west-1"
    if isolation:
        assert not {"AWS_ACCESS_KEY_ID", "AWS_ENDPOINT_URL"} & seen.keys()
        return
    session = seen["session"]
    assert session.arn.endswith("assumed-role/SageMakerCourse/SageMaker")
    assert seen["AWS_SESSION_TOKEN"] == session.session_token
    assert seen["AWS_ENDPOINT_URL"] == "http://127.0.0.1:1"
    assert clients.credentials.find(session.access_key_id) is None
