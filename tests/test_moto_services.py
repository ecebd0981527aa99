"""S3, IAM, STS, Logs and CloudWatch through real boto3."""

import io
import json
import os
import sys
import time
import urllib.request
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta

import pytest
from botocore.exceptions import ClientError
from conftest import start_stand_in, stop_stand_in
from slow_imports import SAID

from local_aws.access.policy_evaluation import Policy, simulate
from local_aws.installation import ACCOUNT_ID, CHECKOUT, ROLE_ARN, ROLE_NAME
from local_aws.moto_services.switches import SWITCHES, set_switches
from local_aws.persistence.metric_times import first_period

MEGABYTE = 2**20
KEYS = [
    "a/b",
    "a b",
    "a+b",
    "a%20b",
    "a%2Fb",
    "a//b",
    "//lead",
    "/lead",
    "../up",
    "a/../b",
    "a/./b",
    ".",
    "..",
    "trail/",
    "ünï/ço dé",
    "日本",
    "emoji😀",
    "q?x=1",
    "h#x",
    "a;b:c,d@e$f",
    "a=b&c=d",
    "~*()'\"!",
    "back\\slash",
    "<xml>&amp;",
    "new\nline",
    "%",
    "100%",
    "a%ZZ",
]


@pytest.mark.parametrize("key", KEYS)
def test_a_key_is_kept_as_it_is(stand_in, bucket, key) -> None:
    s3 = stand_in.client("s3")
    s3.put_object(Bucket=bucket, Key=key, Body=key.encode())
    assert s3.get_object(Bucket=bucket, Key=key)["Body"].read() == key.encode()
    assert s3.head_object(Bucket=bucket, Key=key)["ContentLength"] == len(key.encode())
    listed = s3.list_objects_v2(Bucket=bucket)["Contents"]
    assert [entry["Key"] for entry in listed] == [key]
    parameters = {"Bucket": bucket, "Key": key}
    url = s3.generate_presigned_url("get_object", Params=parameters)
    with urllib.request.urlopen(url) as answer:
        assert answer.read() == key.encode()
    s3.copy_object(Bucket=bucket, Key="copy", CopySource=parameters)
    assert s3.get_object(Bucket=bucket, Key="copy")["Body"].read() == key.encode()
    s3.delete_object(Bucket=bucket, Key=key)
    assert s3.list_objects_v2(Bucket=bucket)["Contents"][0]["Key"] == "copy"


@pytest.mark.parametrize(
    "kind",
    [
        "text/csv",
        "application/x-www-form-urlencoded",
        "multipart/form-data; boundary=x",
        "application/json",
    ],
)
def test_a_body_is_kept_whatever_its_type(stand_in, bucket, kind) -> None:
    s3 = stand_in.client("s3")
    body = b"key=1&file=2"
    s3.put_object(Bucket=bucket, Key="key", Body=body, ContentType=kind)
    found = s3.get_object(Bucket=bucket, Key="key")
    assert found["Body"].read() == body
    assert found["ContentType"] == kind


def test_curl_like_uploads_by_url(stand_in, bucket) -> None:
    """urllib and curl send a form's content type unless they are told otherwise."""
    s3 = stand_in.client("s3")
    parameters = {"Bucket": bucket, "Key": "key"}
    url = s3.generate_presigned_url("put_object", Params=parameters)
    request = urllib.request.Request(url, data=b"a=b", method="PUT")
    assert urllib.request.urlopen(request).status == 200
    assert s3.get_object(**parameters)["Body"].read() == b"a=b"


def test_big_objects(stand_in, bucket) -> None:
    """In parts, in ranges, as one piece bigger than what is kept in memory."""
    s3 = stand_in.client("s3")
    body = os.urandom(20 * MEGABYTE)
    s3.upload_fileobj(io.BytesIO(body), bucket, "parts")
    back = io.BytesIO()
    s3.download_fileobj(bucket, "parts", back)
    assert back.getvalue() == body
    assert s3.head_object(Bucket=bucket, Key="parts")["ETag"].endswith('-3"')
    s3.put_object(Bucket=bucket, Key="one", Body=body)
    found = s3.get_object(Bucket=bucket, Key="one", Range="bytes=5000000-5000009")
    assert found["Body"].read() == body[5_000_000:5_000_010]
    assert found["ResponseMetadata"]["HTTPStatusCode"] == 206
    assert found["ContentRange"] == f"bytes 5000000-5000009/{len(body)}"


