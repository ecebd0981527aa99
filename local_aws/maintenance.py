"""What is in a state folder, and how it is emptied: `status` and `reset`."""

import importlib.metadata
import json
import os
import shutil
import sqlite3
import sys
import time
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
from local_aws.lifetime import (
    PATIENCE_S,
    POLL_S,
    is_responding,
    start_lock,
    try_server_lock,
)
from local_aws.persistence import MOTO_DATABASE, OBJECTS, SAGEMAKER_DATABASE
from local_aws.persistence.resources import MIGRATIONS
from local_aws.runtime.short_names import remove_left_overs
from local_aws.terminal import say
from local_aws.users import User, users

DATABASES = (MOTO_DATABASE, SAGEMAKER_DATABASE)
# What a reset removes; keys, client files and locks stay, so that an open notebook
# finds the next stand-in.
STATE = (
    *(f"{name}{end}" for name in DATABASES for end in ("", "-wal", "-shm")),
    OBJECTS,
    "jobs",
    "endpoints",
    "functions",
    "tmp",
)
# There while a reset is under way. If that is cut off, the next start ends it.
UNFINISHED_RESET = "reset-is-not-finished"
IAM_NOUNS = {"users": "user", "groups": "group", "managed_policies": "policy"}
INTERRUPTED = 130
UNITS = ("bytes", "kB", "MB", "GB", "TB")


class NotReset(InstallationError):
    """Nothing was removed; the text says why."""


def existing_installation() -> Installation | None:
    """The installation that this environment means, None if there is none yet."""
    home = Path(os.environ.get(HOME_VARIABLE) or CHECKOUT / ".local_aws").expanduser()
    is_closed = home.is_dir() and not os.access(home, os.X_OK)
    if not is_closed and not (home / "aws" / "credentials").exists():
        return None
    return open_installation(home)


@plain_errors()
def print_status() -> int:
    """Say where the state is, how large, what is in it, and what runs."""
    installation = existing_installation()
    if installation is None:
        say("The stand-in does not run, and there is no state: the first use makes it.")
        return 0
    for line in describe(installation):
        say(line, indent=14)
    return 0


def describe(installation: Installation) -> Iterator[str]:
    """The lines of `status`."""
    yield from _running(installation)
    yield from describe_state(installation)


def describe_state(installation: Installation) -> Iterator[str]:
    """The lines of `status` on what would be removed by a reset."""
    home = installation.home
    size = size_text(sum(map(_size, _present(installation))))
    yield f"State folder  {home} ({size})"
    for name, read in zip(DATABASES, (_services, _sagemaker), strict=True):
        if not (home / name).exists():
            continue
        try:
            uri = f"{(home / name).as_uri()}?mode=ro"
            with closing(sqlite3.connect(uri, uri=True)) as connection:
                other = list(_of_another_version(connection, name))
                yield from other or read(connection)
        except sqlite3.Error as error:
            yield f"{name} can't be read: {error}. `make reset` removes all state."


def _present(installation: Installation) -> list[Path]:
    """What a reset would remove; the folder tmp is always there."""
    every = [installation.home / name for name in (*STATE, UNFINISHED_RESET)]
    return [
        p for p in every if os.path.lexists(p) and (p.name != "tmp" or any(p.iterdir()))
    ]


def _of_another_version(connection: sqlite3.Connection, name: str) -> Iterator[str]:
    """Say why the stand-in of this checkout will not start on a file."""
    known = {MOTO_DATABASE: 1, SAGEMAKER_DATABASE: len(MIGRATIONS) + 1}
    [(version,)] = connection.execute("PRAGMA user_version")
    if version > known[name]:
        yield (
            f"{name} was written by a newer version of the course (format {version}, "
            f"this one knows up to {known[name]}): use that one, or `make reset`."
        )
    if name == MOTO_DATABASE:
        installed = importlib.metadata.version("moto")
        for (wrote,) in connection.execute("SELECT value FROM about WHERE name='moto'"):
            if wrote != installed:
                yield (
                    f"{name} was written with moto {wrote}, and moto {installed} is "
                    f"installed: install moto=={wrote}, or `make reset`."
                )


def _running(installation: Installation) -> Iterator[str]:
    lock = try_server_lock(installation)
    if lock is not None:
        os.close(lock)
        yield "Stand-in      does not run"
        return
    if is_responding(installation):
        yield f"Stand-in      runs at {installation.endpoint}"
    else:
        yield f"Stand-in      runs, but does not answer (log: {installation.log_file})"
    label = "In use by"
    for user in users(installation):
        yield f"{label:14}{user}"
        label = ""


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
    functions = statuses.pop("function", Counter()).total()
    statuses.pop("function-event", None)
    http_apis = statuses.pop("http-api", Counter()).total()
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
    if functions:
        yield f"Lambda        {count(functions, 'function')}"
    if http_apis:
        yield f"API Gateway   {count(http_apis, 'HTTP API')}"


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
    if installation is None or not _present(installation):
        say("There is no state to remove.")
        return 0
    os.close(_lock_when_unused(installation))
    if not without_asking and (code := _declined(installation)):
        return code
    with start_lock(installation):  # nobody starts a stand-in meanwhile
        lock = _lock_when_unused(installation)
        try:
            (installation.home / UNFINISHED_RESET).touch()
            finish_reset(installation)
            remove_left_overs(installation.home)
        finally:
            os.close(lock)
    say(f"The state in {installation.home} has been removed.")
    return 0


def _lock_when_unused(installation: Installation) -> int:
    """Take server.lock, waiting for a stand-in whose last user has just gone.

    Raises NotReset, with who uses it.
    """
    deadline = time.monotonic() + PATIENCE_S
    while (lock := try_server_lock(installation)) is None:
        if found := users(installation):
            raise NotReset(_in_use(found))
        if time.monotonic() > deadline:
            raise NotReset(
                "nothing has been removed: a stand-in runs on "
                f"{installation.home}, and what uses it can't be seen from here. End "
                "that, then try again."
            )
        time.sleep(POLL_S)
    return lock


def _in_use(found: list[User]) -> str:
    return "\n".join(
        [
            "nothing has been removed, since the stand-in is in use. End what uses it:",
            *(f"  {user}: {user.how_to_end}" for user in found),
            "Then give the command again.",
        ]
    )


def _declined(installation: Installation) -> int:
    """Ask; return 0 for a yes, else the exit code, with a line that says so."""
    for line in describe_state(installation):
        say(line, indent=14)
    code = 1
    try:
        said = input("Remove all of this? There is no way back. [y/N] ")
        if not sys.stdin.isatty():
            print()  # the answer's own line break is not seen
        if said.strip().lower() in ("y", "yes"):
            return 0
        say("Nothing has been removed.")
    except EOFError:
        print()
        say(
            "Nothing has been removed: there was no answer. `make reset ARGS=--yes` "
            "removes it without asking."
        )
    except KeyboardInterrupt:
        code = INTERRUPTED
        print()
        say("Nothing has been removed.")
    return code


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
