"""`python -m local_aws status` and `reset`."""

import io
import os
import shutil
import sqlite3
import subprocess
import sys
from contextlib import closing

import pytest
from conftest import start_stand_in, stop_stand_in
from terminal import Terminal, too_long

from local_aws.installation import CHECKOUT, HOME_VARIABLE, ROLE_ARN, open_installation
from local_aws.maintenance import STATE, UNFINISHED_RESET, count, size_text
from local_aws.runtime import short_names


def local_aws(home, *arguments: str, **options) -> subprocess.CompletedProcess:
    """Run `python -m local_aws ARGUMENTS` on a state folder, without a terminal."""
    return subprocess.run(
        [sys.executable, "-m", "local_aws", *arguments],
        cwd=CHECKOUT,
        env=os.environ | {HOME_VARIABLE: str(home)},
        stdin=options.pop("stdin", subprocess.DEVNULL),
        capture_output=True,
        text=True,
        timeout=120,
        **options,
    )


def on_a_terminal(home, *arguments: str, columns: int = 80) -> Terminal:
    """The same on a terminal."""
    command = [sys.executable, "-m", "local_aws", *arguments]
    return Terminal(command, os.environ | {HOME_VARIABLE: str(home)}, columns)


def state_of(home) -> set[str]:
    return {name for name in os.listdir(home) if name in STATE} - {"tmp"}


@pytest.fixture
def used(home):
    """A stand-in with a little of everything."""
    stand_in = start_stand_in(home)
    s3 = stand_in.client("s3")
    s3.create_bucket(Bucket="bucket")
    s3.put_object(Bucket="bucket", Key="small", Body=b"x" * 500)
    s3.upload_fileobj(io.BytesIO(b"x" * 2_000_000), "bucket", "large")
    logs = stand_in.client("logs")
    where = {"logGroupName": "group", "logStreamName": "stream"}
    logs.create_log_group(logGroupName="group")
    logs.create_log_stream(**where)
    stand_in.client("sagemaker").create_notebook_instance(
        NotebookInstanceName="notebook", InstanceType="ml.t3.medium", RoleArn=ROLE_ARN
    )
    yield stand_in
    stand_in.process.kill()
    stand_in.process.wait()


def test_status_and_reset(used) -> None:
    home = used.home
    running = local_aws(home, "status")
    assert running.returncode == 0, running.stderr
    assert f"State folder  {home} (" in running.stdout
    assert f"runs at {used.endpoint}" in running.stdout
    assert "1 bucket, 2 objects (2.0 MB)" in running.stdout
    assert "IAM           1 role\n" in running.stdout
    assert "1 group, 1 stream, 0 lines" in running.stdout
    assert "1 notebook instance: 1 " in running.stdout
    itself = f"the stand-in itself, served in a terminal (process {used.process.pid})"
    assert f"In use by     {itself}\n" in running.stdout
    refused = local_aws(home, "reset", "--yes")
    assert refused.returncode == 1
    assert "nothing has been removed" in refused.stderr
    assert f"  {itself}: press Ctrl-C there, or: kill " in refused.stderr
    assert "Then give the command again." in refused.stderr
    used.client("s3").get_object(Bucket="bucket", Key="large")["Body"].read()
    used.process.kill()
    used.process.wait()
    stopped = local_aws(home, "status")
    assert "does not run" in stopped.stdout
    assert "1 bucket, 2 objects (2.0 MB)" in stopped.stdout
    # What a container of an endpoint leaves behind when the stand-in is killed.
    socket_folder = short_names.make_folder(home / "endpoints" / "one")
    unsaid = local_aws(home, "reset")
    assert unsaid.returncode == 1
    assert "Nothing has been removed: there was no answer" in unsaid.stdout
    assert "make reset ARGS=--yes" in unsaid.stdout
    assert state_of(home) >= {"s3", "services.sqlite", "sagemaker.sqlite"}
    keys = (home / "aws" / "credentials").read_bytes()
    done = local_aws(home, "reset", "--yes")
    assert done.returncode == 0, done.stderr
    assert state_of(home) == set()
    assert not socket_folder.exists()
    assert (home / "aws" / "credentials").read_bytes() == keys
    again = start_stand_in(home)
    assert again.client("s3").list_buckets()["Buckets"] == []
    stop_stand_in(again)