def test_answers_without_a_body(stand_in, bucket) -> None:
    s3 = stand_in.client("s3")
    tag = s3.put_object(Bucket=bucket, Key="key", Body=b"12345")["ETag"]
    head = s3.head_object(Bucket=bucket, Key="key")
    assert head["ContentLength"] == 5
    with pytest.raises(ClientError) as caught:
        s3.get_object(Bucket=bucket, Key="key", IfNoneMatch=tag)
    assert caught.value.response["Error"]["Code"] == "304"
    deleted = s3.delete_object(Bucket=bucket, Key="key")
    assert deleted["ResponseMetadata"]["HTTPStatusCode"] == 204
    with pytest.raises(ClientError) as caught:
        s3.head_object(Bucket=bucket, Key="key")
    # The SDK looks for exactly this text (its Session.default_bucket).
    assert caught.value.response["Error"] == {"Code": "404", "Message": "Not Found"}
    # The connection is still in step.
    assert s3.list_objects_v2(Bucket=bucket)["KeyCount"] == 0


def test_metadata_with_an_underscore(stand_in, bucket) -> None:
    s3 = stand_in.client("s3")
    s3.put_object(Bucket=bucket, Key="key", Metadata={"my_key": "1", "other-key": "2"})
    found = s3.head_object(Bucket=bucket, Key="key")["Metadata"]
    assert found == {"my_key": "1", "other-key": "2"}


def test_many_threads_at_once(stand_in, bucket) -> None:
    s3 = stand_in.client("s3", max_pool_connections=16)

    def put_and_list(number: int) -> int:
        s3.put_object(Bucket=bucket, Key=f"{number:03}", Body=b"x" * number)
        return s3.list_objects_v2(Bucket=bucket)["KeyCount"]

    with ThreadPoolExecutor(16) as pool:
        counts = list(pool.map(put_and_list, range(64)))
    assert max(counts) == 64


def test_a_bucket_of_another_region(stand_in, bucket) -> None:
    west = stand_in.client("s3", "us-west-2")
    name = bucket + "-west"
    constraint = {"LocationConstraint": "us-west-2"}
    west.create_bucket(Bucket=name, CreateBucketConfiguration=constraint)
    assert west.get_bucket_location(Bucket=name)["LocationConstraint"] == "us-west-2"
    url = west.generate_presigned_url("list_objects_v2", Params={"Bucket": name})
    assert urllib.request.urlopen(url).status == 200


def error_of(call, **parameters) -> tuple[int, str, str]:
    with pytest.raises(ClientError) as caught:
        call(**parameters)
    response = caught.value.response
    status = response["ResponseMetadata"]["HTTPStatusCode"]
    return status, response["Error"]["Code"], response["Error"]["Message"]


def test_what_is_not_built_says_so(stand_in, bucket) -> None:
    """An AWS error that names service and operation; no trace, no page of HTML."""
    s3 = stand_in.client("s3")
    calls = [
        (
            "?metrics",
            s3.get_bucket_metrics_configuration,
            {"Bucket": bucket, "Id": "x"},
        ),
        (
            "GenerateServiceLastAccessedDetails",
            stand_in.client("iam").generate_service_last_accessed_details,
            {"Arn": ROLE_ARN},
        ),
        (
            "DecodeAuthorizationMessage",
            stand_in.client("sts").decode_authorization_message,
            {"EncodedMessage": "x"},
        ),
        (
            "DescribeConfigurationTemplates",
            stand_in.client("logs").describe_configuration_templates,
            {},
        ),
        ("ListMetricStreams", stand_in.client("cloudwatch").list_metric_streams, {}),
        ("DescribeInstances", stand_in.client("ec2").describe_instances, {}),
        ("ListTables", stand_in.client("dynamodb").list_tables, {}),
        ("GET /restapis", stand_in.client("apigateway").get_rest_apis, {}),
    ]
    for name, call, parameters in calls:
        status, code, message = error_of(call, **parameters)
        assert (status, code) == (501, "NotImplemented"), (name, message)
        assert name in message
        assert "<html" not in message.lower()


