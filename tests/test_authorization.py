"""What the session of a role may do is what its policies say, wherever it calls."""

import http.client
import json
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import Any
from urllib.parse import urlsplit

import boston
import boto3
import pytest
from aws_requests import request_of
from botocore.auth import SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.config import Config
from botocore.credentials import Credentials
from botocore.exceptions import ClientError
from botocore.model import Shape

from local_aws import services
from local_aws.access import operations, s3_requests
from local_aws.access.authorization import Authorization
from local_aws.access.credentials import TemporaryCredentials
from local_aws.access.roles import Role
from local_aws.errors import AwsError, StorageError
from local_aws.functions.operations import HANDLERS as FUNCTIONS
from local_aws.hosting.service import BUILT
from local_aws.installation import ACCOUNT_ID, ROLE_ARN
from local_aws.messages import Head
from local_aws.sagemaker import HANDLERS as SAGEMAKER

TRUST = {
    "Version": "2012-10-17",
    "Statement": [
        {
            "Effect": "Allow",
            "Principal": {"AWS": ACCOUNT_ID},
            "Action": "sts:AssumeRole",
        }
    ],
}
ENDPOINT = f"arn:aws:sagemaker:us-east-1:{ACCOUNT_ID}:endpoint"


class Caller:
    """The session of a new role, whose policy can be changed."""

    def __init__(self, stand_in: Any, **more: str) -> None:
        self._stand_in = stand_in
        self.name = boston.name("role")
        self.iam = stand_in.client("iam")
        self.arn = self.iam.create_role(
            RoleName=self.name, AssumeRolePolicyDocument=json.dumps(TRUST), **more
        )["Role"]["Arn"]
        self.session = stand_in.client("sts").assume_role(
            RoleArn=self.arn, RoleSessionName="my-function"
        )
        self.keys = self.session["Credentials"]
        self.who = self.session["AssumedRoleUser"]["Arn"]

    def may(self, *statements: dict) -> None:
        """Make these all that the role's policy says."""
        document = {
            "Version": "2012-10-17",
            "Statement": [
                {"Effect": "Allow", "Resource": "*", **statement}
                for statement in statements
            ],
        }
        self.iam.put_role_policy(
            RoleName=self.name, PolicyName="p", PolicyDocument=json.dumps(document)
        )

    def client(self, service: str) -> Any:
        version = "s3v4" if service == "s3" else None  # for presigned URLs
        return boto3.Session().client(
            service,
            "us-east-1",
            endpoint_url=self._stand_in.endpoint,
            aws_access_key_id=self.keys["AccessKeyId"],
            aws_secret_access_key=self.keys["SecretAccessKey"],
            aws_session_token=self.keys["SessionToken"],
            config=Config(retries={"max_attempts": 0}, signature_version=version),
        )

    def send(self, service: str, path: str, body: bytes, headers: dict) -> tuple:
        """Status and body of a request as it is, but for the signature."""
        url = self._stand_in.endpoint + path
        request = AWSRequest("POST", url, headers=headers, data=body)
        keys = Credentials(*(self.keys[name] for name in KEYS))
        SigV4Auth(keys, service, "us-east-1").add_auth(request)
        connection = http.client.HTTPConnection(urlsplit(url).netloc, timeout=30)
        connection.request("POST", path, body, dict(request.headers.items()))
        response = connection.getresponse()
        found = response.status, response.read().decode()
        connection.close()
        return found


KEYS = ("AccessKeyId", "SecretAccessKey", "SessionToken")


@pytest.fixture
def caller(stand_in) -> Caller:
    return Caller(stand_in)


def error_of(call: Callable, **parameters: Any) -> tuple[int, str, str]:
    with pytest.raises(ClientError) as raised:
        call(**parameters)
    response = raised.value.response
    error = response["Error"]
    status = response["ResponseMetadata"]["HTTPStatusCode"]
    return status, error["Code"], error["Message"]


