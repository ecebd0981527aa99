"""Who may invoke a function, how many run at a time, and when processes end."""

import errno
import gc
import json
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from types import SimpleNamespace

import psutil
import pytest
from lambda_functions import zip_of

from local_aws.access.credentials import TemporaryCredentials
from local_aws.errors import AwsError, StorageError
from local_aws.functions import (
    configuration,
    events,
    instance,
    invocations,
    permissions,
)
from local_aws.functions.events import Events
from local_aws.functions.invocations import Caller, Functions
from local_aws.functions.packages import check
from local_aws.persistence.resources import Resources

REGION = "us-east-1"
API = "arn:aws:execute-api:us-east-1:123456789012:abc123"
CODE = """
import os, pathlib, time


def lambda_handler(event, context):
    if "wait for" in event:
        while not pathlib.Path(event["wait for"]).exists():
            time.sleep(0.01)
    if "fail" in event:
        raise ValueError(event)
    return os.getpid(), os.environ["AWS_ACCESS_KEY_ID"]
"""
PATIENCE_S = 60


class Place:
    """Functions without a server: nobody logs, and every role may do anything."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.credentials = TemporaryCredentials()
        clients = SimpleNamespace(
            find_role=lambda arn: SimpleNamespace(may=lambda action, arn: False),
            credentials=self.credentials,
            environment_of=lambda session, region: session.environment,
        )
        self.resources = Resources(folder / "resources")
        self.functions = Functions(self.resources, clients, folder / "functions")

    def make(self, name: str = "one", **members: object) -> dict:
        """A new function that is ready, but for `members`."""
        request = {
            "Role": "arn:aws:iam::123456789012:role/any",
            "Runtime": "python3.12",
            "Handler": "lambda_function.lambda_handler",
            "Timeout": 900,
        }
        record = configuration.new_record(REGION, name, request)
        content = zip_of({"lambda_function.py": CODE})
        record["_code"] = self.functions.code.add(check(content))
        record |= {"State": "Active", "LastUpdateStatus": "Successful", **members}
        self.resources.create(REGION, "function", name, record)
        return record

    def invoke(self, function: str = "one", caller: Caller | None = None) -> list:
        running = self.functions.submit(function, {}, caller)
        return json.loads(running.result(PATIENCE_S).payload)

    def pid(self, name: str = "one") -> int:
        return self.invoke(name)[0]


@pytest.fixture
def place(tmp_path: Path) -> Iterator[Place]:
    made = Place(tmp_path)
    yield made
    made.functions.close()
    made.resources.close()


def eventually(condition: Callable[[], bool]) -> None:
    deadline = time.monotonic() + PATIENCE_S
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.01)


def code_of(call: Callable) -> str:
    with pytest.raises(AwsError) as caught:
        call()
    return caught.value.code


def test_a_process_is_used_again_until_its_function_changes(place) -> None:
    place.make()
    first, key = place.invoke()
    assert place.credentials.find(key).session_name == "one"
    assert place.pid() == first
    # Permissions and tags are no change of it.
    statement = permissions.statement_of(
        {"StatementId": "a", "Principal": "*", "Action": "lambda:*"}, "arn"
    )
    place.resources.update(
        REGION, "function", "one", lambda record: permissions.add(record, statement)
    )
    assert place.pid() == first
    place.resources.update(
        REGION, "function", "one", lambda r: configuration.configure(r, {"Timeout": 5})
    )
    assert place.pid() != first
    assert place.credentials.find(key) is None


def test_each_invocation_at_a_time_has_a_process_up_to_a_limit(
    place, monkeypatch
) -> None:
    monkeypatch.setattr(invocations, "MOST_CONCURRENT", 2)
    place.make()
    go = place.folder / "go"
    event = {"wait for": str(go)}
    running = [place.functions.submit("one", event) for _ in range(2)]
    with pytest.raises(AwsError, match="Rate Exceeded") as caught:
        place.functions.submit("one", {})
    assert (caught.value.code, caught.value.status) == ("TooManyRequestsException", 429)
    go.touch()
    pids = {json.loads(one.result(PATIENCE_S).payload)[0] for one in running}
    assert len(pids) == 2
    assert place.pid() in pids


def test_idle_processes_are_ended(place, monkeypatch) -> None:
    monkeypatch.setattr(invocations, "IDLE_SECONDS", 0.0)
    monkeypatch.setattr(invocations, "SWEEP_SECONDS", 0.01)
    place.make()
    key = place.invoke()[1]
    eventually(lambda: place.credentials.find(key) is None)
    processes = place.folder / "functions" / "processes"
    eventually(lambda: not list(processes.iterdir()))


def test_one_that_has_ended_while_idle_is_not_used(place) -> None:
    place.make()
    first = place.pid()
    place.functions._idle[REGION, "one"][0]._process.kill()
    eventually(lambda: not place.functions._idle[REGION, "one"][0].is_running)
    assert place.pid() != first


@pytest.mark.parametrize("state", ["Pending", "Failed"])
def test_a_function_that_is_not_ready_is_not_invoked(place, state) -> None:
    place.make(State=state)
    with pytest.raises(AwsError, match=f"in the following state: {state}") as caught:
        place.functions.submit("one", {})
    assert caught.value.code == "ResourceConflictException"


def test_a_service_needs_the_functions_permission(place) -> None:
    record = place.make()
    principal = "apigateway.amazonaws.com"
    caller = Caller(principal, f"{API}/$default/POST/predict")
    assert code_of(partial(place.invoke, "one", caller)) == "AccessDeniedException"
    request = {
        "StatementId": "api",
        "Action": "lambda:InvokeFunction",
        "Principal": principal,
        "SourceArn": f"{API}/*/*/predict",
        "SourceAccount": "123456789012",
    }
    statement = permissions.statement_of(request, record["FunctionArn"])
    place.resources.update(
        REGION, "function", "one", lambda record: permissions.add(record, statement)
    )
    assert place.invoke(record["FunctionArn"], caller)
    for other in [
        Caller(principal, f"{API}/$default/POST/other"),
        Caller(principal),
        Caller("s3.amazonaws.com", caller.source_arn),
    ]:
        assert code_of(partial(place.invoke, "one", other)) == "AccessDeniedException"


@pytest.mark.parametrize(
    ("function", "code"),
    [
        ("two", "ResourceNotFoundException"),
        ("one:7", "ResourceNotFoundException"),
        ("arn:aws:lambda:us-east-1:999999999999:function:one", "AccessDeniedException"),
        ("arn:aws:s3:::one", "InvalidParameterValueException"),
    ],
)
def test_a_function_that_is_not_there(place, function, code) -> None:
    place.make()
    assert code_of(lambda: place.functions.submit(function, {})) == code


def test_what_runs_when_the_stand_in_stops_is_not_the_functions_fault(place) -> None:
    place.make()
    running = place.functions.submit("one", {"wait for": "/no/such/file"})
    eventually(lambda: bool(place.functions._busy))
    place.functions.close()
    with pytest.raises(AwsError, match="stopping"):
        running.result(PATIENCE_S)
    assert code_of(lambda: place.functions.submit("one", {})) == (
        "TooManyRequestsException"
    )


def test_an_event_is_tried_three_times(place, monkeypatch) -> None:
    monkeypatch.setattr(events, "RETRY_SECONDS", (0.0, 0.0))
    monkeypatch.setattr(events, "THROTTLED_SECONDS", 0.0)
    record = place.make()
    started = []
    start = place.functions.start

    def noted(function: dict, event: bytes, request_id: str) -> object:
        started.append(request_id)
        if len(started) == 1:
            raise configuration.refused("TooManyRequestsException", "Rate Exceeded.")
        return start(function, event, request_id)

    monkeypatch.setattr(place.functions, "start", noted)
    queue = Events(place.functions)
    queue.accept(record, b'{"fail": 1}', "failing")
    eventually(lambda: not list(place.resources.all_records(events.KIND)))
    assert started == ["failing"] * 4  # once there was no place for it
    queue.accept(record, b"{}", "fine")
    eventually(lambda: not list(place.resources.all_records(events.KIND)))
    assert started[4:] == ["fine"]
    place.resources.delete(REGION, "function", "one")
    queue.accept(record, b"{}", "late")
    eventually(lambda: not list(place.resources.all_records(events.KIND)))
    queue.close()


def test_an_event_whose_state_fails_is_handled_all_the_same(place, monkeypatch) -> None:
    monkeypatch.setattr(events, "UNSTORED_SECONDS", 0.0)
    record = place.make()
    failed, started = [], []

    def once(name: str) -> None:
        call = getattr(place.resources, name)

        def failing(region: str, kind: str, *arguments: object) -> object:
            if kind == events.KIND and name not in failed:
                failed.append(name)
                raise StorageError("the disk is full")
            return call(region, kind, *arguments)

        monkeypatch.setattr(place.resources, name, failing)

    for name in ("get", "delete"):
        once(name)
    start = place.functions.start
    monkeypatch.setattr(
        place.functions, "start", lambda *a: started.append(1) or start(*a)
    )
    queue = Events(place.functions)
    queue.accept(record, b"{}", "fine")
    eventually(lambda: not list(place.resources.all_records(events.KIND)))
    queue.close()
    assert failed == ["get", "delete"]
    assert len(started) == 1


@pytest.mark.parametrize("broken", ["code", "process"])
def test_what_can_not_be_started_leaves_no_keys(place, monkeypatch, broken) -> None:
    made = [os.pipe] * (broken == "process")  # the first pipe can be had

    def fail(*arguments: object) -> object:
        if made:
            return made.pop()()
        raise OSError(errno.EMFILE, "Too many open files")

    record = place.make()
    place.functions.code.task(record["_code"])
    if broken == "code":
        monkeypatch.setattr(place.functions.code, "task", fail)
    else:
        monkeypatch.setattr(instance.os, "pipe", fail)
    gc.collect()
    descriptors = psutil.Process().num_fds()
    with pytest.raises(OSError, match="Too many open"):
        place.invoke()
    assert not place.credentials._sessions
    assert not list((place.folder / "functions" / "processes").iterdir())
    gc.collect()
    # No more; what an earlier test has left may have been closed meanwhile.
    assert psutil.Process().num_fds() <= descriptors


def test_what_a_killed_stand_in_has_left_running_is_ended(place) -> None:
    """Two processes that only their TMPDIR tells apart."""
    left, other = place.folder / "functions/processes/left", place.folder / "other"
    processes = []
    for folder in (left, other):
        folder.mkdir()
        environment = os.environ | {"TMPDIR": str(folder)}
        started = subprocess.Popen(
            [sys.executable, "-c", "input()"],
            env=environment,
            stdin=subprocess.PIPE,
            start_new_session=True,
        )
        processes.append(started)
    place.functions.close()
    place.functions = Functions(
        place.resources, place.functions.clients, place.folder / "functions"
    )
    assert processes[0].wait(PATIENCE_S) == -signal.SIGKILL
    assert not left.exists()
    processes[1].communicate(b"\n", PATIENCE_S)
    assert processes[1].returncode == 0


def test_many_threads_at_once(place) -> None:
    """No process is given to two of them."""
    place.make()
    pids: list[int] = []

    def invoke_some() -> None:
        for _ in range(5):
            pids.append(place.pid())

    threads = [threading.Thread(target=invoke_some) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(PATIENCE_S)
    assert len(pids) == 20
    assert len(set(pids)) <= 4
    assert place.pid() in pids