def test_the_caller_is_a_session_of_the_courses_role(stand_in) -> None:
    for region in ("us-east-1", "eu-west-1"):
        identity = stand_in.client("sts", region).get_caller_identity()
        assert identity["Account"] == ACCOUNT_ID
        assert identity["Arn"].startswith(
            f"arn:aws:sts::{ACCOUNT_ID}:assumed-role/{ROLE_NAME}/"
        )
    role = stand_in.client("iam").get_role(RoleName=ROLE_NAME)["Role"]
    assert role["Arn"] == ROLE_ARN
    statement = role["AssumeRolePolicyDocument"]["Statement"][0]
    assert statement["Principal"] == {"Service": "sagemaker.amazonaws.com"}
    assert identity["UserId"].startswith(role["RoleId"] + ":")
    attached = stand_in.client("iam").list_attached_role_policies(RoleName=ROLE_NAME)
    assert [policy["PolicyName"] for policy in attached["AttachedPolicies"]] == [
        "AmazonSageMakerFullAccess"
    ]


# iam:SimulatePrincipalPolicy. What the SDK asks before it trains.
TRAINING_ACTIONS = [
    "ecr:GetAuthorizationToken",
    "cloudwatch:PutMetricData",
    "ec2:CreateNetworkInterface",
    "ec2:DescribeSubnets",
]


def decisions(stand_in, role_arn: str, actions: list[str], **more) -> dict[str, str]:
    pages = stand_in.client("iam").get_paginator("simulate_principal_policy")
    return {
        f"{result['EvalActionName']} {result['EvalResourceName']}": result[
            "EvalDecision"
        ]
        for page in pages.paginate(
            PolicySourceArn=role_arn, ActionNames=actions, **more
        )
        for result in page["EvaluationResults"]
    }


@pytest.fixture
def empty_role(stand_in):
    iam = stand_in.client("iam")
    name = f"empty-{time.monotonic_ns()}"
    document = json.dumps({"Version": "2012-10-17", "Statement": []})
    yield iam.create_role(RoleName=name, AssumeRolePolicyDocument=document)["Role"]
    for policy in iam.list_role_policies(RoleName=name)["PolicyNames"]:
        iam.delete_role_policy(RoleName=name, PolicyName=policy)
    iam.delete_role(RoleName=name)


def test_the_courses_role_may_train(stand_in) -> None:
    found = decisions(stand_in, ROLE_ARN, TRAINING_ACTIONS)
    assert found == {f"{action} *": "allowed" for action in TRAINING_ACTIONS}


def test_an_empty_role_may_not(stand_in, empty_role) -> None:
    found = decisions(stand_in, empty_role["Arn"], TRAINING_ACTIONS)
    assert found == {f"{action} *": "implicitDeny" for action in TRAINING_ACTIONS}


def test_resources_decide_too(stand_in, empty_role) -> None:
    resources = ["arn:aws:s3:::my-sagemaker-bucket/x", "arn:aws:s3:::other/x"]
    found = decisions(stand_in, ROLE_ARN, ["s3:GetObject"], ResourceArns=resources)
    assert list(found.values()) == ["allowed", "implicitDeny"]


def test_an_inline_denial_wins(stand_in, empty_role) -> None:
    document = {
        "Version": "2012-10-17",
        "Statement": [
            {"Effect": "Allow", "Action": "s3:*", "Resource": "*"},
            {"Effect": "Deny", "Action": ["s3:delete*"], "Resource": "*"},
        ],
    }
    stand_in.client("iam").put_role_policy(
        RoleName=empty_role["RoleName"],
        PolicyName="inline",
        PolicyDocument=json.dumps(document),
    )
    actions = ["s3:GetObject", "s3:DeleteObject", "iam:GetRole"]
    found = decisions(stand_in, empty_role["Arn"], actions)
    assert list(found.values()) == ["allowed", "explicitDeny", "implicitDeny"]


