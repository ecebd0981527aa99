"""What becomes of running jobs and their processes when the stand-in ends."""

import os
import signal
import sqlite3
import time

import boston
import pytest
from conftest import start_stand_in, stop_stand_in

from local_aws.lifetime import NotStarted

INTERNAL_ERROR = (
    "InternalServerError: We encountered an internal error. Please try again."
)


def container_processes(stand_in):
    """Ids of the processes that work in the stand-in's jobs folder."""
    found = []
    for entry in os.listdir("/proc"):
        if entry.isdigit():
            try:
                folder = os.readlink(f"/proc/{entry}/cwd")
            except OSError:
                continue
            if folder.startswith(str(stand_in.home / "jobs")):
                found.append(int(entry))
    return found


def start_endless_job(stand_in):
    s3 = stand_in.client("s3")
    bucket = boston.name("sagemaker-interrupted")
    s3.create_bucket(Bucket=bucket)
    boston.upload(s3, bucket)
    name = boston.name()
    sagemaker = stand_in.client("sagemaker")
    sagemaker.create_training_job(
        **boston.training_request(bucket, name, {"num_round": "1000000"})
    )
    boston.wait(
        lambda **_: {"running": bool(container_processes(stand_in))},
        "running",
        (True,),
    )
    return name


@pytest.mark.skipif(not os.path.isdir("/proc"), reason="looks into /proc")
@pytest.mark.parametrize("end", ["terminate", "kill"])
def test_a_job_that_was_cut_off_is_failed_and_its_process_is_gone(home, end):
    first = start_stand_in(home)
    name = start_endless_job(first)
    getattr(first.process, end)()
    first.process.wait(timeout=30)
    deadline = time.monotonic() + 60
    while container_processes(first):
        assert time.monotonic() < deadline, "a container outlived the stand-in"
        time.sleep(0.02)
    second = start_stand_in(home)
    try:
        job = second.client("sagemaker").describe_training_job(TrainingJobName=name)
    finally:
        stop_stand_in(second)
    assert job["TrainingJobStatus"] == "Failed"
    assert job["SecondaryStatus"] == "Failed"
    assert job["FailureReason"] == INTERNAL_ERROR


@pytest.mark.parametrize("after_s", [0, 0.5])
def test_jobs_that_a_stop_cuts_off_are_no_faults_of_ours(home, after_s):
    """They write logs and read channels through the server until they have ended."""
    stand_in = start_stand_in(home)
    s3, sagemaker = stand_in.client("s3"), stand_in.client("sagemaker")
    bucket = boston.name("sagemaker-interrupted")
    s3.create_bucket(Bucket=bucket)
    boston.upload(s3, bucket)
    for _ in range(4):
        request = boston.training_request(
            bucket, boston.name(), {"num_round": "100000"}
        )
        sagemaker.create_training_job(**request)
    time.sleep(after_s)
    assert "Traceback" not in stop_stand_in(stand_in)


@pytest.mark.skipif(not os.path.isdir("/proc"), reason="looks into /proc")
@pytest.mark.parametrize(
    ("number", "reason"),
    [
        (signal.SIGSEGV, "AlgorithmError: , exit code: 139"),
        (
            signal.SIGKILL,
            "ClientError: Please use an instance type with more memory, or reduce the "
            "size of job data processed on an instance., exit code: 137",
        ),
    ],
)
def test_a_job_that_crashes_hard_takes_nothing_with_it(home, number, reason):
    stand_in = start_stand_in(home)
    try:
        sagemaker = stand_in.client("sagemaker")
        crashing = start_endless_job(stand_in)
        (victim,) = container_processes(stand_in)
        other = start_endless_job(stand_in)
        os.kill(victim, number)
        job = boston.wait_for_training(sagemaker, crashing)
        assert (job["TrainingJobStatus"], job["FailureReason"]) == ("Failed", reason)
        describe = sagemaker.describe_training_job
        assert describe(TrainingJobName=other)["TrainingJobStatus"] == "InProgress"
        sagemaker.stop_training_job(TrainingJobName=other)
        stopped = boston.wait_for_training(sagemaker, other)
        assert stopped["TrainingJobStatus"] == "Stopped"
    finally:
        stop_stand_in(stand_in)


def test_state_of_another_version_is_not_touched(home):
    stand_in = start_stand_in(home)
    stop_stand_in(stand_in)
    connection = sqlite3.connect(home / "sagemaker.sqlite")
    connection.execute("PRAGMA user_version=99")
    connection.close()
    with pytest.raises(NotStarted, match="version 99") as caught:
        start_stand_in(home)
    assert "Traceback" not in str(caught.value)
    assert "`make reset`" in str(caught.value)