@pytest.fixture
def unused(home):
    """A state folder that holds something and is in nobody's use."""
    open_installation(home)
    (home / "s3").mkdir()
    return home


@pytest.mark.parametrize(
    ("said", "code"), [("n\n", 1), ("y\n", 0), ("\x03", 130), ("\x04", 1)]
)
def test_reset_asks_on_a_terminal(unused, said, code) -> None:
    """Also Ctrl-C and the end of the input are an answer: no."""
    with on_a_terminal(unused, "reset") as terminal:
        terminal.read_until("[y/N]")
        terminal.write(said)
        if said == "\x03":
            # Python misses one that comes between the question and the reading.
            terminal.repeat(said)
        text = terminal.read()
    assert terminal.code == code
    assert "Traceback" not in text
    assert ("Nothing has been removed" in text) is (code != 0)
    assert (unused / "s3").exists() is (code != 0)


@pytest.mark.parametrize(("word", "code"), [("y", 0), ("n", 1)])
def test_reset_takes_one_line_of_a_pipe(unused, word, code) -> None:
    with subprocess.Popen(["yes", word], stdout=subprocess.PIPE) as yes:
        done = local_aws(unused, "reset", stdin=yes.stdout)
        yes.stdout.close()
        yes.kill()
    assert done.returncode == code
    assert done.stderr == ""
    assert (unused / "s3").exists() is (code != 0)


