"""One container: a process of its own, in a folder that stands for /opt/ml."""

import os
import signal
import subprocess
import sys
import threading
from collections.abc import Callable, Mapping
from pathlib import Path

PROJECT = Path(__file__).resolve().parents[2]

# How long a container may take to end after SIGTERM (StopTrainingJob, botocore
# sagemaker service model; AWS page: Use your own inference code with hosting).
TRAINING_GRACE_SECONDS = 120
SERVING_GRACE_SECONDS = 30

# What a container inherits from the stand-in's own environment. No AWS setting is
# among it: a container has no credentials here.
INHERITED = ("PATH", "LANG", "LC_ALL", "TZ", "TMPDIR", "LD_LIBRARY_PATH")

READ_SIZE = 65536


class ContainerProcess:
    """Started on construction; `on_output` is called with bytes as they are printed.

    `on_output` and `on_exit` run on threads of this object. `on_exit` is called with
    the exit code (negative: the signal) after the last output was delivered.
    """

    def __init__(
        self,
        module: str,
        command: str,
        root: Path,
        environment: Mapping[str, str],
        on_output: Callable[[bytes], None],
        on_exit: Callable[[int], None] = lambda code: None,
    ) -> None:
        self._on_output = on_output
        self._on_exit = on_exit
        self._ended = threading.Event()
        self.exit_code: int | None = None
        self._output_error: Exception | None = None
        self._process = subprocess.Popen(
            [sys.executable, "-m", "local_aws.jobs.container_main", module, command],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            cwd=root,
            env={
                **{key: os.environ[key] for key in INHERITED if key in os.environ},
                "HOME": str(root),
                "PYTHONPATH": str(PROJECT),
                "PYTHONUNBUFFERED": "1",
                "SAGEMAKER_BASE_DIR": str(root),
                **environment,
            },
            start_new_session=True,
        )
        threading.Thread(target=self._follow, daemon=True).start()

    def _follow(self) -> None:
        output = self._process.stdout
        while chunk := os.read(output.fileno(), READ_SIZE):
            self._deliver(chunk)
        self.exit_code = self._process.wait()
        self._signal(signal.SIGKILL)  # whatever it left running in its group
        output.close()
        self._process.stdin.close()
        self._ended.set()
        self._on_exit(self.exit_code)

    def _deliver(self, chunk: bytes) -> None:
        """Hand output on; a container whose output can't be kept is ended."""
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
        self._ended.wait(timeout)
        return self.exit_code

    def stop(self, grace: float) -> int:
        """SIGTERM, then SIGKILL after `grace` seconds; returns the exit code."""
        self._signal(signal.SIGTERM)
        if not self._ended.wait(grace):
            self._signal(signal.SIGKILL)
            self._ended.wait()
        return self.exit_code

    def kill(self) -> None:
        """SIGKILL to it and to all that it has started."""
        self._signal(signal.SIGKILL)

    def _signal(self, number: int) -> None:
        try:
            os.killpg(self._process.pid, number)
        except (ProcessLookupError, PermissionError):
            # Gone already; macOS says EPERM for a group of which only a zombie is left.
            return
