"""One instance of a variant: a serving container that is started again when it dies."""

import logging
import os
import threading
import time
import uuid
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from local_aws.containers.images import Image
from local_aws.runtime.log_stream import LogStream
from local_aws.runtime.model_server import STARTUP_SECONDS, ModelServer, NotHealthy
from local_aws.runtime.python_environment import PythonEnvironment

log = logging.getLogger(__name__)

# A container that comes up and dies at once is not started again faster than this.
FIRST_PAUSE_SECONDS = 0.1
LONGEST_PAUSE_SECONDS = 10.0

# A container that has never been healthy gets this many starts. On AWS it is started
# over and over for the whole start-up window; nobody here has to wait for that.
FIRST_STARTS = 3

# How long an instance that leaves may finish its calls: longer than an invocation may
# take (InvokeEndpoint: 60 seconds).
DRAIN_SECONDS = 70


@dataclass(frozen=True)
class Deployment:
    """What all instances of a variant have in common.

    `folder` holds the unpacked model, `startup_seconds` is
    ContainerStartupHealthCheckTimeoutInSeconds, `open_log` opens a stream by its name.
    `python` is for a script of the user's. `close` is for when no instance is left.
    """

    variant: str
    image: Image
    environment: dict[str, str]
    folder: Path
    startup_seconds: float
    open_log: Callable[[str], LogStream]
    python: PythonEnvironment | None = None
    close: Callable[[], None] = lambda: None


class Instance:
    """Healthy or on its way there, until it is stopped or killed."""

    def __init__(self, deployment: Deployment) -> None:
        self.variant = deployment.variant
        self.id = f"i-{uuid.uuid4().hex[:17]}"
        self._deployment = deployment
        self._log = deployment.open_log(f"{deployment.variant}/{self.id}")
        # The container that is healthy, and the one that is not yet.
        self._server: ModelServer | None = None
        self._starting: ModelServer | None = None
        self._leaving = threading.Event()
        self._lock = threading.Lock()
        self._in_flight = 0
        self._drained = threading.Condition(self._lock)

    def begin_call(self) -> ModelServer | None:
        """The container to call, with `end_call` to follow; None: it takes no call."""
        with self._lock:
            if self._server is None or self._leaving.is_set():
                return None
            self._in_flight += 1
            return self._server

    def end_call(self) -> None:
        """A call that `begin_call` has admitted is over."""
        with self._lock:
            self._in_flight -= 1
            if not self._in_flight:
                self._drained.notify_all()

    def start(self) -> None:
        """Return when the container is healthy; raises NotHealthy."""
        deadline = time.monotonic() + self._deployment.startup_seconds
        for attempt in range(1, FIRST_STARTS + 1):
            try:
                return self._start_once(deadline - time.monotonic())
            except NotHealthy:
                if (
                    attempt == FIRST_STARTS
                    or self._leaving.is_set()
                    or time.monotonic() > deadline
                ):
                    raise
        raise AssertionError("the last attempt returns or raises")

    def _start_once(self, seconds: float) -> None:
        server = self._starting = ModelServer(
            self._deployment.image,
            self._deployment.folder,
            self._deployment.environment,
            self._log.write,
            self._on_exit,
            python=self._deployment.python,
        )
        try:
            server.wait_until_healthy(self._leaving.is_set, seconds)
            with self._lock:
                if self._leaving.is_set():
                    raise NotHealthy("The instance is not needed any more.")
                self._server, self._starting = server, None
        except BaseException:
            server.kill()
            raise
        if server.exit_code is not None:  # since it passed the ping
            self._on_exit(server)

    def _on_exit(self, server: ModelServer) -> None:
        """Start another container if a healthy one has ended unasked."""
        try:
            self._log.close()  # its last line may have no end
        except Exception:  # without its last line, a container is still needed
            log.exception("the log of instance %s", self.id)
        with self._lock:
            if self._server is not server or self._leaving.is_set():
                return
            self._server = None
        log.warning("instance %s ended with %s", self.id, server.exit_code)
        server.kill()
        threading.Thread(target=self._start_again, daemon=True).start()

    def _start_again(self) -> None:
        pause = FIRST_PAUSE_SECONDS
        while not self._leaving.wait(pause):
            try:
                return self._start_once(self._deployment.startup_seconds)
            except NotHealthy as error:
                log.warning("instance %s does not come up: %s", self.id, error)
            except Exception:  # no process, no file or no room, for the moment
                log.exception("instance %s can't be started", self.id)
            pause = min(2 * pause, LONGEST_PAUSE_SECONDS)

    def drain_and_stop(self) -> None:
        """Take no more calls, let those under way finish, end the container."""
        with self._lock:
            self._leaving.set()
            self._drained.wait_for(lambda: not self._in_flight, DRAIN_SECONDS)
        if self._server is not None:
            self._server.stop()
        elif self._starting is not None:
            self._starting.kill()
        self._log.close()

    def kill(self) -> None:
        """End the container at once; the calls under way fail."""
        with self._lock:  # a container that is just found healthy changes its place
            self._leaving.set()
            server = self._server or self._starting
        if server is not None:
            server.kill()


def startup_seconds(variant: dict) -> float:
    """ContainerStartupHealthCheckTimeoutInSeconds of a production variant, or 8 minutes
    (AWS page: Use Your Own Inference Code with Hosting Services).

    The environment variable LOCAL_AWS_STARTUP_SECONDS sets another limit.
    """
    seconds = variant.get(
        "ContainerStartupHealthCheckTimeoutInSeconds", STARTUP_SECONDS
    )
    return float(os.environ.get("LOCAL_AWS_STARTUP_SECONDS", seconds))
