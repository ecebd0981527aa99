"""Lambda functions: made, invoked in processes of their own, logged, deleted."""

import base64
import hashlib
import json
import re
import time
import urllib.request
import uuid
from collections.abc import Callable
from pathlib import Path

import psutil
import pytest
from botocore.exceptions import ClientError
from lambda_functions import invoke, make_function, make_role, zip_of

from course.stand_in import StandIn, start_stand_in, stop_stand_in
from local_aws.maintenance import describe_state

LAYER = "arn:aws:lambda:us-east-1:123456789012:layer:name:1"

CODE = """
import importlib.util
import json
import logging
import os
import sys

log = logging.getLogger(__name__)
print("loaded")
calls, taken = 0, []


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
        taken.append(bytearray(event["take"]))
        return "it got them"
    if "loop" in event:
        while True:
            pass
    if "caller" in event:
        import boto3

        return boto3.client("sts").get_caller_identity()["Arn"]
    if "endpoint" in event:
        import boto3

        client = boto3.client("runtime.sagemaker")
        return client.invoke_endpoint(EndpointName=event["endpoint"], Body="1")
    return {
        "numpy": importlib.util.find_spec("numpy") is not None,
        "calls": calls,
        "pid": os.getpid(),
        "request": context.aws_request_id,
        "custom": context.client_context and context.client_context.custom,
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
        stand_in, CODE, role, Timeout=60, Environment={"Variables": variables}
    )


def error_of(call: Callable, **members: object) -> tuple[int, str, str]:
    """Status, code and message of a request that is refused."""
    with pytest.raises(ClientError) as caught:
        call(**members)
    response = caught.value.response
    status = response["ResponseMetadata"]["HTTPStatusCode"]
    return status, response["Error"]["Code"], response["Error"]["Message"]


def tail(response: dict) -> str:
    return base64.b64decode(response["LogResult"]).decode()


def logged(stand_in: StandIn, name: str, stream: str, last: str) -> list[str]:
    """The messages of a stream, once one of them begins with `last`."""
    logs = stand_in.client("logs")
    group = f"/aws/lambda/{name}"
    deadline = time.monotonic() + 60
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
    told = base64.b64encode(b'{"custom": {"page": "\\u2601"}}').decode()
    first = invoke(stand_in, function, {"a": 1}, LogType="Tail", ClientContext=told)
    second = invoke(stand_in, function, {"a": 2}, LogType="Tail")
    assert first["StatusCode"] == 200
    assert first["ExecutedVersion"] == "$LATEST"
    assert "FunctionError" not in first
    one, two = first["Payload"], second["Payload"]
    assert (two["pid"], two["calls"]) == (one["pid"], one["calls"] + 1)
    assert one["request"] == first["ResponseMetadata"]["RequestId"]
    assert one["arn"].endswith(f":function:{function}")
    assert 0 < one["left"] <= 60_000
    variables = one["variables"]
    assert one["numpy"] is False
    assert (one["custom"], two["custom"]) == ({"page": "☁"}, None)
    assert "INIT_START" not in tail(first)
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
    assert messages[0].startswith("INIT_START Runtime Version: python:3.")
    assert messages[1] == "loaded\n"
    assert messages[2].startswith("START RequestId: ")
    assert float(report[1]) <= int(report[2]) < float(report[1]) + 1
    assert int(report[3]) > 0
    assert tail(second) == "".join(said)


def test_a_function_is_a_session_of_its_role(stand_in, function, role) -> None:
    said = invoke(stand_in, function, {"caller": True})["Payload"]
    name = role.rpartition("/")[2]
    arn = f"arn:aws:sts::123456789012:assumed-role/{name}/{function}"
    assert said == arn
    error = invoke(stand_in, function, {"endpoint": "boston-ep"})["Payload"]
    assert error["errorType"] == "ClientError"
    assert (
        f"User: {arn} is not authorized to perform: sagemaker:InvokeEndpoint"
        in (error["errorMessage"])
    )
    assert str(stand_in.home) not in json.dumps(error, ensure_ascii=False)
    assert '  File "/var/runtime/botocore/client.py", line ' in error["stackTrace"][-1]


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
    stand_in, function, role, event, kind, message
) -> None:
    if "loop" in event:
        function = make_function(stand_in, CODE, role, Timeout=2)
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


def test_the_life_of_a_function(stand_in: StandIn, role: str, function: str) -> None:
    client = stand_in.client("lambda")
    name = f"life-{uuid.uuid4().hex[:12]}"
    arn = f"arn:aws:lambda:us-east-1:123456789012:function:{name}"
    content = zip_of({"lambda_function.py": "def lambda_handler(e, c): return 'old'"})
    request = {
        "FunctionName": name,
        "Runtime": "python3.13",
        "Role": role,
        "Handler": "lambda_function.lambda_handler",
        "Code": {"ZipFile": content},
        "Tags": {"course": "boston"},
    }
    made = client.create_function(**request)
    assert (made["State"], made["FunctionArn"]) == ("Pending", arn)
    assert (made["Timeout"], made["MemorySize"]) == (3, 128)
    hashed = base64.b64encode(hashlib.sha256(content).digest()).decode()
    assert (made["CodeSize"], made["CodeSha256"]) == (len(content), hashed)
    status, code, message = error_of(client.create_function, **request)
    assert (status, code) == (409, "ResourceConflictException")
    assert message == f"Function already exist: {name}"
    client.get_waiter("function_active_v2").wait(FunctionName=name)
    found = client.get_function(FunctionName=arn)
    assert found["Configuration"]["State"] == "Active"
    assert found["Tags"] == {"course": "boston"}
    with urllib.request.urlopen(found["Code"]["Location"]) as response:
        assert response.read() == content
    assert invoke(stand_in, arn, {})["Payload"] == "old"

    content = zip_of({"other.py": "import os\ndef f(e, c): return os.environ['AA']"})
    s3 = stand_in.client("s3")
    s3.create_bucket(Bucket=name)
    s3.put_object(Bucket=name, Key="code.zip", Body=content)
    updated = client.update_function_code(
        FunctionName=name, S3Bucket=name, S3Key="code.zip"
    )
    assert updated["LastUpdateStatus"] == "InProgress"
    client.get_waiter("function_updated_v2").wait(FunctionName=name)
    variables = {"Variables": {"AA": "new"}}
    client.update_function_configuration(
        FunctionName=name, Handler="other.f", Environment=variables, Timeout=9
    )
    client.get_waiter("function_updated").wait(FunctionName=name)
    assert invoke(stand_in, name, {})["Payload"] == "new"
    now = client.get_function_configuration(FunctionName=name)
    assert (now["Timeout"], now["Environment"]) == (9, variables)

    client.tag_resource(Resource=arn, Tags={"a b": "c"})
    client.untag_resource(Resource=arn, TagKeys=["course"])
    assert client.list_tags(Resource=arn)["Tags"] == {"a b": "c"}

    assert client.delete_function(FunctionName=name)["StatusCode"] == 204
    for call in (client.invoke, client.get_function, client.delete_function):
        status, code, message = error_of(call, FunctionName=name)
        assert (status, code) == (404, "ResourceNotFoundException")
        assert message == f"Function not found: {arn}"
    # Its log is the user's, and nothing writes there any more.
    logs = stand_in.client("logs")
    group = f"/aws/lambda/{name}"
    logs.delete_log_group(logGroupName=group)
    other = invoke(stand_in, function, {})["Payload"]
    logged(stand_in, function, other["stream"], f"REPORT RequestId: {other['request']}")
    assert logs.describe_log_groups(logGroupNamePrefix=group)["logGroups"] == []


def test_functions_are_listed_in_pages(stand_in, function, role) -> None:
    other = make_function(stand_in, "", role)
    pages = stand_in.client("lambda").get_paginator("list_functions")
    found = [
        one["FunctionName"]
        for page in pages.paginate(PaginationConfig={"PageSize": 1})
        for one in page["Functions"]
    ]
    assert {function, other} <= set(found)
    assert found == sorted(found)
    west = stand_in.client("lambda", "eu-west-1")
    assert west.list_functions()["Functions"] == []
    _, code, message = error_of(west.list_functions, Marker="?")
    assert (code, message) == ("InvalidParameterValueException", "Invalid Marker")


ZIP = zip_of({"lambda_function.py": ""})
ROLE = "arn:aws:iam::123456789012:role/there-is-none"


@pytest.mark.parametrize(
    ("members", "status", "code", "message"),
    [
        ({"Role": ROLE}, 400, None, "cannot be assumed by Lambda."),
        ({"Code": {}}, 400, None, "Please provide a source for function code."),
        ({"Code": {"ZipFile": b"no"}}, 400, None, "Could not unzip uploaded file."),
        (
            {"Code": {"S3Bucket": "no-such", "S3Key": "a.zip"}},
            400,
            None,
            "Error occurred while GetObject. S3 Error Code: NoSuchBucket.",
        ),
        ({"Runtime": "python3.6"}, 400, None, "python3.6 is no longer supported"),
        ({"Runtime": "nodejs22.x"}, 400, None, "a language other than Python"),
        ({"Runtime": "python4"}, 400, "ValidationException", "enum value set"),
        ({"Timeout": 901}, 400, "ValidationException", "less than or equal to 900"),
        ({"MemorySize": 10241}, 400, "ValidationException", "equal to 10240"),
        ({"FunctionName": "a" * 65}, 400, "ValidationException", "or equal to 64"),
        ({"Handler": "a b"}, 400, "ValidationException", "[^\\s]+"),
        (
            {"Environment": {"Variables": {"AWS_REGION": "x"}}},
            400,
            None,
            "Reserved keys used in this request: AWS_REGION",
        ),
        ({"Environment": {"Variables": {"AA": "x" * 4096}}}, 400, None, "4KB limit"),
        ({"Environment": {"Variables": {"AA": "\0"}}}, 400, None, "AA holds a NUL"),
        ({"Layers": [LAYER]}, 400, None, "Layers (layers) is part of AWS Lambda"),
        ({"Publish": True}, 400, None, "Publish (versions of a function)"),
        ({"PackageType": "Image"}, 400, None, "PackageType Image"),
        ({"Code": {"ImageUri": "x"}}, 400, None, "PackageType Image"),
        (
            {"VpcConfig": {"SubnetIds": ["subnet-12345678"]}},
            400,
            None,
            "VpcConfig (a network",
        ),
        ({"TracingConfig": {"Mode": "Active"}}, 400, None, "TracingConfig"),
        ({"LoggingConfig": {"LogFormat": "JSON"}}, 400, None, "LogFormat JSON"),
        ({"DeadLetterConfig": {"TargetArn": LAYER}}, 400, None, "DeadLetterConfig"),
    ],
)
def test_what_a_function_can_not_be(
    stand_in, role, members, status, code, message
) -> None:
    client = stand_in.client("lambda")
    name = f"refused-{uuid.uuid4().hex[:12]}"
    request = {
        "FunctionName": name,
        "Runtime": "python3.12",
        "Role": role,
        "Handler": "lambda_function.lambda_handler",
        "Code": {"ZipFile": ZIP},
    }
    found = error_of(client.create_function, **(request | members))
    assert found[:2] == (status, code or "InvalidParameterValueException")
    assert message in found[2]
    assert error_of(client.get_function, FunctionName=name)[0] == 404


def test_a_role_of_another_service_is_refused(stand_in) -> None:
    role = make_role(stand_in, service="sagemaker.amazonaws.com")
    with pytest.raises(ClientError, match="cannot be assumed by Lambda"):
        make_function(stand_in, "", role)


@pytest.mark.parametrize(
    ("members", "status", "code", "message"),
    [
        (
            {"Payload": b"{"},
            400,
            "InvalidRequestContentException",
            "Could not parse request body into json",
        ),
        (
            {"Payload": b'"' + b"a" * 6 * 2**20 + b'"'},
            413,
            "RequestTooLargeException",
            "Request must be smaller than 6291456 bytes for the InvokeFunction",
        ),
        (
            {"Payload": b'"' + b"a" * 2**20 + b'"', "InvocationType": "Event"},
            413,
            "RequestTooLargeException",
            "is too large for the Event invocation type (limit 1048576 bytes)",
        ),
        (
            {"ClientContext": "bm90aGluZw=="},
            400,
            "InvalidRequestContentException",
            "Client context must be a valid Base64-encoded JSON object.",
        ),
        ({"Qualifier": "7"}, 404, "ResourceNotFoundException", ":7"),
        ({"InvocationType": "Now"}, 400, "ValidationException", "enum value set"),
    ],
)
def test_an_invocation_that_is_refused(
    stand_in, function, members, status, code, message
) -> None:
    client = stand_in.client("lambda")
    found = error_of(client.invoke, FunctionName=function, **members)
    assert found[:2] == (status, code)
    assert message in found[2]


@pytest.mark.parametrize(
    ("call", "members", "name"),
    [
        ("publish_version", {}, "PublishVersion"),
        ("create_alias", {"Name": "a", "FunctionVersion": "1"}, "CreateAlias"),
        ("create_function_url_config", {"AuthType": "NONE"}, "CreateFunctionUrlConfig"),
        ("create_event_source_mapping", {}, "CreateEventSourceMapping"),
    ],
)
def test_what_is_not_built_says_so(stand_in, function, call, members, name) -> None:
    client = stand_in.client("lambda")
    _, code, message = error_of(getattr(client, call), FunctionName=function, **members)
    assert code == "NotImplementedException"
    assert f"has not built {name}. It is a real operation of AWS Lambda" in message


def test_operations_at_one_path_are_told_by_name(stand_in) -> None:
    _, code, message = error_of(stand_in.client("lambda").list_layers)
    assert code == "NotImplementedException"
    assert "has not built ListLayers. It" in message


def test_permissions_of_a_function(stand_in, function) -> None:
    client = stand_in.client("lambda")
    request = {
        "FunctionName": function,
        "StatementId": "api",
        "Action": "lambda:InvokeFunction",
        "Principal": "apigateway.amazonaws.com",
        "SourceArn": "arn:aws:execute-api:us-east-1:123456789012:abc123/*/*/predict",
    }
    _, code, message = error_of(client.get_policy, FunctionName=function)
    assert code == "ResourceNotFoundException"
    assert message == "The resource you requested does not exist."
    statement = json.loads(client.add_permission(**request)["Statement"])
    found = client.get_policy(FunctionName=function)
    assert json.loads(found["Policy"])["Statement"] == [statement]
    assert statement["Condition"]["ArnLike"] == {"AWS:SourceArn": request["SourceArn"]}
    status, code, message = error_of(client.add_permission, **request)
    assert (status, code) == (409, "ResourceConflictException")
    assert "The statement id (api) provided already exists." in message
    wrong = request | {"StatementId": "b", "Principal": "nobody"}
    _, code, message = error_of(client.add_permission, **wrong)
    assert "The provided principal was invalid" in message
    stale = request | {"StatementId": "b", "RevisionId": "other"}
    assert error_of(client.add_permission, **stale)[0] == 412
    client.remove_permission(FunctionName=function, StatementId="api")
    status, code, _ = error_of(
        client.remove_permission, FunctionName=function, StatementId="api"
    )
    assert (status, code) == (404, "ResourceNotFoundException")


def test_without_permission_there_is_no_log(stand_in, function) -> None:
    role = make_role(stand_in, ["logs:CreateLogStream", "logs:PutLogEvents"])
    name = make_function(stand_in, CODE, role)
    stream = invoke(stand_in, name, {})["Payload"]["stream"]
    # Lines are written in turn, so that this one's would be there by now.
    other = invoke(stand_in, function, {})["Payload"]
    logged(stand_in, function, other["stream"], f"REPORT RequestId: {other['request']}")
    logs = stand_in.client("logs")
    group = f"/aws/lambda/{name}"
    found = logs.describe_log_groups(logGroupNamePrefix=group)
    assert found["logGroups"] == []
    # Once the group is there its other permissions are enough.
    logs.create_log_group(logGroupName=group)
    request = invoke(stand_in, name, {})["Payload"]["request"]
    logged(stand_in, name, stream, f"REPORT RequestId: {request}")


NOTES = """
import os, time


