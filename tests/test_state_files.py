"""State that is missing, damaged, moved or closed to us: what is said, and what stays.

Each time the file is named, and what helps; nothing that is still good is lost.
"""

import errno
import os
import shutil
import sqlite3
import subprocess
import sys
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import pytest
from botocore.exceptions import ClientError
from conftest import StandIn, start_stand_in, stop_stand_in

from local_aws import lifetime
from local_aws.errors import StorageError
from local_aws.installation import (
    CHECKOUT,
    HOME_VARIABLE,
    ROLE_ARN,
    InstallationError,
    open_installation,
    plain_errors,
)
from local_aws.persistence import MOTO_DATABASE, OBJECTS, SAGEMAKER_DATABASE
from local_aws.persistence.database import Database, StateFileError
from local_aws.persistence.moto_database import open_moto_database
from local_aws.persistence.resources import Resources

LARGE = 200_000


def fill(stand_in: StandIn) -> None:
    s3 = stand_in.client("s3")
    s3.create_bucket(Bucket="bucket")
    s3.put_object(Bucket="bucket", Key="small", Body=b"small")
    s3.put_object(Bucket="bucket", Key="large", Body=os.urandom(LARGE))
    stand_in.client("sagemaker").create_notebook_instance(
        NotebookInstanceName="notebook", InstanceType="ml.t3.medium", RoleArn=ROLE_ARN
    )


@pytest.fixture(scope="module")
def template(tmp_path_factory) -> Path:
    """A state folder with something in it, which nobody uses."""
    home = tmp_path_factory.mktemp("template")
    stand_in = start_stand_in(home)
    fill(stand_in)
    stop_stand_in(stand_in)
    (home / "port").unlink()
    (home / "printed").unlink()
    return home


@pytest.fixture
def used(template, home) -> Path:
    """A copy of it."""
    return Path(shutil.copytree(template, home, dirs_exist_ok=True))


def start(home: Path) -> subprocess.CompletedProcess:
    """Run a stand-in that does not come up."""
    return subprocess.run(
        [sys.executable, "-m", "local_aws"],
        cwd=CHECKOUT,
        env=os.environ | {HOME_VARIABLE: str(home)},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )


def edit(path: Path, statement: str, *values: object) -> None:
    with closing(sqlite3.connect(path)) as connection, connection:
        connection.execute(statement, values)


def files(home: Path) -> dict[str, bytes]:
    names = [MOTO_DATABASE, SAGEMAKER_DATABASE]
    found = {name: home / name for name in names if (home / name).exists()}
    found |= {path.name: path for path in (home / OBJECTS).iterdir()}
    return {name: path.read_bytes() for name, path in found.items()}


# Databases


def remove(path: Path) -> None:
    path.unlink()


def empty(path: Path) -> None:
    path.write_bytes(b"")


def lose_the_log(path: Path) -> None:
    """What is left of a file whose write-ahead log has never been folded in."""
    path.unlink()
    with closing(sqlite3.connect(path)) as connection:
        connection.execute("PRAGMA journal_mode=WAL")


@pytest.mark.parametrize("name", [MOTO_DATABASE, SAGEMAKER_DATABASE])
@pytest.mark.parametrize(
    ("damage", "reason"),
    [(remove, "is missing"), (empty, "is empty"), (lose_the_log, "is empty")],
)
def test_a_database_that_has_been_there_is_not_made_anew(
    used, name, damage, reason
) -> None:
    damage(used / name)
    before = files(used)
    make = Resources if name == SAGEMAKER_DATABASE else open_moto_database
    with pytest.raises(StateFileError) as caught:
        make(used / name)
    assert f"The state file {used / name} {reason}. " in str(caught.value)
    assert "`make reset`" in str(caught.value)
    assert files(used) == before


def test_a_write_ahead_log_that_is_gone(home) -> None:
    stand_in = start_stand_in(home)
    fill(stand_in)
    stand_in.process.kill()
    stand_in.process.wait()
    log = home / f"{MOTO_DATABASE}-wal"
    kept = log.read_bytes()
    log.unlink()
    result = start(home)
    assert result.returncode == 1
    assert f"The state file {log} is missing" in result.stderr
    assert f"`rm '{home / MOTO_DATABASE}-shm'`" in result.stderr
    assert len(result.stderr.splitlines()) == 1
    log.write_bytes(kept)
    again = start_stand_in(home)
    found = again.client("s3").list_objects_v2(Bucket="bucket")["Contents"]
    assert [each["Key"] for each in found] == ["large", "small"]
    stop_stand_in(again)