def waiting(home, *command: str, **environment: str) -> subprocess.Popen:
    """A user of the stand-in that has come so far as to say so."""
    process = subprocess.Popen(
        [sys.executable, "-m", "local_aws", "exec", "--", *command],
        cwd=CHECKOUT,
        env=os.environ | {HOME_VARIABLE: str(home)} | environment,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    process.stdin.write("echo here\n" if command == ("sh",) else "")
    process.stdin.flush()
    assert process.stdout.readline() == "here\n"
    return process


PYTHON = (sys.executable, "-c", "print('here', flush=True); input()")
KERNEL = (*PYTHON, "-m", "ipykernel_launcher", "-f", "kernel-1.json")
NOTEBOOK = "my_course/notebooks/01_boston.ipynb"


def test_who_uses_it_is_named(home) -> None:
    notebook = {"JPY_SESSION_NAME": str(CHECKOUT / NOTEBOOK)}
    elsewhere = {"JPY_SESSION_NAME": "/elsewhere/01.ipynb"}
    started = {
        f"the notebook {NOTEBOOK}": waiting(home, *KERNEL, **notebook),
        "the notebook /elsewhere/01.ipynb": waiting(home, *KERNEL, **elsewhere),
        f"a notebook's kernel in {CHECKOUT}": waiting(home, *KERNEL),
        "make course": waiting(home, *PYTHON, "-m", "course", "run", "01"),
        "JupyterLab": waiting(home, *PYTHON, "jupyter-lab"),
        "a shell, sh": waiting(home, "sh"),
        # Its child has inherited the lock, and ends with it.
        "sh -c 'sleep 60 & echo here; read line; kill $!'": waiting(
            home, "sh", "-c", "sleep 60 & echo here; read line; kill $!"
        ),
    }
    # A stand-in that is just ending has no lock but the users', which it has watched.
    ending = waiting(home, *PYTHON, "-m", "local_aws", "serve", "--until-unused")
    try:
        status = local_aws(home, "status").stdout
        refused = local_aws(home, "reset", "--yes")
    finally:
        for process in (*started.values(), ending):
            process.communicate("exit\n")
    named = [line[14:] for line in status.splitlines() if "(process" in line]
    assert sorted(named) == sorted(f"{w} (process {p.pid})" for w, p in started.items())
    assert refused.returncode == 1
    told = refused.stderr.splitlines()
    for what, process in started.items():
        (line,) = [line for line in told if f"{what} (process {process.pid}): " in line]
        assert f"kill {process.pid}" in line or what.startswith("a shell")
    assert "leave it with `exit`" in refused.stderr
    # It waits for the stand-in, which ends by itself.
    assert local_aws(home, "reset", "--yes").returncode == 0
    assert "In use by" not in local_aws(home, "status").stdout


@pytest.mark.parametrize("width", [60, 80])
@pytest.mark.parametrize(
    "command", ["--help", "exec --help", "status", "reset", "serve"]
)
def test_no_line_is_longer_than_the_terminal(home, command, width) -> None:
    """But for a path or an address without a place to break it."""
    if command == "reset":
        user = waiting(home, *PYTHON)
    with on_a_terminal(home, *command.split(), columns=width) as terminal:
        if command == "serve":
            terminal.read_until("COMMAND")
            terminal.write("\x03")
        text = terminal.read()
        assert "Traceback" not in text
    if command == "reset":
        user.communicate("exit\n")
    assert len(text.split()) > 5
    assert too_long(text, width) == []


def test_a_line_that_is_too_long_is_found() -> None:
    assert too_long("a " * 30 + "b", 60) == ["a " * 30 + "b"]
    assert too_long("a" * 70, 60) == []


def test_a_state_of_another_version_is_told(home) -> None:
    """By status, and by each command that needs the stand-in, in one sentence."""
    stop_stand_in(start_stand_in(home))
    with closing(sqlite3.connect(home / "sagemaker.sqlite")) as connection:
        connection.execute("PRAGMA user_version=99")
    with closing(sqlite3.connect(home / "services.sqlite")) as connection, connection:
        connection.execute("UPDATE about SET value='1.0' WHERE name='moto'")
    status = local_aws(home, "status").stdout
    assert "sagemaker.sqlite was written by a newer version of the course" in status
    assert "services.sqlite was written with moto 1.0" in status
    assert "SageMaker  " not in status
    refused = local_aws(home, "exec", "--", "true")
    assert refused.returncode == 1
    (line,) = refused.stderr.splitlines()
    assert line.startswith("local_aws: The stand-in could not be started. The state")
    assert "`make reset`" in line
    assert local_aws(home, "reset", "--yes").returncode == 0
    stop_stand_in(start_stand_in(home))


def test_a_reset_that_was_cut_off_is_ended_by_the_next_start(home) -> None:
    open_installation(home)
    (home / "services.sqlite").write_bytes(b"half of something")
    (home / UNFINISHED_RESET).touch()
    stand_in = start_stand_in(home)
    assert not (home / UNFINISHED_RESET).exists()
    assert stand_in.client("s3").list_buckets()["Buckets"] == []
    stop_stand_in(stand_in)


def test_where_nothing_is_there(home) -> None:
    assert "does not run, and there is no state" in local_aws(home, "status").stdout
    assert "no state to remove" in local_aws(home, "reset", "--yes").stdout
    open_installation(home / "fresh")
    assert "no state to remove" in local_aws(home / "fresh", "reset").stdout
    shutil.rmtree(home / "fresh")
    (home / "s3").mkdir()  # somebody's own folder
    local_aws(home, "reset", "--yes")
    assert os.listdir(home) == ["s3"]


def test_status_of_a_file_that_can_not_be_read(home) -> None:
    open_installation(home)
    (home / "services.sqlite").write_bytes(b"no database" * 1000)
    result = local_aws(home, "status")
    assert result.returncode == 0
    assert "services.sqlite can't be read" in result.stdout
    assert "Traceback" not in result.stderr


def test_numbers_for_people() -> None:
    assert [count(1, "policy"), count(0, "policy")] == ["1 policy", "0 policies"]
    assert count(12_345, "object") == "12,345 objects"
    assert [size_text(n) for n in (0, 999, 1000, 2_340_000, 5e15)] == [
        "0 bytes",
        "999 bytes",
        "1.0 kB",
        "2.3 MB",
        "5000.0 TB",
    ]