def lambda_handler(event, context):
    with open(os.environ["NOTES"], "a") as file:
        print(event, context.aws_request_id, file=file, flush=True)
    if event == "slow":
        time.sleep(600)
"""


def eventually(condition: Callable[[], bool]) -> None:
    """Return once something is so."""
    deadline = time.monotonic() + 60
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.05)


def lines_of(path: Path, number: int) -> list[str]:
    """The lines of a file, once there are so many."""
    eventually(lambda: path.exists() and path.read_text().count("\n") >= number)
    return path.read_text().splitlines()


def test_functions_and_accepted_events_outlive_a_kill(home: Path) -> None:
    notes = home / "notes"
    stand_in = start_stand_in(home)
    try:
        variables = {"Variables": {"NOTES": str(notes)}}
        role = make_role(stand_in)
        name = make_function(stand_in, NOTES, role, Timeout=900, Environment=variables)
        client = stand_in.client("lambda")
        response = client.invoke(FunctionName=name, InvocationType="DryRun")
        assert response["StatusCode"] == 204
        response = client.invoke(
            FunctionName=name, InvocationType="Event", Payload=b'"slow"'
        )
        assert response["StatusCode"] == 202
        event = response["ResponseMetadata"]["RequestId"]
        assert lines_of(notes, 1) == [f"slow {event}"]
        response = client.invoke(
            FunctionName=name, InvocationType="Event", Payload=b'"quick"'
        )
        lines_of(notes, 2)
        stand_in.process.kill()
        stand_in.process.wait()
        stand_in = start_stand_in(home)
        # What had not ended begins again, before anybody asks for it. The other one may
        # have ended and not been known to have.
        again = f"slow {event}"
        eventually(lambda: lines_of(notes, 1).count(again) == 2)
        assert invoke(stand_in, name, "now")["StatusCode"] == 200
        words = [line.split()[0] for line in lines_of(notes, 4)]
        assert set(words) == {"slow", "quick", "now"}
        assert words.count("slow") == 2
        pids = [
            process.pid
            for process in psutil.Process(stand_in.process.pid).children()
            if any("bootstrap.py" in word for word in process.cmdline())
        ]
        assert 2 <= len(pids) <= 3  # if the quick one has begun again, too
        assert "Lambda        1 function" in describe_state(stand_in.installation)
    finally:
        stop_stand_in(stand_in)
    assert not any(map(psutil.pid_exists, pids))