def test_a_role_may_call_one_endpoint(caller) -> None:
    invoke = caller.client("sagemaker-runtime").invoke_endpoint
    call = {"EndpointName": "e-1", "Body": b"1"}
    action = "sagemaker:InvokeEndpoint"
    begin = f"User: {caller.who} is not authorized to perform: {action} on resource: "
    status, code, text = error_of(invoke, **call)
    assert (status, code) == (403, "AccessDeniedException")
    why = f"because no identity-based policy allows the {action} action"
    assert text == f"{begin}{ENDPOINT}/e-1 {why}"
    # That there is no such endpoint is said to who may call it, at once and no more.
    caller.may({"Action": action, "Resource": f"{ENDPOINT}/e-1"})
    assert error_of(invoke, **call)[1] == "ValidationError"
    assert error_of(invoke, EndpointName="e-2", Body=b"1")[1] == code
    caller.may({"Action": action}, {"Action": action, "Effect": "Deny"})
    why = "with an explicit deny in an identity-based policy"
    assert error_of(invoke, **call)[2] == f"{begin}{ENDPOINT}/e-1 {why}"
    caller.iam.delete_role_policy(RoleName=caller.name, PolicyName="p")
    assert error_of(invoke, **call)[1] == code


def test_a_boundary_limits_what_policies_allow(caller) -> None:
    only_logs = {"Effect": "Allow", "Action": "logs:*", "Resource": "*"}
    boundary = caller.iam.create_policy(
        PolicyName=boston.name("boundary"),
        PolicyDocument=json.dumps({"Version": "2012-10-17", "Statement": only_logs}),
    )["Policy"]["Arn"]
    caller.iam.put_role_permissions_boundary(
        RoleName=caller.name, PermissionsBoundary=boundary
    )
    caller.may({"Action": "s3:*"})
    end = "because no permissions boundary allows the s3:ListAllMyBuckets action"
    assert error_of(caller.client("s3").list_buckets)[2].endswith(end)
    end = "because no identity-based policy allows the logs:DescribeLogGroups action"
    logs = caller.client("logs")
    assert error_of(logs.describe_log_groups)[2].endswith(end)
    caller.may({"Action": ["s3:*", "logs:*"]})
    assert logs.describe_log_groups()
    simulated = caller.iam.simulate_principal_policy(
        PolicySourceArn=caller.arn, ActionNames=["s3:GetObject", "logs:PutLogEvents"]
    )["EvaluationResults"]
    assert [result["EvalDecision"] for result in simulated] == [
        "implicitDeny",
        "allowed",
    ]


def test_a_managed_policy_counts(caller) -> None:
    list_models = caller.client("sagemaker").list_models
    assert error_of(list_models)[:2] == (400, "AccessDeniedException")
    policy = "arn:aws:iam::aws:policy/AmazonSageMakerFullAccess"
    caller.iam.attach_role_policy(RoleName=caller.name, PolicyArn=policy)
    assert "Models" in list_models()
    status, code, _ = error_of(caller.iam.delete_role, RoleName=caller.name)
    assert (status, code) == (409, "DeleteConflict")
    caller.iam.detach_role_policy(RoleName=caller.name, PolicyArn=policy)
    assert error_of(list_models)[1] == "AccessDeniedException"
    caller.may({"Action": "sagemaker:*"})
    assert error_of(caller.iam.delete_role, RoleName=caller.name)[1] == code
    caller.iam.delete_role_policy(RoleName=caller.name, PolicyName="p")
    caller.iam.delete_role(RoleName=caller.name)
    assert error_of(list_models)[1] == "UnrecognizedClientException"


