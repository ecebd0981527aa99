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
from local_aws.runtime.model_server import ModelServer, NotHealthy

log = logging.getLogger(__name__)

# A container that comes up and dies at once is not started again faster than this.
FIRST_PAUSE_SECONDS = 0.1
LONGEST_PAUSE_SECONDS = 10.0

# A container that has never been healthy gets this many starts. On AWS it is started
# over and over for the whole start-up window; nobody here has to wait for that.
FIRST_STARTS = 3


@dataclass(frozen=True)
class Deployment:
    """What all instances of a variant have in common.

    `folder` holds the unpacked model, `startup_seconds` is
    ContainerStartupHealthCheckTimeoutInSeconds.
    """

    variant: str
    image: Image
    environment: dict[str, str]
    folder: Path
    startup_seconds: float


class Instance:
    """Healthy or on its way there, until it is stopped.

    `server` is the container to call, None while there is none that is healthy.
    """

    def __init__(
        self, deployment: Deployment, open_log: Callable[[str], LogStream]
    ) -> None:
        self.id = f"i-{uuid.uuid4().hex[:17]}"
        self.server: ModelServer | None = None
        self._deployment = deployment
        self._log = open_log(f"{deployment.variant}/{self.id}")
        self._starting: ModelServer | None = None
        self._stopped = threading.Event()
        self._lock = threading.Lock()

    def start(self) -> None:
        """Return when the container is healthy; raises NotHealthy."""
        deadline = time.monotonic() + self._deployment.startup_seconds
        for attempt in range(1, FIRST_STARTS + 1):
            try:
                return self._start_once(deadline - time.monotonic())
            except NotHealthy:
                if attempt == FIRST_STARTS or time.monotonic() > deadline:
                    raise
        raise AssertionError("the last attempt returns or raises")

    def _start_once(self, seconds: float) -> None:
        server = ModelServer(
            self._deployment.image,
            self._deployment.folder,
            self._deployment.environment,
            self._log.write,
            self._on_exit,
        )
        self._starting = server
        try:
            server.wait_until_healthy(self._stopped.is_set, seconds)
        except NotHealthy:
            server.discard()
            raise
        if self._stopped.is_set():
            server.discard()
            raise NotHealthy("stopped")
        self.server = server
        if server.exit_code is not None:  # since its answer to /ping
            self._on_exit(server)

    def _on_exit(self, server: ModelServer) -> None:
        """Start another container if a healthy one has ended unasked."""
        with self._lock:
            was_healthy = self.server is server
            if was_healthy:
                self.server = None
        if was_healthy and not self._stopped.is_set():
            log.warning("instance %s ended with %s", self.id, server.exit_code)
            server.discard()
            threading.Thread(target=self._start_again, daemon=True).start()

    def _start_again(self) -> None:
        pause = FIRST_PAUSE_SECONDS
        while not self._stopped.is_set():
            try:
                return self._start_once(self._deployment.startup_seconds)
            except NotHealthy as error:
                log.warning("instance %s does not come up: %s", self.id, error)
            self._stopped.wait(pause)
            pause = min(2 * pause, LONGEST_PAUSE_SECONDS)

    def stop(self) -> None:
        """End the container; what it is answering is answered first."""
        self._stopped.set()
        server, self.server = self.server or self._starting, None
        if server is not None:
            server.stop()
        self._log.close()

    def kill(self) -> None:
        """End the container at once."""
        self._stopped.set()
        if (server := self.server or self._starting) is not None:
            server.kill()


def startup_seconds(variant: dict) -> float:
    """ContainerStartupHealthCheckTimeoutInSeconds of a production variant, or 8 minutes
    (AWS page: Use Your Own Inference Code with Hosting Services).

    The environment variable LOCAL_AWS_STARTUP_SECONDS sets another limit.
    """
    seconds = variant.get("ContainerStartupHealthCheckTimeoutInSeconds", 8 * 60)
    return float(os.environ.get("LOCAL_AWS_STARTUP_SECONDS", seconds))
