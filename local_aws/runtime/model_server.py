"""A container that serves a model: started, waited for, called, stopped.

It listens on a Unix socket in a folder that only this user can enter: a TCP port
would be open to every other user and web page of the machine.
"""

import json
import time
from collections.abc import Callable, Mapping
from pathlib import Path

from local_aws.containers.images import Image
from local_aws.runtime import short_names
from local_aws.runtime.container_client import (
    BlockingContainerClient,
    ConnectionLost,
    ContainerClient,
    NotReached,
    Response,
)
from local_aws.runtime.container_process import SERVING_GRACE_SECONDS, ContainerProcess
from local_aws.runtime.python_environment import PythonEnvironment

# AWS page: Use Your Own Inference Code with Hosting Services.
STARTUP_SECONDS = 8 * 60
PING_SECONDS = 2

# A container whose ping handler fails (500) for this long has said that it is broken:
# XGBoost's does so over a model that it can't load. Any other status, like 503, may
# be that of one that is still loading.
FAILING_SECONDS = 1.0

# How often a starting container is asked; each ask costs well under a millisecond.
PING_INTERVAL_SECONDS = 0.01


class NotHealthy(Exception):
    """The container ended, said that it is broken, or did not pass the ping in time."""


class ModelServer:
    """One serving container over the model in `root`/model.

    `python` is for an image that runs a script of the user's, and outlives the server.
    """

    def __init__(
        self,
        image: Image,
        root: Path,
        environment: Mapping[str, str],
        on_output: Callable[[bytes], None],
        on_exit: Callable[["ModelServer"], None] = lambda server: None,
        python: PythonEnvironment | None = None,
    ) -> None:
        self._root = root
        if python is not None:
            given = {name: python.inside(text) for name, text in environment.items()}
            environment = {**given, **python.variables}
        self._folder = short_names.make_folder(root)
        self.socket = self._folder / short_names.SOCKET
        self._client = BlockingContainerClient(self.socket)
        self._client_on_loop = ContainerClient(self.socket)
        try:
            self._container = ContainerProcess(
                image.module,
                ["serve"],
                root if python is None else python.root,
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
        except BaseException:
            short_names.remove(self._folder)
            raise

    def wait_until_healthy(
        self, given_up: Callable[[], bool], seconds: float = STARTUP_SECONDS
    ) -> None:
        """Return at the first 200 of /ping; raises NotHealthy, and what `on_output` has
        raised, which ends the container.

        `given_up` is asked between two pings and ends the waiting.
        """
        deadline = time.monotonic() + seconds
        failing_since = None
        while (now := time.monotonic()) < deadline and not given_up():
            if self._container.wait(PING_INTERVAL_SECONDS) is not None:
                self._container.check_output()
                raise NotHealthy(
                    f"The container ended with code {self._container.exit_code}."
                )
            status = self._ping()
            if status == 200:
                return
            if status != 500:
                failing_since = None
            elif failing_since is None:
                failing_since = now
            elif now - failing_since > FAILING_SECONDS:
                raise NotHealthy("The container's ping fails with status 500.")
        raise NotHealthy("The container did not pass the ping in time.")

    def _ping(self) -> int | None:
        """The status of the response to GET /ping, None without one."""
        try:
            return self._client.request("GET", "/ping", PING_SECONDS).status
        except (NotReached, ConnectionLost, TimeoutError):
            return None

    @property
    def exit_code(self) -> int | None:
        """None while the container runs; negative: the signal that ended it."""
        return self._container.wait(0)

    def failure(self) -> str:
        """What a container that ended has written of it; empty without."""
        try:
            return (self._root / "output" / "failure").read_text(errors="replace")
        except OSError:
            return ""

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
        return await self._client_on_loop.request("POST", "/invocations", headers, body)

    def stop(self) -> None:
        """End the container and remove its socket; raises what its log raised."""
        self._container.stop(SERVING_GRACE_SECONDS)
        short_names.remove(self._folder)
        self._container.check_output()

    def kill(self) -> None:
        """End the container at once and remove its socket; calls under way fail."""
        self._container.kill()
        short_names.remove(self._folder)
