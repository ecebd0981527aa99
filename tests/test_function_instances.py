"""A function's process: what it finds, how it fails, how it ends; without the rest."""

import json
import os
import signal
import subprocess
import sys
import textwrap
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import psutil
import pytest

from local_aws.functions import instance
from local_aws.functions.instance import LARGEST_RESPONSE, MEGABYTE, Instance, Outcome
from local_aws.functions.packages import link_brought_packages

NAMES = ("FUNCTION_NAME", "FUNCTION_VERSION", "LOG_GROUP_NAME", "LOG_STREAM_NAME")
PATIENCE_S = 60


class Started:
    """An instance of some code, and what it has printed."""

    def __init__(self, folder: Path, code: str, handler: str, memory: int) -> None:
        task = folder / "task ☁"
        task.mkdir()
        (task / "lambda_function.py").write_text(textwrap.dedent(code))
        variables = {f"AWS_LAMBDA_{name}": name for name in NAMES}
        self.ended = []
        self.output = b""
        self.instance = Instance(
            {
                **variables,
                "AWS_LAMBDA_FUNCTION_MEMORY_SIZE": "128",
                "LAMBDA_TASK_ROOT": str(task),
                "_HANDLER": handler,
            },
            [task, link_brought_packages(folder / "runtime")],
            memory * MEGABYTE,
            "stream",
            ("code", "configuration"),
            folder / "process",
            lambda: self.ended.append(True),
        )
        self.pid = self.instance._process.pid

    def invoke(self, event: object = None, timeout: float = PATIENCE_S) -> Outcome:
        if self.instance.is_new:
            self.instance.initialize(self._print)
        return self.instance.invoke(
            json.dumps(event).encode(), "id", "arn", timeout, self._print
        )

    def _print(self, data: bytes) -> None:
        self.output = (self.output + data)[-10_000:]


Start = Callable[..., Started]


@pytest.fixture
def start(tmp_path: Path) -> Iterator[Start]:
    started = []

    def start_one(
        code: str, handler: str = "lambda_function.handle", memory: int = 128
    ) -> Started:
        started.append(Started(tmp_path, code, handler, memory))
        return started[-1]

    yield start_one
    for one in started:
        one.instance.close()
        assert one.ended == [True]
        assert not (tmp_path / "process").exists()
        assert not psutil.pid_exists(one.pid)


def payload(outcome: Outcome) -> dict:
    return json.loads(outcome.payload)


def test_it_finds_what_awss_runtime_brings_and_no_more(start) -> None:
    started = start(
        """
        import importlib.util, os, sys

        def handle(event, context):
            print("é ☁", end="")
            there = [m for m in event if importlib.util.find_spec(m) is not None]
            sdk = __import__("boto3").__version__
            return there, sdk, os.getcwd() == os.environ["LAMBDA_TASK_ROOT"], sys.argv
        """
    )
    modules = ["boto3", "botocore", "urllib3", "dateutil", "json", "lambda_function"]
    outcome = started.invoke([*modules, "numpy", "moto", "sagemaker", "local_aws"])
    there, sdk, in_task, arguments = payload(outcome)
    assert there == modules
    assert sdk == __import__("boto3").__version__
    assert in_task
    assert len(arguments) == 1
    assert started.output.decode() == "é ☁"
    assert outcome.max_memory > 10 * MEGABYTE
    assert outcome.init_duration > 0


