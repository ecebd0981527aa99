"""A container that serves a model: started, waited for, called, stopped.

It listens on a Unix socket in a folder that only this user can enter: a TCP port
would be open to every other user and web page of the machine.
"""

import contextlib
import json
import os
import shutil
import stat
import tempfile
import time
from collections.abc import Callable, Mapping
from pathlib import Path

from local_aws.containers.images import Image
from local_aws.runtime.container_client import (
    BlockingContainerClient,
    ConnectionLost,
    ContainerClient,
    NotReached,
    Response,
)
from local_aws.runtime.container_process import SERVING_GRACE_SECONDS, ContainerProcess
from local_aws.runtime.python_environment import PythonEnvironment
from local_aws.runtime.short_names import OWNER, PREFIX, SOCKETS

# AWS page: Use Your Own Inference Code with Hosting Services.
STARTUP_SECONDS = 8 * 60
PING_SECONDS = 2

# A container whose ping handler fails (500) for this long has said that it is broken:
# XGBoost's does so over a model that it can't load. Any other status, like 503, may
# be that of one that is still loading.
FAILING_SECONDS = 1.0

# How often a starting container is asked; each ask costs well under a millisecond.
PING_INTERVAL_SECONDS = 0.01


# In a socket's folder: the socket, and a link to the folder of the container that it
# belongs to.
SOCKET = "socket"

# A folder without a link, or with nothing in it, is being made or removed for a moment.
ABANDONED_SECONDS = 60


def remove_left_overs(home: Path) -> None:
    """Remove the sockets of containers below `home` that an earlier run has left.

    None of them may be running: the caller holds the server lock of `home`. Those of
    containers whose folder is gone go too, and those whose making or removal was cut
    off: nobody else would remove them.
    """
    for folder in SOCKETS.glob(f"{PREFIX}*"):
        with contextlib.suppress(FileNotFoundError, PermissionError):
            if folder.lstat().st_uid == os.getuid() and _is_left_over(folder, home):
                _remove(folder)


def _is_left_over(folder: Path, home: Path) -> bool:
    try:
        owner = Path(os.readlink(folder / OWNER))
    except OSError:
        return _is_abandoned(folder)
    return owner.is_relative_to(home) or not owner.exists()


def _is_abandoned(folder: Path) -> bool:
    """Whether it is a folder of ours without a link, and not only for a moment."""
    status = folder.lstat()
    return (
        stat.S_ISDIR(status.st_mode)
        and time.time() - status.st_mtime > ABANDONED_SECONDS
        and all(one.name == SOCKET and one.is_socket() for one in folder.iterdir())
    )


def _remove(folder: Path) -> None:
    """Remove a socket's folder, though its container, which is just ending, may be
    making the socket: once the folder is gone it can't.
    """
    for _ in range(100):
        shutil.rmtree(folder, ignore_errors=True)
        if not folder.exists():
            return


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
        self._folder = Path(tempfile.mkdtemp(prefix=PREFIX, dir=SOCKETS))
        (self._folder / OWNER).symlink_to(root)
        self.socket = self._folder / SOCKET
        self._client = BlockingContainerClient(self.socket)
        self._client_on_loop = ContainerClient(self.socket)
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
        _remove(self._folder)
        self._container.check_output()

    def kill(self) -> None:
        """End the container at once and remove its socket; calls under way fail."""
        self._container.kill()
        _remove(self._folder)