@pytest.mark.parametrize(
    ("statement", "reason"),
    [
        ("DROP TABLE objects", "something else"),
        ("DELETE FROM about", "does not say which version of moto"),
    ],
)
def test_a_database_of_which_a_part_is_gone(used, statement, reason) -> None:
    edit(used / MOTO_DATABASE, statement)
    with pytest.raises(StateFileError, match=reason):
        open_moto_database(used / MOTO_DATABASE)


@pytest.mark.parametrize(
    ("kind", "record"), [("training-job", "{oops"), ("endpoint", "{}")]
)
def test_a_record_of_sagemaker_that_can_not_be_read(used, kind, record) -> None:
    path = used / SAGEMAKER_DATABASE
    edit(path, "UPDATE resources SET kind=?, record=?", kind, record)
    result = start(used)
    assert result.returncode == 1
    assert f"The state file {path} holds records that can't be read" in result.stderr
    assert len(result.stderr.splitlines()) == 1


@pytest.mark.parametrize(
    "statement",
    [
        "UPDATE objects SET content='[[1'",
        "UPDATE objects SET record=x'80055d942e'",  # an empty list
        "DELETE FROM buckets",
    ],
)
def test_records_of_s3_that_can_not_be_read(used, statement) -> None:
    edit(used / MOTO_DATABASE, statement)
    before = files(used)
    stand_in = start_stand_in(used)
    with pytest.raises(ClientError, match="can't be read") as caught:
        stand_in.client("s3").list_buckets()
    assert "make reset" in str(caught.value)
    assert stand_in.client("iam").list_roles()["Roles"]
    assert "Traceback" not in stop_stand_in(stand_in)
    assert files(used) == before


@pytest.mark.parametrize(
    ("code", "help_"),
    [
        ("SQLITE_READONLY", "chmod -R u+rwX"),
        ("SQLITE_FULL", "Make room on the disk"),
        ("SQLITE_CORRUPT", "make reset"),
    ],
)
def test_what_sqlite_says_comes_with_what_helps(tmp_path, code, help_) -> None:
    database = Database(tmp_path / "file.sqlite", "CREATE TABLE things (name TEXT)")
    error = sqlite3.OperationalError("words of SQLite")
    error.sqlite_errorcode = getattr(sqlite3, code)
    with (
        pytest.raises(StorageError, match="words of SQLite") as caught,
        database.transaction(),
    ):
        raise error
    assert help_ in str(caught.value)
    assert str(tmp_path / "file.sqlite") in str(caught.value)
    database.close()


# Files of objects


def shorten(path: Path) -> None:
    os.truncate(path, 1000)


@pytest.mark.parametrize("damage", [remove, shorten])
def test_the_file_of_an_object_is_damaged(used, damage) -> None:
    [path] = (used / OBJECTS).iterdir()
    damage(path)
    lost = used / OBJECTS / "of-a-record-that-is-gone"
    lost.write_bytes(b"")
    stand_in = start_stand_in(used)
    s3 = stand_in.client("s3")
    for wanted in ({}, {"Range": "bytes=10-20"}):
        with pytest.raises(ClientError, match=r"InternalError.*can't use") as caught:
            s3.get_object(Bucket="bucket", Key="large", **wanted)
        assert str(path) in str(caught.value)
    assert s3.get_object(Bucket="bucket", Key="small")["Body"].read() == b"small"
    # Where files are missing, others may be all that is left of something.
    assert lost.exists() == (damage is remove)
    s3.delete_object(Bucket="bucket", Key="large")
    s3.put_object(Bucket="bucket", Key="large", Body=bytes(LARGE))
    assert len(s3.get_object(Bucket="bucket", Key="large")["Body"].read()) == LARGE
    assert "Traceback" not in stop_stand_in(stand_in)


def test_the_row_of_a_small_object_is_gone(used) -> None:
    edit(used / MOTO_DATABASE, "DELETE FROM blobs WHERE data IS NOT NULL")
    stand_in = start_stand_in(used)
    with pytest.raises(ClientError, match=r"InternalError.*services\.sqlite"):
        stand_in.client("s3").get_object(Bucket="bucket", Key="small")
    assert "Traceback" not in stop_stand_in(stand_in)


def test_the_folder_of_objects_is_no_folder(used) -> None:
    shutil.rmtree(used / OBJECTS)
    (used / OBJECTS).touch()
    stand_in = start_stand_in(used)
    with pytest.raises(ClientError, match=f"Can't use {used / OBJECTS}: "):
        stand_in.client("s3").list_buckets()
    assert "Traceback" not in stop_stand_in(stand_in)