def test_objects_and_prefixes(stand_in, bucket, caller) -> None:
    s3 = caller.client("s3")
    arn = f"arn:aws:s3:::{bucket}"
    like = {"StringLike": {"s3:prefix": "in/*"}}
    caller.may(
        {"Action": ["s3:GetObject", "s3:DeleteObject"], "Resource": f"{arn}/in/*"},
        {"Action": "s3:PutObject", "Resource": f"{arn}/out/*"},
        {"Action": "s3:ListBucket", "Resource": arn, "Condition": like},
    )
    for key in ("in/ä b", "in/2", "out/1"):
        stand_in.client("s3").put_object(Bucket=bucket, Key=key, Body=b"1")
    place = {"Bucket": bucket, "Key": "in/ä b"}
    assert s3.get_object(**place)["Body"].read() == b"1"
    assert s3.list_objects_v2(Bucket=bucket, Prefix="in/")["KeyCount"] == 2
    s3.copy_object(Bucket=bucket, Key="out/2", CopySource=place)
    refused = [
        error_of(s3.get_object, Bucket=bucket, Key="out/1"),
        error_of(s3.get_object, **place, VersionId="1"),
        error_of(s3.list_objects_v2, Bucket=bucket),
        error_of(s3.put_object, **place, Body=b"2"),
        error_of(s3.put_object, Bucket=bucket, Key="out/3", ACL="public-read"),
        error_of(s3.put_object, Bucket=bucket, Key="out/3", GrantRead='id="1"'),
        error_of(s3.copy_object, Bucket=bucket, Key="out/3", CopySource=f"{bucket}/x"),
        error_of(
            s3.delete_objects,
            Bucket=bucket,
            Delete={"Objects": [{"Key": "in/2"}, {"Key": "out/1"}]},
        ),
        error_of(s3.get_bucket_acl, Bucket=bucket),
    ]
    assert {(status, code) for status, code, _ in refused} == {(403, "AccessDenied")}
    resources = [text.split(" on resource: ")[-1].split(" ")[0] for *_, text in refused]
    assert resources[:-1] == [
        f'"{arn}/out/1"',
        f'"{arn}/in/ä',
        f'"{arn}"',
        f'"{arn}/in/ä',
        f'"{arn}/out/3"',
        f'"{arn}/out/3"',
        f'"{arn}/x"',
        f'"{arn}/out/1"',
    ]
    assert "does not know which permission GetBucketAcl of" in refused[-1][2]
    s3.delete_objects(Bucket=bucket, Delete={"Objects": [{"Key": "in/2"}]})
    url = s3.generate_presigned_url("get_object", Params=place)
    parts = urlsplit(url)
    for allowed, status in ((True, 200), (False, 403)):
        if not allowed:
            caller.may({"Action": "s3:ListBucket"})
        connection = http.client.HTTPConnection(parts.netloc, timeout=30)
        connection.request("GET", f"{parts.path}?{parts.query}")
        assert connection.getresponse().status == status
        connection.close()


def test_a_role_is_passed_with_permission_only(caller, bucket) -> None:
    create = caller.client("sagemaker").create_training_job
    request = boston.training_request(bucket, boston.name())
    caller.may({"Action": "sagemaker:*"})
    role = request["RoleArn"]
    assert f"iam:PassRole on resource: {role} because" in error_of(create, **request)[2]
    to = {"StringEquals": {"iam:PassedToService": "lambda.amazonaws.com"}}
    passing = {"Action": "iam:PassRole", "Resource": role}
    caller.may({"Action": "sagemaker:*"}, passing | {"Condition": to})
    assert error_of(create, **request)[1] == "AccessDeniedException"
    caller.may({"Action": "sagemaker:*"}, passing)
    assert "No S3 objects found" in error_of(create, **request)[2]


BUDGET = {
    "BudgetName": "b",
    "BudgetType": "COST",
    "TimeUnit": "MONTHLY",
    "BudgetLimit": {"Amount": "5", "Unit": "USD"},
}


def test_other_refusals(caller) -> None:
    """Each in its service's words."""
    calls = [
        ("iam", "get_role", {"RoleName": "x"}, "iam:GetRole on resource: role x "),
        (
            "cloudwatch",
            "put_metric_data",
            {"Namespace": "n", "MetricData": []},
            "perform: cloudwatch:PutMetricData because",
        ),
        (
            "logs",
            "create_log_stream",
            {"logGroupName": "/g", "logStreamName": "s"},
            f":us-east-1:{ACCOUNT_ID}:log-group:/g:log-stream:s because",
        ),
        (
            "lambda",
            "invoke",
            {"FunctionName": f"arn:aws:lambda:us-east-1:{ACCOUNT_ID}:function:f:1"},
            f"lambda:us-east-1:{ACCOUNT_ID}:function:f because",
        ),
        (
            "budgets",
            "create_budget",
            {"AccountId": ACCOUNT_ID, "Budget": BUDGET},
            f"budgets:ModifyBudget on resource: arn:aws:budgets::{ACCOUNT_ID}:budget/b",
        ),
        ("iam", "list_users", {}, "does not know which permission ListUsers of"),
        ("logs", "describe_queries", {}, "which permission DescribeQueries of"),
    ]
    codes = {"iam": (403, "AccessDenied"), "cloudwatch": (403, "AccessDenied")}
    codes |= {"logs": (400, "AccessDeniedException")}
    codes |= {"budgets": (400, "AccessDeniedException")}
    codes |= {"lambda": (403, "AccessDeniedException")}
    for service, operation, parameters, words in calls:
        call = getattr(caller.client(service), operation)
        status, code, text = error_of(call, **parameters)
        assert (status, code) == codes[service]
        assert words in text
        assert caller.who in text
    assert caller.client("sts").get_caller_identity()["Arn"] == caller.who