def test_simulation_in_pages(stand_in) -> None:
    actions = [f"s3:Action{number}" for number in range(250)]
    iam = stand_in.client("iam")
    first = iam.simulate_principal_policy(
        PolicySourceArn=ROLE_ARN, ActionNames=actions, MaxItems=7
    )
    assert first["IsTruncated"]
    assert len(first["EvaluationResults"]) == 7
    assert len(decisions(stand_in, ROLE_ARN, actions)) == 250


def test_simulation_of_an_unknown_role(stand_in) -> None:
    call = stand_in.client("iam").simulate_principal_policy
    arn = f"arn:aws:iam::{ACCOUNT_ID}:role/nobody"
    status, code, message = error_of(call, PolicySourceArn=arn, ActionNames=["a:b"])
    assert (status, code) == (404, "NoSuchEntity")
    assert "nobody" in message
    arn = "arn:aws:iam::aws:policy/AmazonSageMakerFullAccess"
    status, code, _ = error_of(call, PolicySourceArn=arn, ActionNames=["a:b"])
    assert (status, code) == (400, "InvalidInput")


def statement(**parts) -> str:
    allow = {"Effect": "Allow", "Action": "a:b", "Resource": "*"}
    return json.dumps({"Version": "2012-10-17", "Statement": [allow | parts]})


@pytest.mark.parametrize(
    "document",
    [
        "0",
        "NaN",
        '"x"',
        "[" * 6000,
        '{"Statement": 1}',
        '{"Version": "2012-10-17", "Statement": [1]}',
        statement(Effect="x"),
        statement(Action=5),
        statement(Resource={}),
        statement(Condition=[]),
        statement(Condition={"Bool": 1}),
    ],
)
def test_simulation_with_what_is_no_policy(stand_in, document) -> None:
    call = stand_in.client("iam").simulate_principal_policy
    arguments = {"PolicySourceArn": ROLE_ARN, "ActionNames": ["a:b"]}
    found = error_of(call, **arguments, PolicyInputList=[document])
    assert found[:2] == (400, "InvalidInput")
    assert call(**arguments, PolicyInputList=[statement()])


@pytest.mark.parametrize(
    "name", ["PermissionsBoundaryPolicyInputList", "ResourcePolicy"]
)
def test_what_simulation_does_not_read(stand_in, name) -> None:
    call = stand_in.client("iam").simulate_principal_policy
    document = statement() if name == "ResourcePolicy" else [statement()]
    arguments = {"PolicySourceArn": ROLE_ARN, "ActionNames": ["a:b"], name: document}
    status, code, text = error_of(call, **arguments)
    assert (status, code) == (501, "NotImplemented")
    assert name in text


PASS_ROLE = {"Action": "iam:PassRole", "Resource": "*"}
ONLY_TO_SAGEMAKER = {"StringEquals": {"iam:PassedToService": "sagemaker.amazonaws.com"}}


