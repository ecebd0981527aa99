"""One process of a function: started, given events, ended.

The other side of `bootstrap.py`. All of it runs on the thread of the invocation that
the process works for.
"""

import contextlib
import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from multiprocessing.connection import wait
from pathlib import Path

import httptools
import psutil

from local_aws.functions import bootstrap
from local_aws.runtime import left_behind
from local_aws.runtime.container_process import INHERITED

# Lambda Developer Guide, "Understanding the Lambda execution environment lifecycle":
# what a function does before its first event may take so long.
INIT_SECONDS = 10.0
# How long a process that has failed to start may take to end.
LAST_WORDS_SECONDS = 1.0
# How often the memory of a function that runs is looked at.
LOOK_SECONDS = 0.05
READ_BYTES = 65536
MOST_READ = 2**20
MEGABYTE = 2**20
# "Lambda quotas": 6 MB for a response; AWS's message has the exact number.
LARGEST_RESPONSE = 6_291_556
# By which what a function has started in a session of its own is known.
TEMPORARY = "TMPDIR"
# Of a request of the runtime; it has an id of the invocation in it and no more.
LONGEST_PATH = 1024

OnOutput = Callable[[bytes], None]


class Ended(Exception):
    """The process has ended, or was ended, before there was a response."""


class TimedOut(Exception):
    """There was no response in time."""


class OutOfMemory(Ended):
    """The process took more memory than the function has."""


@dataclass(frozen=True)
class Call:
    """A request of the runtime: its path after the API's, and its body.

    `size` is the body's; what is beyond the limit is not in `body`.
    """

    path: str
    body: bytes
    size: int


@dataclass(frozen=True)
class Outcome:
    """What an invocation came to; durations in seconds."""

    payload: bytes
    function_error: str | None
    duration: float
    init_duration: float | None
    max_memory: int  # bytes
    is_over: bool  # whether the process has ended with it
    status: str = ""  # of the REPORT line: "timeout", or "error" with its type
    notes: str = ""  # what the platform itself says of it in the log


class _Calls:
    """Makes calls of the bytes that the runtime sends."""

    def __init__(self) -> None:
        self._parser = httptools.HttpRequestParser(self)
        self._complete: list[Call] = []
        self._url, self._body, self._size = b"", bytearray(), 0

    def feed(self, data: bytes) -> None:
        """Raises Ended for what is no HTTP: the function has used our socket."""
        try:
            self._parser.feed_data(data)
        except (httptools.HttpParserError, httptools.HttpParserUpgrade) as error:
            raise Ended(str(error)) from error

    def take(self) -> Call | None:
        return self._complete.pop(0) if self._complete else None

    # What httptools calls:

    def on_message_begin(self) -> None:
        self._url, self._body, self._size = b"", bytearray(), 0

    def on_url(self, url: bytes) -> None:
        self._url += url
        if len(self._url) > LONGEST_PATH:
            raise Ended("its path has no end")

    def on_body(self, body: bytes) -> None:
        self._size += len(body)
        if self._size <= LARGEST_RESPONSE:
            self._body += body

    def on_message_complete(self) -> None:
        path = self._url.decode("latin-1").removeprefix(bootstrap.API)
        self._complete.append(Call(path, bytes(self._body), self._size))