FORM = {"Content-Type": "application/x-www-form-urlencoded"}
DELETE = "Action=DeleteRole&Version=2010-05-08&RoleName=x"
GET = "Action=GetRole&Version=2010-05-08&RoleName=x"


@pytest.mark.parametrize(
    ("service", "path", "body", "headers"),
    [
        ("iam", f"/?{DELETE}", GET, FORM),
        ("iam", f"/?{GET}", DELETE, FORM),
        ("iam", "/?RoleName=y", GET, FORM),
        ("iam", "/", f"{GET}&RoleName=y", FORM),
        ("iam", "/", f"{GET}&Action=DeleteRole", FORM),
        ("iam", f"/?{GET}", DELETE, {"Content-Type": "text/plain"}),
        ("iam", "/", DELETE, {**FORM, "X-Amz-Target": "x.GetRole"}),
        (
            "monitoring",
            "/",
            '{"Namespace": "&Action=DeleteAlarms&AlarmNames.member.1=a&"}',
            {
                **FORM,
                "X-Amz-Target": "GraniteServiceVersion20100801.PutMetricData",
            },
        ),
    ],
)
def test_what_can_be_read_in_two_ways_is_refused(
    caller, service, path, body, headers
) -> None:
    caller.may({"Action": ["iam:GetRole", "cloudwatch:PutMetricData"]})
    status, text = caller.send(service, path, body.encode(), headers)
    assert status == 403, text
    assert "AccessDenied" in text
    if service == "iam":  # the plain request gets further
        assert caller.send("iam", "/", GET.encode(), FORM)[0] == 404


def test_an_action_in_a_line_of_a_log_is_none(stand_in, caller) -> None:
    """moto would look for one in the body, and do it."""
    logs = stand_in.client("logs")
    group = f"/test/{boston.name()}"
    place = {"logGroupName": group, "logStreamName": "s"}
    logs.create_log_group(logGroupName=group)
    logs.create_log_stream(**place)
    caller.may({"Action": "logs:PutLogEvents"})
    line = f"&Action=DeleteLogGroup&logGroupName={group}&"
    now = int(time.time() * 1000)
    caller.client("logs").put_log_events(
        **place, logEvents=[{"timestamp": now, "message": line}]
    )
    (event,) = logs.get_log_events(**place)["events"]
    assert event["message"] == line


def test_roles_that_cant_be_read_allow_nothing() -> None:
    def unreadable(arn: str) -> Role:
        raise StorageError("disk I/O error")

    session = TemporaryCredentials().of_role(ROLE_ARN, "x")
    request = replace(request_of("sts", Head("POST", "/", "", [])), caller=session)
    with pytest.raises(AwsError, match="can't use its state folder: disk I/O error"):
        Authorization(unreadable, lambda name: None).check(request)


@pytest.mark.parametrize(
    ("service", "built"),
    [("sagemaker", SAGEMAKER), ("sagemaker-runtime", BUILT), ("lambda", FUNCTIONS)],
)
def test_what_is_built_has_a_permission(service, built) -> None:
    for operation in built:
        (first, *_) = operations.actions(service, operation, {}, "us-east-1")
        assert first.name.startswith(f"{operations.PREFIXES.get(service, service)}:")


def test_the_tables_name_what_there_is() -> None:
    """A name with a slip in it would never be allowed."""
    loader = services.own_data_loader()
    for service, table in operations.TABLES.items():
        model = loader.load_service_model(service, "service-2")
        assert table.keys() <= model["operations"].keys(), service
        for needed in (one for all_of_it in table.values() for one in all_of_it):
            needed.resource.format_map(Anything())


class Anything(dict):
    def __missing__(self, key: str) -> str:
        return key


def test_http_apis_are_paths() -> None:
    params = {"ApiId": "a1", "RouteId": "r1"}
    (action,) = operations.actions("apigatewayv2", "DeleteRoute", params, "us-east-1")
    assert action.name == "apigateway:DELETE"
    assert action.resource == "arn:aws:apigateway:us-east-1::/apis/a1/routes/r1"


# S3's operations, as botocore sends them.
S3 = services.S3.model
# Two names of one request, or one that goes to another host.
SAME = {
    "GetBucketLifecycle": "GetBucketLifecycleConfiguration",
    "PutBucketLifecycle": "PutBucketLifecycleConfiguration",
    "GetBucketNotification": "GetBucketNotificationConfiguration",
    "PutBucketNotification": "PutBucketNotificationConfiguration",
    "ListDirectoryBuckets": "ListBuckets",
}
# To hosts of their own, or with a union, of which `least` makes none.
ELSEWHERE = {"CreateSession", "UpdateObjectEncryption", "WriteGetObjectResponse"}


