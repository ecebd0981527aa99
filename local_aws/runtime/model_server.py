"""A container that serves a model: started, waited for, called, stopped.

It listens on a Unix socket in a folder that only this user can enter: a TCP port
would be open to every other user and web page of the machine.
"""

import json
import shutil
import tempfile
import time
from collections.abc import Callable, Mapping
from pathlib import Path

from local_aws.containers.images import Image
from local_aws.runtime.container_client import (
    AsyncContainerClient,
    ConnectionLost,
    ContainerClient,
    NotReached,
    Response,
)
from local_aws.runtime.container_process import SERVING_GRACE_SECONDS, ContainerProcess

# AWS page: Use Your Own Inference Code with Hosting Services.
STARTUP_SECONDS = 8 * 60
PING_SECONDS = 2

# A container that answers, but never with 200, will not change its mind. On AWS it is
# asked until the start-up window ends.
REFUSING_SECONDS = 1.0

# How often a starting container is asked; each ask costs well under a millisecond.
PING_INTERVAL_SECONDS = 0.01


class NotHealthy(Exception):
    """The container ended, or never answered /ping in time."""


class ModelServer:
    """One serving container over the model in `root`/model."""

    def __init__(
        self,
        image: Image,
        root: Path,
        environment: Mapping[str, str],
        on_output: Callable[[bytes], None],
        on_exit: Callable[["ModelServer"], None] = lambda server: None,
    ) -> None:
        # A Unix socket's path holds about a hundred characters; `root` may be longer.
        self._folder = Path(tempfile.mkdtemp(prefix="sagemaker-", dir="/tmp"))
        self.socket = self._folder / "socket"
        self._client = ContainerClient(self.socket)
        self._async_client = AsyncContainerClient(self.socket)
        self._container = ContainerProcess(
            image.module,
            "serve",
            root,
            {
                **environment,
                "SAGEMAKER_BIND_TO_UNIX_SOCKET": str(self.socket),
                "SAGEMAKER_IMAGE_TAG": image.tag,
            },
            on_output,
            lambda code: on_exit(self),
            # Who has just got an error looks into the log for its reason.
            gather_seconds=0.0,
        )

    def wait_until_healthy(
        self, given_up: Callable[[], bool], seconds: float = STARTUP_SECONDS
    ) -> None:
        """Return at the first 200 of /ping; raises NotHealthy.

        `given_up` is asked between two pings and ends the waiting.
        """
        deadline = time.monotonic() + seconds
        refused = 0
        while time.monotonic() < deadline and not given_up():
            if self._container.wait(PING_INTERVAL_SECONDS) is not None:
                raise NotHealthy(
                    f"The container ended with code {self._container.exit_code}."
                )
            try:
                status = self._client.request("GET", "/ping", PING_SECONDS).status
            except (NotReached, ConnectionLost, TimeoutError):
                continue  # not listening yet
            if status == 200:
                return
            refused += 1
            if refused * PING_INTERVAL_SECONDS > REFUSING_SECONDS:
                raise NotHealthy("The container answers /ping, but not with 200.")
        raise NotHealthy("The container did not answer /ping in time.")

    @property
    def exit_code(self) -> int | None:
        """None while the container runs; negative: the signal that ended it."""
        return self._container.wait(0)

    def execution_parameters(self) -> dict:
        """What the container says of MaxConcurrentTransforms, BatchStrategy and
        MaxPayloadInMB; empty if it doesn't say.
        """
        response = self._client.request("GET", "/execution-parameters", PING_SECONDS)
        return json.loads(response.content) if response.status == 200 else {}

    def invoke(
        self, body: bytes, headers: Mapping[str, str], timeout: float
    ) -> Response:
        """POST /invocations; raises NotReached, ConnectionLost and TimeoutError."""
        return self._client.request("POST", "/invocations", timeout, headers, body)

    async def invoke_async(self, body: bytes, headers: Mapping[str, str]) -> Response:
        """The same on an event loop, always the same one, without a time limit."""
        return await self._async_client.request("POST", "/invocations", headers, body)

    def stop(self) -> None:
        """End the container and remove its socket; raises what its log raised."""
        self._container.stop(SERVING_GRACE_SECONDS)
        self._tidy()
        self._container.check_output()

    def kill(self) -> None:
        """End the container at once; calls under way fail. `discard` it afterwards."""
        self._container.kill()

    def discard(self) -> None:
        """End the container at once and remove its socket; nobody may be calling it."""
        self.kill()
        self._tidy()

    def _tidy(self) -> None:
        self._client.close()
        shutil.rmtree(self._folder, ignore_errors=True)