class Instance:
    """A process that handles one event at a time, and the next ones while warm."""

    def __init__(
        self,
        environment: Mapping[str, str],
        folders: list[Path],
        memory: int,
        log_stream: str,
        revision: tuple[str, str],
        folder: Path,
        on_end: Callable[[], None],
    ) -> None:
        """Start it.

        Args:
            environment: the variables that it gets besides the machine's own.
            folders: the function's, in which it runs, and those of other modules.
            memory: bytes that it may take.
            log_stream: the name of its log stream.
            revision: of the function that it is a process of.
            folder: its own, which is removed when it ends.
            on_end: called when it has ended; not if it can't be started.
        """
        self.log_stream = log_stream
        self.revision = revision
        self._memory = memory
        self.started = time.monotonic()
        self.last_used = self.started
        self._is_initialized = False
        self._init_duration: float | None = None
        self._init_error: bytes | None = None
        self._has_output = True
        self._calls = _Calls()
        self._max_memory = 0
        self._is_killed = False
        with contextlib.ExitStack() as undo:
            self._process = self._start(undo, environment, folders, folder)
            undo.callback(self.kill)
            self._memory_of = psutil.Process(self._process.pid)
            self._at_end = undo.pop_all()
        self._at_end.callback(on_end)

    def _start(
        self,
        undo: contextlib.ExitStack,
        environment: Mapping[str, str],
        folders: list[Path],
        folder: Path,
    ) -> subprocess.Popen:
        """Start the process; `undo` gets what removes that which was made for it."""
        folder.mkdir(mode=0o700)
        undo.callback(shutil.rmtree, folder, ignore_errors=True)
        undo.callback(left_behind.end, TEMPORARY, folder)
        with contextlib.ExitStack() as given:  # which only the process keeps
            self._socket, theirs = socket.socketpair()
            undo.callback(self._socket.close)
            given.callback(theirs.close)
            self._output, output = os.pipe()
            undo.callback(os.close, self._output)
            given.callback(os.close, output)
            life, ours = os.pipe()  # it ends when ours is closed
            undo.callback(os.close, ours)
            given.callback(os.close, life)
            os.set_blocking(self._output, False)
            arguments = [str(theirs.fileno()), str(life), *map(str, folders)]
            return subprocess.Popen(
                # Isolated, and without this installation's packages.
                [sys.executable, "-I", "-S", "-B", bootstrap.__file__, *arguments],
                cwd=folders[0],
                env={
                    **{key: os.environ[key] for key in INHERITED if key in os.environ},
                    **environment,
                    "HOME": str(folder),
                    TEMPORARY: str(folder),
                },
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=output,
                pass_fds=(theirs.fileno(), life),
                start_new_session=True,
            )

    @property
    def is_new(self) -> bool:
        """Whether its first event is still to come."""
        return not self._is_initialized

    def invoke(
        self,
        event: bytes,
        request_id: str,
        arn: str,
        timeout: float,
        on_output: OnOutput,
        client_context: str = "",
    ) -> Outcome:
        """Let it handle an event, after `initialize` if it is new."""
        init_duration, self._init_duration = self._init_duration, None
        began = time.monotonic()
        if self._init_error is not None:
            kind = json.loads(self._init_error).get("errorType", "Runtime.Unknown")
            status = _error_status(kind)
            return self._over(self._init_error, 0.0, init_duration, status)
        try:
            self._send_event(event, request_id, arn, timeout, client_context)
            call = self._next_call(began + timeout, on_output)
            if not _is_of(call, request_id):
                raise Ended(call.path)
            self._answer(202, {}, b'{"status":"OK"}')
        except TimedOut:
            return self._timed_out(request_id, timeout, init_duration, on_output)
        except (Ended, OSError) as error:
            return self._exited(error, request_id, began, init_duration, on_output)
        duration = time.monotonic() - began
        self._read_output(on_output)
        self._note_memory()
        self.last_used = time.monotonic()
        is_error = call.path.endswith("/error")
        payload = call.body
        if call.size > LARGEST_RESPONSE:
            is_error, payload = True, _too_large(call.size)
        return Outcome(
            payload,
            "Unhandled" if is_error else None,
            duration,
            init_duration,
            self._max_memory,
            is_over=False,
        )

    def initialize(self, on_output: OnOutput) -> None:
        """Wait until a new one asks for an event, or fails; what goes wrong here is
        what the first invocation comes to. `on_output` is given what it prints.
        """
        deadline = self.started + INIT_SECONDS
        with contextlib.suppress(TimedOut, Ended, OSError):
            call = self._next_call(deadline, on_output)
            if call.path == "/init/error":
                is_whole = call.size <= LARGEST_RESPONSE
                self._init_error = call.body if is_whole else _too_large(call.size)
                self._answer(202, {}, b'{"status":"OK"}')
                self._next_call(time.monotonic() + LAST_WORDS_SECONDS, on_output)
            self._is_initialized = True
        self._init_duration = time.monotonic() - self.started

    def _next_call(self, deadline: float, on_output: OnOutput) -> Call:
        """The next thing that it asks or says, but for the asking for events.

        Raises TimedOut and Ended.
        """
        while True:
            call = self._calls.take()
            if call is not None:
                if call.path == "/invocation/next" and self._is_initialized:
                    continue
                return call
            left = deadline - time.monotonic()
            if left <= 0:
                raise TimedOut
            sources = [self._socket, *[self._output] * self._has_output]
            ready = wait(sources, min(left, LOOK_SECONDS))
            if self._output in ready:
                self._read_output(on_output)
            if self._socket in ready:
                self._read_calls()
            elif not self.is_running and not wait([self._socket], 0):
                # What it has started holds the socket open.
                raise Ended("exited")
            self._note_memory()
            if self._max_memory > self._memory:
                self.kill()
                raise OutOfMemory("killed")

    def _read_calls(self) -> None:
        data = self._socket.recv(READ_BYTES)
        if not data:
            raise Ended("closed")
        self._calls.feed(data)

    def _send_event(
        self,
        event: bytes,
        request_id: str,
        arn: str,
        timeout: float,
        client_context: str,
    ) -> None:
        deadline = int((time.time() + timeout) * 1000)
        root = f"1-{int(time.time()):08x}-{request_id.replace('-', '')[:24]}"
        headers = {
            "Content-Type": "application/json",
            "Lambda-Runtime-Aws-Request-Id": request_id,
            "Lambda-Runtime-Deadline-Ms": str(deadline),
            "Lambda-Runtime-Invoked-Function-Arn": arn,
            "Lambda-Runtime-Trace-Id": f"Root={root};Parent={root[-16:]};Sampled=0",
        }
        if client_context:
            headers["Lambda-Runtime-Client-Context"] = client_context
        if not self._is_initialized:
            # It is still on its way to the first event; the time counts from now on.
            self._is_initialized = True
        self._answer(200, headers, event)

    def _answer(self, status: int, headers: Mapping[str, str], body: bytes) -> None:
        lines = [f"HTTP/1.1 {status} OK"]
        lines += [f"{name}: {value}" for name, value in headers.items()]
        lines += [f"Content-Length: {len(body)}", "", ""]
        head = "\r\n".join(lines).encode()
        self._socket.settimeout(INIT_SECONDS)
        try:
            self._socket.sendall(head + body)
        finally:
            self._socket.settimeout(None)

    def _read_output(self, on_output: OnOutput) -> None:
        """Hand on what has been printed so far; more may come all the time."""
        for _ in range(MOST_READ // READ_BYTES):
            try:
                data = os.read(self._output, READ_BYTES)
            except BlockingIOError:
                return
            if not data:
                self._has_output = False  # it has closed it
                return
            on_output(data)

    def _note_memory(self) -> None:
        with contextlib.suppress(psutil.Error):
            now = self._memory_of.memory_info().rss
            self._max_memory = max(self._max_memory, now)

    def _timed_out(
        self,
        request_id: str,
        timeout: float,
        init_duration: float | None,
        on_output: OnOutput,
    ) -> Outcome:
        self.kill()
        self._read_output(on_output)
        sentence = f"Task timed out after {timeout:.2f} seconds"
        error = {
            "errorType": "Sandbox.Timedout",
            "errorMessage": f"RequestId: {request_id} Error: {sentence}",
        }
        now = time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime())
        millis = int(time.time() * 1000) % 1000
        return self._over(
            json.dumps(error).encode(),
            timeout,
            init_duration,
            status="timeout",
            notes=f"{now}.{millis:03d}Z {request_id} {sentence}\n",
        )

    def _exited(
        self,
        error: Exception,
        request_id: str,
        began: float,
        init_duration: float | None,
        on_output: OnOutput,
    ) -> Outcome:
        duration = time.monotonic() - began
        if isinstance(error, OutOfMemory):
            reason = "Runtime exited with error: signal: killed"
        else:
            reason = self._reason()
        self.kill()
        self._read_output(on_output)
        text = f"RequestId: {request_id} Error: {reason}"
        payload = {"errorType": "Runtime.ExitError", "errorMessage": text}
        return self._over(
            json.dumps(payload).encode(),
            duration,
            init_duration,
            _error_status("Runtime.ExitError"),
            notes=f"{text}\nRuntime.ExitError",
        )

    def _reason(self) -> str:
        """How the process has ended, in Lambda's words."""
        try:
            code = self._process.wait(1.0)
        except subprocess.TimeoutExpired:  # it has closed our socket
            code = None
        if not code:
            return "Runtime exited without providing a reason"
        if code > 0:
            return f"Runtime exited with error: exit status {code}"
        name = signal.strsignal(-code) or f"signal {-code}"
        return f"Runtime exited with error: signal: {name.lower().split(':')[0]}"

    def _over(
        self,
        payload: bytes,
        duration: float,
        init_duration: float | None,
        status: str,
        notes: str = "",
    ) -> Outcome:
        self.close()
        return Outcome(
            payload,
            "Unhandled",
            duration,
            init_duration,
            self._max_memory,
            is_over=True,
            status=status,
            notes=notes,
        )

    @property
    def is_running(self) -> bool:
        return self._process.poll() is None

    def kill(self) -> None:
        """End the process, and all that it has started, at once."""
        if not self._is_killed:  # later its id may be somebody else's
            self._is_killed = True
            with contextlib.suppress(ProcessLookupError, PermissionError):
                os.killpg(self._process.pid, signal.SIGKILL)
        self._process.wait()

    def close(self) -> None:
        """End the process and remove what it has left; again does nothing."""
        self.kill()
        self._at_end.close()


def _is_of(call: Call, request_id: str) -> bool:
    """Whether a call says what an invocation came to. Code of the function that uses
    the socket itself must not answer the next one.
    """
    invocation = f"/invocation/{request_id}"
    # The start may go on, and fail, while an event waits already.
    ends = (f"{invocation}/response", f"{invocation}/error", "/init/error")
    return call.path in ends


def _error_status(kind: str) -> str:
    return f"error\tError Type: {kind}"


def _too_large(size: int) -> bytes:
    text = (
        f"Response payload size ({size} bytes) exceeded maximum allowed payload size "
        f"({LARGEST_RESPONSE} bytes)."
    )
    error = {"errorType": "Function.ResponseSizeTooLarge", "errorMessage": text}
    return json.dumps(error).encode()