@pytest.mark.parametrize(
    ("code", "handler", "kind", "message"),
    [
        pytest.param(
            "import numpy",
            "lambda_function.handle",
            "Runtime.ImportModuleError",
            "Unable to import module 'lambda_function': No module named 'numpy'",
            id="import",
        ),
        pytest.param(
            "",
            "other.handle",
            "Runtime.ImportModuleError",
            "Unable to import module 'other': No module named 'other'",
            id="no-module",
        ),
        pytest.param(
            "def other(event, context): pass",
            "lambda_function.handle",
            "Runtime.HandlerNotFound",
            "Handler 'handle' missing on module 'lambda_function'",
            id="no-handler",
        ),
        pytest.param(
            "",
            "handle",
            "Runtime.MalformedHandlerName",
            "Bad handler 'handle': not enough values to unpack (expected 2, got 1)",
            id="name",
        ),
        pytest.param(
            "def handle(:",
            "lambda_function.handle",
            "Runtime.UserCodeSyntaxError",
            "Syntax error in module 'lambda_function': invalid syntax "
            "(lambda_function.py, line 1)",
            id="syntax",
        ),
        pytest.param(
            "import os\nos.environ['ENDPOINT']",
            "lambda_function.handle",
            "KeyError",
            "'ENDPOINT'",
            id="variable",
        ),
    ],
)
def test_a_function_that_can_not_start(start, code, handler, kind, message) -> None:
    started = start(code, handler)
    outcome = started.invoke()
    error = payload(outcome)
    assert (error["errorType"], error["errorMessage"]) == (kind, message)
    assert (outcome.function_error, outcome.is_over) == ("Unhandled", True)
    assert f"[ERROR] {kind}: {message}".encode() in started.output
    if kind == "KeyError":
        line, *_ = error["stackTrace"]
        assert line.startswith('  File "/var/task/lambda_function.py", line 2, in <mod')


def test_what_a_handler_may_return(start) -> None:
    started = start(
        """
        from decimal import Decimal

        def handle(event, context):
            return {"decimal": Decimal("0.5"), "none": None, "nothing": []}[event]
        """
    )
    payloads = [started.invoke(key).payload for key in ("decimal", "none", "nothing")]
    assert payloads == [b"0.5", b"null", b"[]"]


def test_a_response_has_a_limit(start) -> None:
    started = start("def handle(event, context): return 'a' * event")
    assert len(started.invoke(LARGEST_RESPONSE - 2).payload) == LARGEST_RESPONSE
    error = payload(started.invoke(LARGEST_RESPONSE - 1))
    assert error["errorType"] == "Function.ResponseSizeTooLarge"
    assert payload(started.invoke(1)) == "a"


def test_what_is_beyond_the_limit_is_not_kept() -> None:
    calls, size = instance._Calls(), 3 * LARGEST_RESPONSE
    calls.feed(f"POST /a HTTP/1.1\r\nContent-Length: {size}\r\n\r\n".encode())
    for start in range(0, size, MEGABYTE):
        calls.feed(b"a" * min(MEGABYTE, size - start))
    call = calls.take()
    assert call.size == size
    assert len(call.body) <= LARGEST_RESPONSE
    with pytest.raises(instance.Ended):
        instance._Calls().feed(b"POST /" + b"a" * MEGABYTE)


def test_an_error_at_the_start_has_a_limit(start) -> None:
    started = start("raise ValueError('a' * 7_000_000)")
    error = payload(started.invoke())
    assert error["errorType"] == "Function.ResponseSizeTooLarge"


def test_one_that_prints_without_end_is_ended_in_time(start) -> None:
    started = start(
        """
        def handle(event, context):
            while True:
                print("again and again" * 100)
        """
    )
    outcome = started.invoke(timeout=1.0)
    assert payload(outcome)["errorType"] == "Sandbox.Timedout"
    assert b"again" in started.output


def test_what_it_has_started_ends_with_it_and_keeps_nobody_waiting(start) -> None:
    started = start(
        """
        import multiprocessing, os, time

        def handle(event, context):
            os.close(2)
            child = multiprocessing.get_context("fork").Process(
                target=time.sleep, args=(600,)
            )
            child.start()
            print(child.pid, flush=True)
            os._exit(7)
        """
    )
    error = payload(started.invoke())
    assert error["errorMessage"].endswith("exited with error: exit status 7")
    wait_for_end(int(started.output))


