"""Who uses the stand-in, and how one is started when none runs.

Three files in the state folder are locked with flock, which the kernel lets go when
the holder dies, however it dies, so that no lock can be stale:

users.lock   shared by every user for as long as it lives. The server, about once a
             second, tries to get it exclusively: if it can, nobody is left, and it
             keeps the lock until it has exited. A new user thereby waits for the old
             server to be gone and then starts a new one.
server.lock  held by the server: one per state folder.
start.lock   held while somebody looks for a server and starts one.
"""

import errno
import http.client
import os
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from local_aws.installation import (
    CHECKOUT,
    HOST,
    REGION,
    Installation,
    InstallationError,
    client_environment,
    open_installation,
    plain_errors,
)

if sys.platform != "win32":  # where open_installation says so
    import fcntl

# The signing name of the stand-in's own question "are you there?". Like any other
# request it needs a valid signature.
OWN_SERVICE = "local-aws"
PATIENCE_S = 30.0
# What stands before the reason when a command of local_aws gives up.
REFUSAL = "local_aws: "
POLL_S = 0.02

# Locks held until this process ends: state folder -> descriptor.
_held: dict[Path, int] = {}


class NotStarted(RuntimeError):
    """The stand-in could not be started; the text holds the reason from its log."""


def own_response(installation: Installation) -> bytes:
    """Says which state folder is served: a copy of it has the same keys and port."""
    return b"local_aws serves " + os.fsencode(installation.home)


@plain_errors()
def join(home: Path | None = None) -> dict[str, str]:
    """Use the stand-in for the rest of this process' life; start it if none runs.

    Returns the sealed environment (installation.client_environment of os.environ).
    Raises InstallationError or NotStarted.
    """
    installation = open_installation(home)
    hold_users_lock(installation)
    with start_lock(installation):
        _ensure_server(installation)
    return client_environment(installation, os.environ)


def hold_users_lock(installation: Installation) -> int:
    """Count this process as a user until it ends; returns the lock's descriptor.

    Waits while a stand-in that nobody uses any more shuts down.
    """
    if installation.home not in _held:
        descriptor = _open_lock(installation.users_lock)
        deadline = time.monotonic() + PATIENCE_S
        while not _try_lock(descriptor, fcntl.LOCK_SH):
            if time.monotonic() > deadline:
                os.close(descriptor)
                raise NotStarted(
                    "The previous stand-in does not end. Its log is "
                    f"{installation.log_file}."
                )
            time.sleep(POLL_S)
        _held[installation.home] = descriptor
    return _held[installation.home]


def pass_on_to_command() -> None:
    """Let a program that replaces this process stay a user in its place."""
    for descriptor in _held.values():
        os.set_inheritable(descriptor, True)


def try_server_lock(installation: Installation) -> int | None:
    """Take server.lock for good; None if another server holds it."""
    descriptor = _open_lock(installation.server_lock)
    if _try_lock(descriptor, fcntl.LOCK_EX):
        return descriptor
    os.close(descriptor)
    return None


@contextmanager
def start_lock(installation: Installation) -> Iterator[None]:
    """Nobody looks for a server, or starts one, while this is held."""
    descriptor = _open_lock(installation.start_lock)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        yield
    finally:
        os.close(descriptor)


class UsersWatch:
    """The server's side of users.lock."""

    def __init__(self, installation: Installation) -> None:
        self._descriptor = _open_lock(installation.users_lock)

    def nobody_left(self) -> bool:
        """True once no user holds the lock; from then on nobody new gets it."""
        return _try_lock(self._descriptor, fcntl.LOCK_EX)


def is_responding(installation: Installation, timeout_s: float = 2.0) -> bool:
    """Whether a stand-in that knows this installation's keys responds at its port."""
    from botocore.auth import SigV4Auth
    from botocore.awsrequest import AWSRequest
    from botocore.credentials import Credentials

    port = installation.port
    if port is None:
        return False
    request = AWSRequest("GET", f"http://{HOST}:{port}/")
    keys = Credentials(installation.access_key_id, installation.secret_access_key)
    SigV4Auth(keys, OWN_SERVICE, REGION).add_auth(request)
    connection = http.client.HTTPConnection(HOST, port, timeout=timeout_s)
    try:
        connection.request("GET", "/", headers=dict(request.headers))
        response = connection.getresponse()
        return response.status == 200 and response.read() == own_response(installation)
    except (OSError, http.client.HTTPException):
        return False
    finally:
        connection.close()


def _ensure_server(installation: Installation) -> None:
    """Return once a stand-in responds. The caller holds start.lock."""
    if is_responding(installation):
        return
    server: subprocess.Popen | None = None
    reason = f"The stand-in did not respond within {PATIENCE_S:.0f} seconds."
    deadline = time.monotonic() + PATIENCE_S
    while time.monotonic() < deadline:
        if server is None and _server_lock_is_free(installation):
            server = _start(installation)
        if is_responding(installation):
            return
        if server is not None and server.poll() is not None:
            if _server_lock_is_free(installation):
                code = server.returncode
                reason = f"The stand-in could not be started (exit code {code})."
                break
            server = None  # one in the foreground was quicker
        time.sleep(POLL_S)
    raise NotStarted(_reason_in_log(installation) or reason + _log_tail(installation))


def _start(installation: Installation) -> subprocess.Popen:
    """Start a server of its own session that ends when its last user has gone."""
    environment = client_environment(installation, os.environ)
    # `-m local_aws` is looked up in the checkout, whatever the caller's folder is.
    environment.pop("PYTHONSAFEPATH", None)
    flags = os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_APPEND
    log = os.open(installation.log_file, flags, 0o600)
    try:
        return subprocess.Popen(
            [sys.executable, "-m", "local_aws", "serve", "--until-unused"],
            cwd=CHECKOUT,
            env=environment,
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            start_new_session=True,
        )
    finally:
        os.close(log)


def _reason_in_log(installation: Installation) -> str | None:
    """The sentence with which a server refused to start, None if it said none."""
    lines = _log_lines(installation)
    if not lines or not lines[-1].startswith(REFUSAL):
        return None
    return f"The stand-in could not be started. {lines[-1].removeprefix(REFUSAL)}"


def _log_tail(installation: Installation, lines: int = 15) -> str:
    """The end of the server's log, where the reason of a failure stands."""
    end = _log_lines(installation)[-lines:] or ["(empty)"]
    return "\n".join([f"\nThe end of its log {installation.log_file}:", *end])


def _log_lines(installation: Installation) -> list[str]:
    log = installation.log_file  # of one in the foreground there is none
    return log.read_text(errors="replace").strip().splitlines() if log.exists() else []


def _server_lock_is_free(installation: Installation) -> bool:
    descriptor = try_server_lock(installation)
    if descriptor is None:
        return False
    os.close(descriptor)
    return True


def _open_lock(path: Path) -> int:
    return os.open(path, os.O_RDWR | os.O_CREAT, 0o600)


def _try_lock(descriptor: int, kind: int) -> bool:
    """Take the flock if that needs no waiting."""
    try:
        fcntl.flock(descriptor, kind | fcntl.LOCK_NB)
    except OSError as error:
        if error.errno in (errno.EWOULDBLOCK, errno.EACCES):
            return False
        raise InstallationError(f"Can't lock a state file: {error}") from error
    return True
