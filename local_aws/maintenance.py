"""What is in a state folder, and how it is emptied: `status` and `reset`."""

import json
import os
import shutil
import sqlite3
import sys
from collections import Counter
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

from local_aws.installation import (
    CHECKOUT,
    HOME_VARIABLE,
    Installation,
    InstallationError,
    open_installation,
    plain_errors,
)
from local_aws.lifetime import start_lock, try_server_lock
from local_aws.persistence import MOTO_DATABASE, OBJECTS, SAGEMAKER_DATABASE
from local_aws.runtime.model_server import remove_left_overs

DATABASES = (MOTO_DATABASE, SAGEMAKER_DATABASE)
# What a reset removes; keys, client files and locks stay, so that an open notebook
# finds the next stand-in.
STATE = (
    *(f"{name}{end}" for name in DATABASES for end in ("", "-wal", "-shm")),
    OBJECTS,
    "jobs",
    "endpoints",
    "tmp",
)
# There while a reset is under way. If that is cut off, the next start ends it.
UNFINISHED_RESET = "reset-is-not-finished"
IAM_NOUNS = {"users": "user", "groups": "group", "managed_policies": "policy"}
UNITS = ("bytes", "kB", "MB", "GB", "TB")


class NotReset(InstallationError):
    """Nothing was removed; the text says why."""


def existing_installation() -> Installation | None:
    """The installation that this environment means, None if there is none yet."""
    home = Path(os.environ.get(HOME_VARIABLE) or CHECKOUT / ".local_aws").expanduser()
    if not (home / "aws" / "credentials").exists():
        return None
    return open_installation(home)


@plain_errors()
def print_status() -> int:
    """Say where the state is, how large, what is in it, and what runs."""
    installation = existing_installation()
    if installation is None:
        print("There is no state yet. The first use makes it.")
        return 0
    print("\n".join(describe(installation)))
    return 0


def describe(installation: Installation) -> Iterator[str]:
    """The lines of `status`."""
    home = installation.home
    present = [home / name for name in STATE if (home / name).exists()]
    yield f"State folder  {home} ({size_text(sum(map(_size, present)))})"
    yield f"Stand-in      {_running(installation)}"
    for name, read in zip(DATABASES, (_services, _sagemaker), strict=True):
        if not (home / name).exists():
            continue
        try:
            uri = f"{(home / name).as_uri()}?mode=ro"
            with closing(sqlite3.connect(uri, uri=True)) as connection:
                yield from read(connection)
        except sqlite3.Error as error:
            yield f"{name} can't be read: {error}"


def _running(installation: Installation) -> str:
    lock = try_server_lock(installation)
    if lock is not None:
        os.close(lock)
        return "does not run"
    users = _users(installation)
    by = "" if users is None else f", {users} in use of it"
    return f"runs at {installation.endpoint}{by}"


def _users(installation: Installation) -> int | None:
    """How many hold users.lock (Linux only): commands, kernels, a server in front."""
    try:
        inode = installation.users_lock.stat().st_ino
        lines = Path("/proc/locks").read_text().splitlines()
    except OSError:
        return None
    # "1: FLOCK  ADVISORY  READ 4711 fe:00:131 0 EOF"
    return sum(
        line.split()[1] == "FLOCK" and line.split()[5].endswith(f":{inode}")
        for line in lines
        if len(line.split()) > 5
    )


def _services(connection: sqlite3.Connection) -> Iterator[str]:
    def counted(table: str, noun: str) -> str:
        (number,) = connection.execute(
            f"SELECT count(*) FROM {table}"  # noqa: S608 - a name of ours
        ).fetchone()
        return count(number, noun)

    (size,) = connection.execute(
        "SELECT coalesce(sum(size), 0) FROM objects"
    ).fetchone()
    objects = counted("objects WHERE content NOT NULL", "object")
    s3 = [counted("buckets", "bucket"), f"{objects} ({size_text(size)})"]
    unfinished = counted("uploads", "unfinished upload")
    if not unfinished.startswith("0 "):
        s3.append(unfinished)
    yield f"S3            {', '.join(s3)}"
    found = dict(
        connection.execute(
            "SELECT collection, count(*) FROM entities WHERE service='iam' GROUP BY 1"
        )
    )
    iam = [count(found.get("roles", 0), "role")]
    for collection, noun in IAM_NOUNS.items():
        if collection in found:
            iam.append(count(found[collection], noun))
    yield f"IAM           {', '.join(iam)}"
    groups = counted("log_groups", "group")
    streams, lines = counted("log_streams", "stream"), counted("log_events", "line")
    yield f"Logs          {groups}, {streams}, {lines}"