# Keys, port, locks


@pytest.mark.parametrize(
    "keys",
    [
        b"",
        b"no section\n",
        b"[default]\naws_access_key_id = A\n",
        b"[default]\naws_access_key_id =\naws_secret_access_key =\n",
        b"\xff\xfe\x00",
    ],
)
def test_a_file_without_keys(home, keys) -> None:
    open_installation(home)
    path = home / "aws" / "credentials"
    path.write_bytes(keys)
    with pytest.raises(InstallationError, match="holds no keys; delete it"):
        open_installation(home)
    path.unlink()
    assert open_installation(home).access_key_id


@pytest.mark.parametrize("text", ["", "-5", "0", "99999999", "a", "\x80"])
def test_a_port_that_is_none(home, text) -> None:
    installation = open_installation(home)
    installation.port_file.write_text(text)
    assert installation.port is None


@pytest.mark.parametrize("name", ["aws/credentials", "users.lock", "port"])
def test_a_folder_in_the_place_of_a_file(home, name) -> None:
    open_installation(home)
    (home / name).unlink(missing_ok=True)
    (home / name).mkdir()
    result = start(home)
    assert result.returncode == 1
    assert f"Can't use {home / name}: Is a directory. Move it away" in result.stderr
    assert len(result.stderr.splitlines()) == 1


@pytest.mark.parametrize(
    ("number", "help_"),
    [
        (errno.EACCES, "`chmod -R u+rwX '/the state'`"),
        (errno.EPERM, "`chmod -R u+rwX '/the state'`"),
        (errno.EROFS, HOME_VARIABLE),
        (errno.ENOSPC, "Make room"),
    ],
)
def test_what_helps_is_said(number, help_) -> None:
    with pytest.raises(InstallationError) as caught, plain_errors():
        raise OSError(number, os.strerror(number), "/the state/port")
    assert str(caught.value).startswith("Can't use /the state/port: ")
    assert help_ in str(caught.value)


def test_an_error_that_is_of_no_file_stays_as_it_is() -> None:
    with pytest.raises(ConnectionResetError), plain_errors():
        raise ConnectionResetError(errno.ECONNRESET, "Connection reset by peer")


def test_a_folder_that_can_only_be_read(used) -> None:
    if os.geteuid() == 0:
        pytest.skip("nothing is closed to root")
    used.chmod(0o500)
    try:
        result = start(used)
    finally:
        used.chmod(0o700)
    assert result.returncode == 1
    assert f"chmod -R u+rwX '{used}'" in result.stderr
    assert len(result.stderr.splitlines()) == 1


# Moved or copied


def move(home: Path, to: Path) -> None:
    home.rename(to)


def move_one_file(home: Path, to: Path) -> None:
    to.mkdir()
    (home / MOTO_DATABASE).rename(to / MOTO_DATABASE)


@pytest.mark.parametrize("change", [move, move_one_file])
def test_a_state_that_is_moved_while_it_is_used(home, change) -> None:
    stand_in = start_stand_in(home)
    fill(stand_in)
    printed = (home / "printed").open()
    to = home.with_name(f"{home.name} moved")
    try:
        change(home, to)
        assert stand_in.process.wait(timeout=60) == 1
        assert f"The state in {home} has been moved" in printed.read()
        if change is move:
            there = start_stand_in(to)
            found = there.client("s3").get_object(Bucket="bucket", Key="large")
            assert len(found["Body"].read()) == LARGE
            stop_stand_in(there)
    finally:
        printed.close()
        shutil.rmtree(to)
        stand_in.process.kill()


def test_a_copy_of_a_state_is_not_the_state(home, tmp_path) -> None:
    """It has the same keys and says the same port."""
    stand_in = start_stand_in(home)
    copy = open_installation(Path(shutil.copytree(home, tmp_path / "copy")))
    assert copy.port == stand_in.installation.port
    assert lifetime.is_responding(stand_in.installation, timeout_s=60)
    assert not lifetime.is_responding(copy, timeout_s=60)
    stop_stand_in(stand_in)


def opened(make: Callable[[Path], Database | Resources], path: Path) -> None:
    make(path).close()


def test_a_start_that_was_cut_off_before_there_was_anything(home) -> None:
    """Files that were begun and hold nothing yet are no loss."""
    open_installation(home)
    (home / SAGEMAKER_DATABASE).touch()
    opened(Resources, home / SAGEMAKER_DATABASE)
    (home / MOTO_DATABASE).touch()
    opened(open_moto_database, home / MOTO_DATABASE)
    opened(Resources, home / SAGEMAKER_DATABASE)