def least(shape: Shape, name: str) -> Any:
    """A value that the shape allows."""
    if shape.type_name == "structure":
        return {n: least(shape.members[n], n) for n in shape.required_members}
    if shape.type_name == "list":
        return [least(shape.member, name)]
    values = {"Bucket": "a-bucket", "Key": "a/key ü", "CopySource": "other/k"}
    plain = {"string": values.get(name, "x1"), "integer": 1, "long": 1, "boolean": True}
    plain |= {"timestamp": 0, "blob": b"1", "map": {}, "double": 1.0, "float": 1.0}
    enum = getattr(shape, "enum", None)
    return enum[0] if enum else plain[shape.type_name]


class NotSentError(Exception):
    """The request has been seen."""


def heads() -> Iterator[tuple[str, dict, Head]]:
    """What botocore makes of each operation, with what it can't be without."""
    seen = []

    def catch(request: Any, **_: Any) -> None:
        seen.append(request)
        raise NotSentError

    client = boto3.Session().client(
        "s3",
        "us-east-1",
        endpoint_url="http://127.0.0.1:1",
        aws_access_key_id="x",
        aws_secret_access_key="x",
        config=Config(retries={"max_attempts": 0}),
    )
    client.meta.events.register("before-send.s3", catch)
    for name in S3.operation_names:
        if name in ELSEWHERE:
            continue
        shape = S3.operation_model(name).input_shape
        params = least(shape, name) if shape else {}
        with pytest.raises(NotSentError):
            client._make_api_call(name, params)
        request = seen.pop()
        parts = urlsplit(request.url)
        headers = [(key.lower(), text(value)) for key, value in request.headers.items()]
        yield name, params, Head(request.method, parts.path, parts.query, headers)


def text(value: Any) -> str:
    return value.decode() if isinstance(value, bytes) else str(value)


def test_an_operation_of_s3_is_told_by_its_request() -> None:
    found = {name: (params, *s3_requests.read(head)) for name, params, head in heads()}
    assert len(found) > 100
    for name, (params, told, read) in found.items():
        assert SAME.get(told, told) == SAME.get(name, name)
        for member in {"Bucket", "Key", "CopySource", "UploadId"} & params.keys():
            assert read[member] == params[member], (name, member)


@pytest.mark.parametrize(
    ("method", "path", "query"),
    [
        ("PUT", "/b-1/key", "acl&tagging"),
        ("GET", "/b-1", "location&list-type=2"),
        ("DELETE", "/b-1/key", "tagging&uploadId=1"),
        ("GET", "/b-1", "prefix=a&prefix=b"),
        ("GET", "//b-1/key", ""),
        ("GET", "/b%2D1/key", ""),
        ("POST", "/b-1", ""),
        ("PATCH", "/b-1/key", ""),
    ],
)
def test_a_request_to_s3_that_is_not_clear(method, path, query) -> None:
    with pytest.raises(AwsError, match="not clear"):
        s3_requests.read(Head(method, path, query, []))


def test_a_source_that_is_not_clear() -> None:
    head = Head("PUT", "/b-1/key", "", [("x-amz-copy-source", "b-1/in/a%23b")])
    assert s3_requests.read(head)[0] == "CopyObject"
    for source in ("b-1/in/a#b", "b-1/in/a;b"):
        head.headers[:] = [("x-amz-copy-source", source)]
        with pytest.raises(AwsError, match="not clear"):
            s3_requests.read(head)


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"<Delete><Object></Object></Delete>",
        b"<Delete><Object><Key>a</Key><Key>b</Key></Object></Delete>",
        b'<!DOCTYPE x [<!ENTITY e "a">]><Object><Key>&e;</Key></Object>',
        b"<Delete><Object><Key>a<!-- -->b</Key></Object></Delete>",
        b"\xff\xfe",
    ],
)
def test_a_list_of_keys_that_is_not_clear(body) -> None:
    with pytest.raises(AwsError, match="MalformedXML"):
        s3_requests.keys_to_delete(body)
    clear = b'<Delete xmlns="u"><Object><Key>a&amp;</Key></Object></Delete>'
    assert s3_requests.keys_to_delete(clear) == ["a&"]