def _sagemaker(connection: sqlite3.Connection) -> Iterator[str]:
    statuses: dict[str, Counter[str]] = {}
    for kind, record in connection.execute(
        "SELECT kind, record FROM resources ORDER BY kind"
    ):
        member = "".join(word.title() for word in kind.split("-")) + "Status"
        statuses.setdefault(kind, Counter())[json.loads(record).get(member, "")] += 1
    label = "SageMaker"
    for kind, found in statuses.items():
        number = count(found.total(), kind.replace("-", " "))
        text = ", ".join(
            f"{found[status]} {status}" for status in sorted(found) if status
        )
        yield f"{label:14}{number}{': ' if text else ''}{text}"
        label = ""
    if not statuses:
        yield "SageMaker     nothing"


def count(number: int, what: str) -> str:
    """`1 bucket`, `2 buckets`, `2 policies`."""
    if number == 1:
        return f"1 {what}"
    plural = f"{what[:-1]}ies" if what.endswith("cy") else f"{what}s"
    return f"{number:,} {plural}"


def size_text(size: float) -> str:
    """Bytes as a person reads them."""
    for unit in UNITS:
        if size < 1000 or unit == UNITS[-1]:
            break
        size /= 1000
    return f"{size:.0f} {unit}" if unit == "bytes" else f"{size:.1f} {unit}"


def _size(path: Path) -> int:
    if not path.is_dir():
        return path.stat().st_size
    total = 0
    for folder, _, names in os.walk(path):
        for name in names:
            try:
                total += os.lstat(os.path.join(folder, name)).st_size
            except FileNotFoundError:
                continue  # a running stand-in has removed it meanwhile
    return total


@plain_errors()
def reset(without_asking: bool) -> int:
    """Remove the state after a confirmation. Raises NotReset.

    Keys and client files stay. It is all or nothing: a reset that is cut off is ended
    by the next start.
    """
    installation = existing_installation()
    if installation is None:
        print("There is no state to remove.")
        return 0
    with start_lock(installation):  # nobody starts a stand-in meanwhile
        lock = try_server_lock(installation)
        if lock is None:
            raise NotReset(
                f"a stand-in runs on {installation.home} ({installation.endpoint}). "
                "Close the notebooks and commands that use it, or press Ctrl-C where "
                "it serves; it ends within seconds. Then try again."
            )
        try:
            if not without_asking and not _confirmed(installation):
                return 1
            (installation.home / UNFINISHED_RESET).touch()
            finish_reset(installation)
            remove_left_overs(installation.home)
        finally:
            os.close(lock)
    print(f"The state in {installation.home} has been removed.")
    return 0


def _confirmed(installation: Installation) -> bool:
    if not sys.stdin.isatty():
        raise NotReset(
            f"this would remove all state in {installation.home}. Say --yes to do it "
            "without being asked."
        )
    print("\n".join(describe_state(installation)))
    try:
        said = input("Remove all of this? There is no way back. [y/N] ")
    except (KeyboardInterrupt, EOFError):
        print("\nNothing has been removed.")
        return False
    return said.strip().lower() in ("y", "yes")


def describe_state(installation: Installation) -> list[str]:
    """The lines of `status` without the one on what runs."""
    return [line for line in describe(installation) if not line.startswith("Stand-in ")]


def finish_reset(installation: Installation) -> None:
    """Remove the state if a reset was begun. The caller holds server.lock."""
    mark = installation.home / UNFINISHED_RESET
    if not mark.exists():
        return
    for name in STATE:
        path = installation.home / name
        if path.is_dir() and not path.is_symlink():
            shutil.rmtree(path)
        else:
            path.unlink(missing_ok=True)
    mark.unlink()
