"""Lambda functions: made, invoked in processes of their own, logged, deleted."""

import base64
import re
import time

import pytest
from lambda_functions import invoke, make_function, make_role

from course.stand_in import StandIn

CODE = """
import json
import logging
import os
import sys

log = logging.getLogger(__name__)
print("loaded")
calls = 0


def lambda_handler(event, context):
    global calls
    calls += 1
    print("called with", json.dumps(event))
    log.warning("two\\nlines")
    if "raise" in event:
        raise ValueError(event["raise"])
    if "exit" in event:
        sys.exit(event["exit"])
    if "return a set" in event:
        return {1}
    if "take" in event:
        return len(bytearray(event["take"]))
    if "loop" in event:
        while True:
            pass
    if "caller" in event:
        import boto3

        boto3.client("runtime.sagemaker")
        return boto3.client("sts").get_caller_identity()["Arn"]
    return {
        "calls": calls,
        "pid": os.getpid(),
        "request": context.aws_request_id,
        "arn": context.invoked_function_arn,
        "left": context.get_remaining_time_in_millis(),
        "stream": context.log_stream_name,
        "variables": dict(os.environ),
    }
"""


@pytest.fixture(scope="module")
def role(stand_in: StandIn) -> str:
    return make_role(stand_in)


@pytest.fixture(scope="module")
def function(stand_in: StandIn, role: str) -> str:
    variables = {"ENDPOINT": "boston-ep"}
    return make_function(
        stand_in, CODE, role, Timeout=2, Environment={"Variables": variables}
    )


def tail(response: dict) -> str:
    return base64.b64decode(response["LogResult"]).decode()


def logged(stand_in: StandIn, name: str, stream: str, last: str) -> list[str]:
    """The messages of a stream, once one of them begins with `last`."""
    logs = stand_in.client("logs")
    group = f"/aws/lambda/{name}"
    deadline = time.monotonic() + 20
    while time.monotonic() < deadline:
        try:
            found = logs.get_log_events(logGroupName=group, logStreamName=stream)
        except logs.exceptions.ResourceNotFoundException:
            continue
        messages = [event["message"] for event in found["events"]]
        if any(message.startswith(last) for message in messages):
            return messages
        time.sleep(0.05)
    raise TimeoutError(f"no line {last} in {group}")


def test_a_function_runs_in_a_process_that_stays_warm(stand_in, function) -> None:
    first = invoke(stand_in, function, {"a": 1}, LogType="Tail")
    second = invoke(stand_in, function, {"a": 2}, LogType="Tail")
    assert first["StatusCode"] == 200
    assert first["ExecutedVersion"] == "$LATEST"
    assert "FunctionError" not in first
    one, two = first["Payload"], second["Payload"]
    assert (two["pid"], two["calls"]) == (one["pid"], one["calls"] + 1)
    assert one["request"] == first["ResponseMetadata"]["RequestId"]
    assert one["arn"].endswith(f":function:{function}")
    assert 0 < one["left"] <= 2000
    variables = one["variables"]
    assert variables["ENDPOINT"] == "boston-ep"
    assert variables["AWS_LAMBDA_FUNCTION_NAME"] == function
    assert variables["AWS_EXECUTION_ENV"] == "AWS_Lambda_python3.12"
    messages = logged(
        stand_in, function, two["stream"], f"REPORT RequestId: {two['request']}"
    )
    start = messages.index(f"START RequestId: {two['request']} Version: $LATEST\n")
    said = messages[start:]
    assert said[1] == 'called with {"a": 2}\n'
    assert re.fullmatch(r"\[WARNING\]\t\S+Z\t[\w-]+\ttwo\nlines\n", said[2])
    assert said[3] == f"END RequestId: {two['request']}\n"
    report = re.fullmatch(
        r"REPORT RequestId: \S+\tDuration: ([\d.]+) ms\tBilled Duration: (\d+) ms\t"
        r"Memory Size: 128 MB\tMax Memory Used: (\d+) MB\t\n",
        said[4],
    )
    assert float(report[1]) <= int(report[2]) < float(report[1]) + 1
    assert int(report[3]) > 0
    assert tail(second) == "".join(said)


def test_a_function_is_a_session_of_its_role(stand_in, function, role) -> None:
    said = invoke(stand_in, function, {"caller": True})["Payload"]
    name = role.rpartition("/")[2]
    assert said == f"arn:aws:sts::123456789012:assumed-role/{name}/{function}"


@pytest.mark.parametrize(
    ("event", "kind", "message"),
    [
        ({"raise": "no good"}, "ValueError", "no good"),
        (
            {"return a set": True},
            "Runtime.MarshalError",
            "Unable to marshal response: Object of type set is not JSON serializable",
        ),
        (
            {"exit": 3},
            "Runtime.ExitError",
            "RequestId: (id) Error: Runtime exited with error: exit status 3",
        ),
        (
            {"exit": 0},
            "Runtime.ExitError",
            "RequestId: (id) Error: Runtime exited without providing a reason",
        ),
        (
            {"take": 10**9},
            "Runtime.ExitError",
            "RequestId: (id) Error: Runtime exited with error: signal: killed",
        ),
        (
            {"loop": True},
            "Sandbox.Timedout",
            "RequestId: (id) Error: Task timed out after 2.00 seconds",
        ),
    ],
)
def test_what_goes_wrong_is_told_as_lambda_does(
    stand_in, function, event, kind, message
) -> None:
    response = invoke(stand_in, function, event, LogType="Tail")
    request_id = response["ResponseMetadata"]["RequestId"]
    assert (response["StatusCode"], response["FunctionError"]) == (200, "Unhandled")
    error = response["Payload"]
    assert error["errorType"] == kind
    assert error["errorMessage"] == message.replace("(id)", request_id)
    assert message.rpartition("Error: ")[2] in tail(response)
    if "stackTrace" in error:
        assert error["requestId"] == request_id
    if kind == "ValueError":
        [line] = error["stackTrace"]
        assert line.startswith('  File "/var/task/lambda_function.py", line ')
    # The next one is as good as ever.
    assert "pid" in invoke(stand_in, function, {})["Payload"]