@pytest.mark.parametrize(
    ("statement", "context", "expected"),
    [
        ({}, {}, "allowed"),
        ({"Condition": ONLY_TO_SAGEMAKER}, {}, "implicitDeny"),
        (
            {"Condition": ONLY_TO_SAGEMAKER},
            {"iam:passedtoservice": ["sagemaker.amazonaws.com"]},
            "allowed",
        ),
        (
            {"Condition": ONLY_TO_SAGEMAKER},
            {"iam:passedtoservice": ["lambda.amazonaws.com"]},
            "implicitDeny",
        ),
        ({"Condition": {"StringEqualsIfExists": {"a:b": "c"}}}, {}, "allowed"),
        ({"Condition": {"StringNotEquals": {"a:b": "c"}}}, {}, "allowed"),
        (
            {"Condition": {"StringNotEquals": {"a:b": "c"}}},
            {"a:b": ["c"]},
            "implicitDeny",
        ),
        ({"Condition": {"Null": {"a:b": "true"}}}, {}, "allowed"),
        ({"Condition": {"Null": {"a:b": "true"}}}, {"a:b": ["1"]}, "implicitDeny"),
        ({"Condition": {"StringLike": {"a:b": "x*"}}}, {"a:b": ["xyz"]}, "allowed"),
        (
            {"Condition": {"ForAnyValue:StringEquals": {"a:b": ["c"]}}},
            {"a:b": ["d", "c"]},
            "allowed",
        ),
        (
            {"Condition": {"ForAllValues:StringEquals": {"a:b": ["c"]}}},
            {"a:b": ["d", "c"]},
            "implicitDeny",
        ),
        ({"Effect": "Deny"}, {}, "explicitDeny"),
        ({"NotResource": "arn:x"}, {}, "allowed"),
        ({"NotResource": "arn:*"}, {}, "implicitDeny"),
        ({"NotAction": "iam:*"}, {}, "implicitDeny"),
        ({"NotAction": "s3:*"}, {}, "allowed"),
        ({"Action": "IAM:pass?ole"}, {}, "allowed"),
        ({"Resource": "arn:a.s"}, {}, "implicitDeny"),
    ],
)
def test_a_statement_speaks_of_what_it_says(statement, context, expected) -> None:
    whole = {"Effect": "Allow"} | PASS_ROLE | statement
    for name in ("Action", "Resource"):
        if f"Not{name}" in statement:
            del whole[name]
    policy = Policy("p", {"Statement": whole})
    result = simulate([policy], "iam:PassRole", "arn:aws", context)
    assert result.decision == expected


def test_log_lines_come_back(stand_in) -> None:
    logs = stand_in.client("logs")
    names = {"logGroupName": "/test/group", "logStreamName": "stream/a-1"}
    logs.create_log_group(logGroupName=names["logGroupName"])
    logs.create_log_stream(**names)
    now = int(time.time() * 1000)
    lines = ["first", "tab\there", "ünï <&>", "&Action=DeleteLogGroup&x"]
    events = [{"timestamp": now + i, "message": line} for i, line in enumerate(lines)]
    logs.put_log_events(**names, logEvents=events)
    found = logs.get_log_events(**names, startFromHead=True)["events"]
    assert [event["message"] for event in found] == lines


def test_metrics_come_back(stand_in) -> None:
    cloudwatch = stand_in.client("cloudwatch")
    now = datetime.now(UTC)
    point = {"MetricName": "rmse", "Value": 3.5, "Timestamp": now}
    cloudwatch.put_metric_data(Namespace="Test", MetricData=[point])
    found = cloudwatch.get_metric_statistics(
        Namespace="Test",
        MetricName="rmse",
        StartTime=now - timedelta(hours=1),
        EndTime=now + timedelta(hours=1),
        Period=60,
        Statistics=["Average"],
    )
    assert [entry["Average"] for entry in found["Datapoints"]] == [3.5]


@pytest.fixture
def short_job(stand_in) -> dict:
    """Three values within seconds, in the midst of a minute."""
    begin = datetime.now(UTC).replace(second=20, microsecond=0) - timedelta(minutes=5)
    metric = {"Namespace": "Short", "MetricName": f"m{time.monotonic_ns()}"}
    values = [
        {"MetricName": metric["MetricName"], "Value": value, "Timestamp": time_of_value}
        for value, time_of_value in [
            (1.0, begin),
            (3.0, begin + timedelta(seconds=3)),
            (8.0, begin + timedelta(seconds=45)),
        ]
    ]
    stand_in.client("cloudwatch").put_metric_data(Namespace="Short", MetricData=values)
    return metric | {"begin": begin, "minute": begin.replace(second=0)}


