"""The server as a process: sealed from its environment, bound, served, ended."""

import asyncio
import logging
import os
import resource
import signal
import socket
import threading
import time

import uvicorn

from local_aws.access.roles import Role
from local_aws.clients import Clients
from local_aws.installation import (
    HOST,
    Installation,
    InstallationError,
    client_environment,
    open_installation,
    plain_errors,
    private_folder,
    write_client_files,
)
from local_aws.lifetime import POLL_S, UsersWatch, hold_users_lock, try_server_lock
from local_aws.maintenance import DATABASES, finish_reset
from local_aws.moto_services.switches import set_switches
from local_aws.server.application import StandIn
from local_aws.server.connection import Connection, listen
from local_aws.server.responders import Responders
from local_aws.services import named
from local_aws.terminal import say

log = logging.getLogger(__name__)

KEEP_ALIVE_S = 75
SHUTDOWN_S = 2
EXIT_S = 3.0
WATCH_S = 0.5
# What a stand-in whose last user has just gone takes to notice that and to end.
LEAVING_S = 3.0
MOVED = (
    "The state in %s has been moved or removed while it was in use, so the stand-in "
    "has ended. Put it back; end what uses it before you move it."
)
TICKS_BETWEEN_SWEEPS = 50
# Each connection takes a descriptor; macOS gives a process 256 unless it asks for more.
DESCRIPTORS = 10_240


def serve(until_unused: bool) -> int:
    """Serve until a signal, or until the last user has gone. Returns the exit code.

    Raises InstallationError when another server uses this state folder, when the folder
    can't be used, and when it has been moved meanwhile.
    """
    logging.basicConfig(
        level=logging.INFO if until_unused else logging.WARNING,
        format="%(asctime)s %(levelname)s %(name)s: %(message)s",
    )
    with plain_errors():
        installation = open_installation()
        _take(installation, is_user=not until_unused)
        _seal(installation)
        listener = bind(installation)
        port = listener.getsockname()[1]
        write_client_files(installation, port)
        responders = _open_responders(installation, port)
    server = _Server(StandIn(installation, port, responders), responders)
    # uvicorn has its own handlers while it runs, and raises the signal once more when
    # it has ended; these are for the moments before and after.
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, lambda *_: server.stop())
    watch = UsersWatch(installation) if until_unused else None
    responders.warm_up()
    try:
        asyncio.run(_serve(server, listener, installation, watch))
    finally:
        responders.sagemaker.close()
    # A thread that is still busy (a long upload, say) holds up the interpreter's end;
    # all that had to be closed has been.
    watchdog = threading.Timer(EXIT_S, os._exit, [int(server.has_lost_state)])
    watchdog.daemon = True
    watchdog.start()
    if server.has_lost_state:
        raise InstallationError(MOVED % installation.home)
    return 0


def _take(installation: Installation, is_user: bool) -> None:
    """Make this process the one server of the state folder, until it ends."""
    deadline = time.monotonic() + (LEAVING_S if is_user else 0)
    while try_server_lock(installation) is None:
        if time.monotonic() > deadline:
            raise InstallationError(
                f"a stand-in already serves {installation.home} at "
                f"{installation.endpoint}. `python -m local_aws exec -- COMMAND` uses "
                "it; set LOCAL_AWS_HOME to another folder to run a second one."
            )
        time.sleep(POLL_S)
    if is_user:
        hold_users_lock(installation)
    finish_reset(installation)


def _open_responders(installation: Installation, port: int) -> Responders:
    from local_aws.sagemaker import open_context  # after sealing: it imports boto3

    def find_role(arn: str) -> Role:
        return responders.of(named("iam")).role(arn)

    clients = Clients(installation, f"http://{HOST}:{port}", find_role)
    responders = Responders(installation, open_context(installation, clients))
    return responders


def bind(installation: Installation) -> socket.socket:
    """A socket on loopback: at the port used last if it is free, else at any.

    With the same port again, clients of an open notebook keep working.
    """
    for port in (installation.port, 0):
        if port is None:
            continue
        try:
            return listen(port)
        except OSError:
            if port == 0:
                raise
    raise AssertionError("port 0 was tried last")


def _seal(installation: Installation) -> None:
    """Make this process safe from its environment, and its files from others."""
    os.umask(0o077)
    sealed = client_environment(installation, os.environ)
    os.environ.clear()
    os.environ.update(sealed)
    set_switches(os.environ)
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = DESCRIPTORS if hard == resource.RLIM_INFINITY else min(hard, DESCRIPTORS)
    if soft != resource.RLIM_INFINITY and soft < wanted:
        resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))
    folder = private_folder(installation.temporary_folder)
    for left_over in folder.iterdir():
        if left_over.is_file():
            left_over.unlink()


class _Server(uvicorn.Server):
    """uvicorn, which lets requests that wait for something end when it is to stop."""

    def __init__(self, app: StandIn, responders: Responders) -> None:
        super().__init__(
            uvicorn.Config(
                app,
                http=Connection,
                loop="asyncio",
                ws="none",
                lifespan="off",
                proxy_headers=False,
                log_config=None,
                access_log=False,
                server_header=False,
                timeout_keep_alive=KEEP_ALIVE_S,
                timeout_graceful_shutdown=SHUTDOWN_S,
            )
        )
        self._responders = responders
        self.has_lost_state = False

    def stop(self) -> None:
        """End soon."""
        self.should_exit = True

    async def on_tick(self, counter: int) -> bool:
        """uvicorn's look around, ten times a second."""
        if counter % TICKS_BETWEEN_SWEEPS == 0:
            now = asyncio.get_running_loop().time()
            for connection in list(self.server_state.connections):
                connection.end_if_overdue(now)
        return await super().on_tick(counter)

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        await self._responders.stop()
        await super().shutdown(sockets)


async def _serve(
    server: _Server,
    listener: socket.socket,
    installation: Installation,
    watch: UsersWatch | None,
) -> None:
    serving = asyncio.create_task(server.serve(sockets=[listener]))
    while not server.started and not serving.done():
        await asyncio.sleep(0.01)
    if server.started and watch is None:
        say(
            f"local_aws serves {installation.home} at {installation.endpoint} until "
            "Ctrl-C. Use it with: python -m local_aws exec -- COMMAND"
        )
    in_place = _files(installation)
    while not serving.done():
        if watch is not None and watch.nobody_left():
            log.info("The last user has gone.")
            server.stop()
            break
        if _files(installation) != in_place:
            server.has_lost_state = True
            server.stop()
            break
        await asyncio.wait([serving], timeout=WATCH_S)
    await serving


def _files(installation: Installation) -> list[tuple[int, int] | None]:
    """Which files the state is in, None for one that is not where it was."""
    found: list[tuple[int, int] | None] = []
    for name in DATABASES:
        try:
            status = (installation.home / name).stat()
            found.append((status.st_dev, status.st_ino))
        except OSError:
            found.append(None)
    return found
