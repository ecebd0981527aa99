"""What AWS refuses by its service models is refused before moto sees it."""

import gzip
import json

import pytest
from botocore.exceptions import ClientError
from test_signature import Call, send, signed

from local_aws.services import LARGEST_BODY

LOGS, METRICS = "Logs_20140328", "GraniteServiceVersion20100801"


def send_json(stand_in, service: str, target: str, body: bytes) -> tuple[int, dict]:
    """Send what no client would; returns status and the error."""
    headers = {"X-Amz-Target": target, "Content-Type": "application/x-amz-json-1.1"}
    call = Call(service, body=body, headers=headers)
    answer = send(stand_in, call, signed(stand_in, call))
    return answer.status, json.loads(answer.body or b"{}")


def error_of(call, **parameters) -> tuple[int, str, str]:
    with pytest.raises(ClientError) as caught:
        call(**parameters)
    response = caught.value.response
    status = response["ResponseMetadata"]["HTTPStatusCode"]
    return status, response["Error"]["Code"], response["Error"]["Message"]


@pytest.mark.parametrize("name", ["a\nb", "a\0b", "é", "a b", "a:b", "x" * 513])
def test_a_log_group_has_a_name_by_the_models_pattern(stand_in, name) -> None:
    logs = stand_in.client("logs")
    status, code, text = error_of(logs.create_log_group, logGroupName=name)
    assert (status, code) == (400, "InvalidParameterException")
    assert "validation error" in text
    assert f"Value '{name}' at 'logGroupName' failed to satisfy constraint" in text
    assert logs.describe_log_groups(logGroupNamePrefix="a")["logGroups"] == []


@pytest.mark.parametrize("name", ["a:b", "a*", "x" * 513])
def test_a_log_stream_has_a_name_by_the_models_pattern(stand_in, name) -> None:
    logs = stand_in.client("logs")
    call = logs.create_log_stream
    status, code, text = error_of(call, logGroupName="group", logStreamName=name)
    assert (status, code) == (400, "InvalidParameterException")
    assert f"Value '{name}' at 'logStreamName' failed to satisfy constraint" in text


@pytest.mark.parametrize(
    ("service", "target", "body"),
    [
        ("logs", f"{LOGS}.DescribeLogGroups", b'{"logGroupNamePrefix": ["a"]}'),
        ("logs", f"{LOGS}.DescribeLogGroups", b'{"limit": {}}'),
        ("logs", f"{LOGS}.PutLogEvents", b"[" * 6000),
        ("logs", f"{LOGS}.FilterLogEvents", b"\xff\xfe"),
        ("monitoring", f"{METRICS}.ListMetrics", b'{"Dimensions": "a"}'),
        ("monitoring", f"{METRICS}.PutMetricData", b"null"),
    ],
)
def test_another_type_is_a_clients_error(stand_in, service, target, body) -> None:
    status, error = send_json(stand_in, service, target, body)
    assert status == 400
    assert error["__type"].endswith(("SerializationException", "ValidationError"))


def test_an_operation_that_aws_does_not_have(stand_in) -> None:
    status, error = send_json(stand_in, "logs", f"{LOGS}.Nonsense", b"{}")
    assert (status, error) == (400, {"__type": "UnknownOperationException"})
    body = b"Action=Nonsense&Version=2010-05-08"
    headers = {"Content-Type": "application/x-www-form-urlencoded"}
    call = Call("iam", body=body, headers=headers)
    answer = send(stand_in, call, signed(stand_in, call))
    assert answer.status == 400
    assert b"<Code>InvalidAction</Code>" in answer.body


@pytest.mark.parametrize(
    ("form", "code"),
    [
        (b"Action=ListRoles&MaxItems=x", "MalformedInput"),
        (b"Action=ListRoles&MaxItems=0", "ValidationError"),
        (b"Action=ListRoles&Marker=x", "ValidationError"),
        (b"Action=GetRole&RoleName=a%20b", "ValidationError"),
        (b"Action=GetRole", "ValidationError"),
        (b"Action=CreateServiceLinkedRole&AWSServiceName=x", "InvalidInput"),
    ],
)
def test_forms_are_checked_too(stand_in, form, code) -> None:
    headers = {"Content-Type": "application/x-www-form-urlencoded"}
    call = Call("iam", body=form + b"&Version=2010-05-08", headers=headers)
    answer = send(stand_in, call, signed(stand_in, call))
    assert answer.status == 400
    assert f"<Code>{code}</Code>".encode() in answer.body


def put_packed_metrics(stand_in, body: bytes) -> tuple[int, str]:
    headers = {
        "X-Amz-Target": f"{METRICS}.PutMetricData",
        "Content-Type": "application/x-amz-json-1.0",
        "Content-Encoding": "gzip",
    }
    call = Call("monitoring", body=body, headers=headers)
    answer = send(stand_in, call, signed(stand_in, call))
    return answer.status, json.loads(answer.body or b"{}").get("__type", "")


def test_a_packed_body_is_unpacked_within_limits(stand_in) -> None:
    content = {"Namespace": "Packed", "MetricData": [{"MetricName": "m", "Value": 1}]}
    packed = gzip.compress(json.dumps(content).encode())
    assert put_packed_metrics(stand_in, packed) == (200, "")
    bad = (400, "SerializationException")
    assert put_packed_metrics(stand_in, packed[:-9]) == bad
    assert put_packed_metrics(stand_in, b"x" + packed) == bad
    huge = gzip.compress(bytes(2 * LARGEST_BODY), compresslevel=1)
    assert put_packed_metrics(stand_in, huge) == (413, "EntityTooLarge")


def test_a_query_that_nobody_has_started(stand_in) -> None:
    call = stand_in.client("logs").get_query_results
    status, code, _ = error_of(call, queryId="abc")
    assert (status, code) == (400, "ResourceNotFoundException")


def test_a_dashboard_is_json(stand_in) -> None:
    call = stand_in.client("cloudwatch").put_dashboard
    for body in ("x", "[" * 6000):
        status, code, _ = error_of(call, DashboardName="d", DashboardBody=body)
        assert (status, code) == (400, "InvalidParameterInput")