def test_a_session_of_its_own_does_not_outlive_it(start) -> None:
    started = start(
        """
        import os, subprocess

        def handle(event, context):
            options = {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}
            command = ["sleep", "600"]
            one = subprocess.Popen(command, start_new_session=True, **options)
            if event == "exit":
                print(one.pid, flush=True)
                os._exit(0)
            return one.pid
        """
    )
    pid = payload(started.invoke())
    assert psutil.pid_exists(pid)  # while the function is warm
    started.invoke("exit")
    wait_for_end(int(started.output))
    wait_for_end(pid)


SAYS_ITSELF = """
import os, socket, stat

def handle(event, context):
    if event == "real":
        return "real"
    for number in range(3, 1024):
        try:
            is_socket = stat.S_ISSOCK(os.fstat(number).st_mode)
        except OSError:
            continue
        if is_socket:
            path = b"/2018-06-01/runtime/invocation/%s/response" % event.encode()
            head = b"POST %s HTTP/1.1\\r\\nContent-Length: 6\\r\\n\\r\\n" % path
            os.write(number, head + b'"fake"')
    return "real"
"""


def test_it_answers_the_event_that_it_was_given_only(start) -> None:
    started = start(SAYS_ITSELF)
    assert payload(started.invoke("real")) == "real"
    outcome = started.invoke("another")
    assert payload(outcome)["errorType"] == "Runtime.ExitError"
    assert outcome.is_over


def test_words_on_its_socket_that_are_no_http(start) -> None:
    started = start(
        """
        import os, socket, stat, time

        def handle(event, context):
            for number in range(3, 1024):
                try:
                    if stat.S_ISSOCK(os.fstat(number).st_mode):
                        os.write(number, b"nonsense\\r\\n\\r\\n")
                except OSError:
                    pass
            time.sleep(600)
        """
    )
    assert payload(started.invoke())["errorType"] == "Runtime.ExitError"


def test_a_process_is_killed_once(start, monkeypatch) -> None:
    """Later its id may be that of somebody else's."""
    killed = []
    kill = os.killpg
    monkeypatch.setattr(os, "killpg", lambda *a: killed.append(a) or kill(*a))
    started = start("import time\n\ndef handle(event, context): time.sleep(600)")
    assert started.invoke(timeout=0.1).is_over
    started.instance.close()
    assert killed == [(started.pid, signal.SIGKILL)]


PARENT = """
import sys, time
from pathlib import Path
sys.path.insert(0, {tests!r})
from test_function_instances import Started
code = "import time\\n\\ndef handle(event, context): print(0); time.sleep(event)"
one = Started(Path(sys.argv[1]), code, "lambda_function.handle", 128)
if {is_idle}:
    one.invoke(0)
    print(one.pid, flush=True)
    time.sleep(600)
one._print = lambda data: print(one.pid, flush=True)
one.invoke(600, 900)
"""


@pytest.mark.parametrize("is_idle", [True, False])
def test_it_ends_when_the_stand_in_is_killed(tmp_path, is_idle) -> None:
    code = PARENT.format(tests=str(Path(__file__).parent), is_idle=is_idle)
    parent = subprocess.Popen(
        [sys.executable, "-c", code, tmp_path], stdout=subprocess.PIPE, text=True
    )
    pid = int(parent.stdout.readline())
    os.kill(parent.pid, signal.SIGKILL)
    parent.wait()
    parent.stdout.close()
    wait_for_end(pid)


def wait_for_end(pid: int) -> None:
    """Return once there is no such process, but for one that nobody has waited for."""
    deadline = time.monotonic() + PATIENCE_S
    while time.monotonic() < deadline:
        try:
            if psutil.Process(pid).status() == psutil.STATUS_ZOMBIE:
                return
        except psutil.NoSuchProcess:
            return
        time.sleep(0.01)
    raise TimeoutError(f"process {pid} has not ended")
