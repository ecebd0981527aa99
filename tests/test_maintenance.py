"""`python -m local_aws status` and `reset`."""

import io
import os
import pty
import subprocess
import sys
import tempfile
from pathlib import Path

import pytest
from conftest import start_stand_in, stop_stand_in

from local_aws.installation import CHECKOUT, HOME_VARIABLE, ROLE_ARN, open_installation
from local_aws.maintenance import STATE, UNFINISHED_RESET, count, size_text
from local_aws.runtime.model_server import OWNER, PREFIX, SOCKETS


def local_aws(home, *arguments: str, **options) -> subprocess.CompletedProcess:
    """Run `python -m local_aws ARGUMENTS` on a state folder, without a terminal."""
    return subprocess.run(
        [sys.executable, "-m", "local_aws", *arguments],
        cwd=CHECKOUT,
        env=os.environ | {HOME_VARIABLE: str(home)},
        stdin=options.pop("stdin", subprocess.DEVNULL),
        capture_output=True,
        text=True,
        timeout=60,
        **options,
    )


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
    if sys.platform == "linux":
        assert ", 1 in use of it" in running.stdout
    refused = local_aws(home, "reset", "--yes")
    assert refused.returncode == 1
    assert "a stand-in runs" in refused.stderr
    assert "Then try again" in refused.stderr
    used.client("s3").get_object(Bucket="bucket", Key="large")["Body"].read()
    used.process.kill()
    used.process.wait()
    stopped = local_aws(home, "status")
    assert "does not run" in stopped.stdout
    assert "1 bucket, 2 objects (2.0 MB)" in stopped.stdout
    # What a container of an endpoint leaves behind when the stand-in is killed.
    socket_folder = Path(tempfile.mkdtemp(prefix=PREFIX, dir=SOCKETS))
    (socket_folder / OWNER).symlink_to(home / "endpoints" / "one")
    unsaid = local_aws(home, "reset")
    assert unsaid.returncode == 1
    assert "--yes" in unsaid.stderr
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


@pytest.mark.parametrize(("said", "removed"), [("n\n", False), ("y\n", True)])
def test_reset_asks_on_a_terminal(home, said, removed) -> None:
    open_installation(home)
    (home / "s3").mkdir()
    ours, theirs = pty.openpty()
    os.write(ours, said.encode())
    result = local_aws(home, "reset", stdin=theirs)
    os.close(ours)
    os.close(theirs)
    assert "[y/N]" in result.stdout
    assert result.returncode == (0 if removed else 1)
    assert (home / "s3").exists() is not removed


def test_a_reset_that_was_cut_off_is_ended_by_the_next_start(home) -> None:
    open_installation(home)
    (home / "services.sqlite").write_bytes(b"half of something")
    (home / UNFINISHED_RESET).touch()
    stand_in = start_stand_in(home)
    assert not (home / UNFINISHED_RESET).exists()
    assert stand_in.client("s3").list_buckets()["Buckets"] == []
    stop_stand_in(stand_in)


def test_where_nothing_is_there(home) -> None:
    assert "no state yet" in local_aws(home, "status").stdout
    assert "no state to remove" in local_aws(home, "reset", "--yes").stdout
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
