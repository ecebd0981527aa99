"""One container: a process of its own, in a folder that stands for /opt/ml."""

import contextlib
import multiprocessing
import os
import signal
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from multiprocessing.connection import wait
from pathlib import Path

from local_aws.runtime import left_behind
from local_aws.runtime.container_main import run_container
from local_aws.runtime.dispatcher import dispatcher

# How long a container may take to end after SIGTERM (StopTrainingJob, botocore
# sagemaker service model; AWS page: Use your own inference code with hosting).
TRAINING_GRACE_SECONDS = 120
SERVING_GRACE_SECONDS = 30

# What a container inherits from the stand-in's own environment. No AWS setting is
# among it: the keys of a container are its role's.
INHERITED = ("PATH", "LANG", "LC_ALL", "TZ", "LD_LIBRARY_PATH")

READ_SIZE = 65536

# How long a line of output may wait for others before it is delivered.
GATHER_SECONDS = 0.2

# What a container has left running in a session of its own may hold its output open:
# it is waited for no longer than for this long without output, nor for more of it.
LEFT_OPEN_SECONDS = 1.0
LEFT_OPEN_BYTES = 1024 * 1024


class ContainerProcess:
    """Started on construction; `on_output` is called with bytes as they are printed.

    `on_output` runs on a thread of this object, `on_exit` too: it is called with the
    exit code (negative: the signal) after the last output was delivered. Output waits
    for more of it for `gather_seconds` at most. A program that `runs_commands` hands
    SIGTERM on to them itself.
    """

    def __init__(
        self,
        module: str,
        arguments: Sequence[str],
        root: Path,
        environment: Mapping[str, str],
        on_output: Callable[[bytes], None],
        on_exit: Callable[[int], None] = lambda code: None,
        gather_seconds: float = GATHER_SECONDS,
        runs_commands: bool = False,
    ) -> None:
        self._on_output = on_output
        self._on_exit = on_exit
        self._gather_seconds = gather_seconds
        self._runs_commands = runs_commands
        self._root = root
        self._ended = threading.Event()
        self._exited = threading.Event()
        self.exit_code: int | None = None
        self._output_error: Exception | None = None
        self._output, output = multiprocessing.Pipe(duplex=False)
        life, self._life = multiprocessing.Pipe(duplex=False)
        complete = {
            **{key: os.environ[key] for key in INHERITED if key in os.environ},
            **environment,
            "HOME": str(root),
            "TMPDIR": str(root),
            "PYTHONUNBUFFERED": "1",
            left_behind.BASE_FOLDER: str(root),
        }
        with output, life:
            self._pid = dispatcher().start(
                run_container,
                (module, arguments, str(root), complete, output, life),
                self._note_exit,
            )
        threading.Thread(target=self._follow, daemon=True).start()

    def _note_exit(self, pid: int, code: int) -> None:
        # It may have ended before `start` has returned.
        self._pid = pid
        self.exit_code = code
        # What it left running in its group would hold the output open.
        self._signal_group(signal.SIGKILL)
        if self._runs_commands:
            left_behind.end(left_behind.BASE_FOLDER, self._root)
        self._exited.set()

    def _follow(self) -> None:
        gathered, delivered_at, left_open = b"", 0.0, 0
        while True:
            has_exited = self._exited.is_set()
            # Each delivery is a request to CloudWatch Logs: lines that come close to
            # one another travel together, the first of them at once.
            if wait(
                [self._output], self._gather_seconds if gathered else LEFT_OPEN_SECONDS
            ):
                chunk = os.read(self._output.fileno(), READ_SIZE)
                if not chunk:
                    break
                gathered += chunk
                left_open += len(chunk) * has_exited
                if left_open > LEFT_OPEN_BYTES:
                    self._kill_left_behind()
                    break
                is_due = time.monotonic() - delivered_at >= self._gather_seconds
                if not is_due and len(gathered) < READ_SIZE:
                    continue
            elif not gathered:
                if has_exited:
                    self._kill_left_behind()
                    break
                continue
            self._deliver(gathered)
            gathered, delivered_at = b"", time.monotonic()
        if gathered:
            self._deliver(gathered)
        self._exited.wait()
        self._output.close()
        self._life.close()
        self._ended.set()
        self._on_exit(self.exit_code)

    def _kill_left_behind(self) -> None:
        """End what holds the output of a container that has ended, where /proc tells:
        in a container of AWS nothing outlives the first process.
        """
        output = os.fstat(self._output.fileno())
        for descriptor in Path("/proc").glob("[0-9]*/fd/*"):
            pid = int(descriptor.parts[2])
            with contextlib.suppress(OSError):  # gone, or somebody else's
                if pid != os.getpid() and os.path.samestat(descriptor.stat(), output):
                    os.kill(pid, signal.SIGKILL)

    def _deliver(self, chunk: bytes) -> None:
        """Hand output on; a container whose output can't be delivered is ended."""
        if self._output_error is None:
            try:
                self._on_output(chunk)
            except Exception as error:  # noqa: BLE001 - raised again by check_output
                self._output_error = error
                self.kill()

    def check_output(self) -> None:
        """Raise what `on_output` raised, if it did."""
        if self._output_error is not None:
            raise self._output_error

    def wait(self, timeout: float | None = None) -> int | None:
        """The exit code, or None when it still runs after `timeout` seconds."""
        return self.exit_code if self._ended.wait(timeout) else None

    def stop(self, grace: float) -> int:
        """SIGTERM, then SIGKILL after `grace` seconds; returns the exit code."""
        self._signal(signal.SIGTERM, self._runs_commands)
        if not self._ended.wait(grace):
            self._signal(signal.SIGKILL)
            self._ended.wait()
        return self.exit_code

    def kill(self) -> None:
        """SIGKILL to it and to all that it has started."""
        self._signal(signal.SIGKILL)

    def _signal(self, number: int, alone: bool = False) -> None:
        if not self._exited.is_set() and (alone or not self._signal_group(number)):
            # Alone, or it has not come so far as to lead a group.
            try:
                os.kill(self._pid, number)
            except ProcessLookupError:
                return

    def _signal_group(self, number: int) -> bool:
        """Whether there was such a group."""
        try:
            os.killpg(self._pid, number)
        except (ProcessLookupError, PermissionError):
            # Gone already; macOS says EPERM for a group of which only a zombie is left.
            return False
        return True