def test_statistics_begin_with_the_whole_minute(stand_in, short_job) -> None:
    """A start after the values, but within their minute; data points are minutes."""
    found = stand_in.client("cloudwatch").get_metric_statistics(
        Namespace="Short",
        MetricName=short_job["MetricName"],
        StartTime=short_job["begin"] + timedelta(seconds=5),
        EndTime=short_job["begin"] + timedelta(minutes=2),
        Period=60,
        Statistics=["Average", "SampleCount"],
    )["Datapoints"]
    minute = short_job["minute"]
    assert [(p["Timestamp"], p["Average"], p["SampleCount"]) for p in found] == [
        (minute, 2.0, 2.0),
        (minute + timedelta(minutes=1), 8.0, 1.0),
    ]


def test_metric_data_begins_with_the_whole_minute(stand_in, short_job) -> None:
    metric = {name: short_job[name] for name in ("Namespace", "MetricName")}
    stat = {"Metric": metric, "Period": 60, "Stat": "Sum"}
    found = stand_in.client("cloudwatch").get_metric_data(
        MetricDataQueries=[{"Id": "m", "MetricStat": stat}],
        StartTime=short_job["begin"] + timedelta(seconds=5),
        EndTime=short_job["begin"] + timedelta(minutes=2),
        ScanBy="TimestampAscending",
    )["MetricDataResults"][0]
    minute = short_job["minute"]
    assert found["Timestamps"] == [minute, minute + timedelta(minutes=1)]
    assert found["Values"] == [4.0, 8.0]


def test_more_data_points_than_aws_counts_are_refused(stand_in) -> None:
    cloudwatch = stand_in.client("cloudwatch")
    times = {"StartTime": datetime(2020, 1, 1), "EndTime": datetime(2026, 1, 1)}
    status, code, _ = error_of(
        cloudwatch.get_metric_statistics,
        Namespace="Short",
        MetricName="m",
        Period=1,
        Statistics=["Sum"],
        **times,
    )
    assert (status, code) == (400, "InvalidParameterCombination")
    metric = {"Namespace": "Short", "MetricName": "m"}
    stat = {"Metric": metric, "Period": 1, "Stat": "Sum"}
    queries = [{"Id": "m", "MetricStat": stat}]
    call = cloudwatch.get_metric_data
    status, code, _ = error_of(call, MetricDataQueries=queries, **times)
    assert (status, code) == (400, "ValidationError")


NOW = datetime(2026, 3, 1)


@pytest.mark.parametrize(
    ("days", "period", "rounded"),
    [
        (1, 60, "12:32:00"),
        (16, 60, "12:30:00"),
        (64, 60, "12:00:00"),
        (1, 5, "12:32:30"),
        (1, 20, "12:32:20"),
        (1, 300, "12:32:00"),
    ],
)
def test_how_far_a_start_is_rounded_down(days, period, rounded) -> None:
    start = datetime(2026, 3, 1, 12, 32, 34) - timedelta(days=days)
    assert first_period(start, period, NOW).strftime("%H:%M:%S") == rounded


def test_motos_own_settings_are_made_before_it_reads_them(monkeypatch) -> None:
    inherited = {"MOTO_ACCOUNT_ID": "1", "S3_IGNORE": "x", "moto_any": "y", "PATH": "p"}
    monkeypatch.delitem(sys.modules, "moto", raising=False)
    set_switches(inherited)
    assert inherited.pop("PATH") == "p"
    assert inherited["MOTO_ACCOUNT_ID"] == ACCOUNT_ID
    assert inherited == SWITCHES
    monkeypatch.setitem(sys.modules, "moto", None)
    with pytest.raises(RuntimeError, match="before its settings"):
        set_switches(inherited)


def test_first_requests_come_while_another_service_is_made(home) -> None:
    folders = os.pathsep.join([str(CHECKOUT), str(CHECKOUT / "tests")])
    own = start_stand_in(home, "slow_imports", PYTHONPATH=folders)
    s3 = own.client("s3")
    deadline = time.monotonic() + 30
    while SAID not in (home / "printed").read_text():
        assert time.monotonic() < deadline
        time.sleep(0.01)
    s3.list_buckets()
    assert own.client("iam").list_roles()["Roles"]
    assert "Traceback" not in stop_stand_in(own)
