"""What all kinds of job share: attempts, their ends, places, a disk without room."""

import errno
import os
import threading
import time
from dataclasses import replace
from types import SimpleNamespace

import pytest

from local_aws.errors import INTERNAL_ERROR, StorageError
from local_aws.jobs import attempts
from local_aws.jobs.engine import MAX_RUNNING, JobEngine
from local_aws.jobs.job import JobFailed, JobStopped, NotInProgress, Observer
from local_aws.jobs.kinds import KINDS, JobKind
from local_aws.persistence import resources as persisted
from local_aws.persistence.resources import Resources

TRAINING = KINDS["training-job"]
REGION = "us-east-1"
PATIENCE_S = 60


@pytest.fixture
def resources(tmp_path):
    opened = Resources(tmp_path / "sagemaker.sqlite")
    yield opened
    opened.close()


@pytest.fixture
def engine(resources, tmp_path):
    running = JobEngine(resources, None, tmp_path / "jobs é ☁")
    yield running
    running.close()


def start(engine, resources, kind, name):
    record = {}
    KINDS[kind].create(record)
    resources.create(REGION, kind, name, record)
    engine.start(kind, REGION, name)


def ended(resources, kind, name):
    deadline = time.monotonic() + PATIENCE_S
    while True:
        record = resources.get(REGION, kind, name)
        if record[KINDS[kind].status] not in ("InProgress", "Stopping"):
            return record
        assert time.monotonic() < deadline, record
        time.sleep(0.01)


@pytest.fixture
def kind(monkeypatch):
    """Register a kind of job that runs this function."""

    def register(run, name="trivial-job", **changes):
        row = JobKind(name, run, "Status", "StartTime", "EndTime", **changes)
        monkeypatch.setitem(KINDS, name, row)
        return name

    return register


def failing(error):
    def run(job):
        raise error

    return run


def test_a_kind_is_a_function_and_a_row(engine, resources, kind):
    trivial = kind(lambda job: job.begin_attempt("InProgress"))
    start(engine, resources, trivial, "one")
    record = ended(resources, trivial, "one")
    assert record["Status"] == "Completed"
    assert record["CreationTime"] <= record["StartTime"] <= record["EndTime"]


def test_a_reason_is_cut_and_shows_the_path_in_the_container(engine, resources, kind):
    def run(job):
        raise JobFailed(f"no {job.folder}/input/{'x' * 2000}")

    trivial = kind(run)
    start(engine, resources, trivial, "one")
    record = ended(resources, trivial, "one")
    assert record["Status"] == "Failed"
    assert record["FailureReason"].startswith("no /opt/ml/input/x")
    assert len(record["FailureReason"]) == 1024


def test_a_fault_of_ours_is_an_internal_error(engine, resources, kind):
    trivial = kind(failing(KeyError("oops")))
    start(engine, resources, trivial, "one")
    assert ended(resources, trivial, "one")["FailureReason"] == INTERNAL_ERROR


@pytest.mark.parametrize("number", [errno.ENOSPC, errno.EDQUOT, errno.EFBIG])
def test_a_full_disk_is_called_so(engine, resources, kind, number):
    def run(job):
        path = str(job.folder / "model.tar.gz")
        raise OSError(number, os.strerror(number), path)

    trivial = kind(run)
    start(engine, resources, trivial, "one")
    reason = ended(resources, trivial, "one")["FailureReason"]
    assert reason.startswith("ClientError: The disk is full")
    assert reason.endswith("'/opt/ml/model.tar.gz'")


def test_an_end_that_finds_no_room_is_written_later(
    engine, resources, kind, monkeypatch
):
    refused = threading.Event()
    update = resources.update

    def update_with_room(*arguments):
        if not refused.is_set():
            refused.set()
            raise StorageError("database or disk is full")
        return update(*arguments)

    trivial = kind(lambda job: None)
    monkeypatch.setattr(resources, "update", update_with_room)
    start(engine, resources, trivial, "one")
    assert ended(resources, trivial, "one")["Status"] == "Completed"
    assert refused.is_set()


def test_a_job_that_was_asked_to_stop_is_never_completed(engine, resources, kind):
    begun, go_on = threading.Event(), threading.Event()

    def run(job):
        begun.set()
        go_on.wait(PATIENCE_S)

    trivial = kind(run)
    start(engine, resources, trivial, "one")
    assert begun.wait(PATIENCE_S)
    resources.update(REGION, trivial, "one", KINDS[trivial].request_stop)
    engine.stop(trivial, REGION, "one")
    with pytest.raises(NotInProgress) as caught:
        resources.update(REGION, trivial, "one", KINDS[trivial].request_stop)
    assert caught.value.status == "Stopping"
    go_on.set()
    assert ended(resources, trivial, "one")["Status"] == "Stopped"


def test_a_job_that_waits_for_a_place_stops_without_one(engine, resources, kind):
    go_on = threading.Event()
    trivial = kind(lambda job: go_on.wait(PATIENCE_S))
    for number in range(MAX_RUNNING + 1):
        start(engine, resources, trivial, str(number))
    waiting = str(MAX_RUNNING)
    resources.update(REGION, trivial, waiting, KINDS[trivial].request_stop)
    engine.stop(trivial, REGION, waiting)
    assert ended(resources, trivial, waiting)["Status"] == "Stopped"
    assert resources.get(REGION, trivial, "0")["Status"] == "InProgress"
    go_on.set()
    for number in range(MAX_RUNNING):
        assert ended(resources, trivial, str(number))["Status"] == "Completed"


def test_the_end_of_the_stand_in_ends_all_jobs_at_once(
    resources, tmp_path, kind, monkeypatch
):
    def run(job):
        assert job.woken.wait(PATIENCE_S)
        job.check()

    engine = JobEngine(resources, None, tmp_path / "jobs")
    trivial = kind(run)
    names = [str(number) for number in range(MAX_RUNNING + 2)]
    for name in names:
        start(engine, resources, trivial, name)
    monkeypatch.setattr("local_aws.jobs.engine.CLOSE_SECONDS", PATIENCE_S / 2)
    before = time.monotonic()
    engine.close()
    assert time.monotonic() - before < PATIENCE_S / 2
    for name in names:
        record = resources.get(REGION, trivial, name)
        assert (record["Status"], record["FailureReason"]) == ("Failed", INTERNAL_ERROR)


@pytest.mark.parametrize("error", [JobFailed("no connection"), OSError("refused")])
def test_what_a_job_fails_of_at_the_end_of_the_stand_in_is_no_fault_of_its_own(
    resources, tmp_path, kind, error, caplog
):
    begun = threading.Event()

    def run(job):
        begun.set()
        assert job.woken.wait(PATIENCE_S)
        raise error

    engine = JobEngine(resources, None, tmp_path / "jobs")
    trivial = kind(run)
    start(engine, resources, trivial, "one")
    assert begun.wait(PATIENCE_S)
    engine.close()
    assert ended(resources, trivial, "one")["FailureReason"] == INTERNAL_ERROR
    assert not [record for record in caplog.records if record.levelname == "ERROR"]


def test_coordinators_hold_no_place_of_the_jobs_that_they_wait_for(
    engine, resources, kind, monkeypatch
):
    monkeypatch.setitem(
        KINDS,
        TRAINING.name,
        replace(TRAINING, run=lambda job: job.begin_attempt("Downloading")),
    )

    def run(job):
        child = f"{job.name}-001"
        start(job.engine, resources, TRAINING.name, child)
        record = ended(resources, TRAINING.name, child)
        assert record["TrainingJobStatus"] == "Completed"

    tuning = kind(run, "coordinator", coordinates=True)
    names = [f"tuning-{number}" for number in range(2 * MAX_RUNNING)]
    for name in names:
        start(engine, resources, tuning, name)
    for name in names:
        assert ended(resources, tuning, name)["Status"] == "Completed"


def test_coordinators_take_no_threads(engine, resources, kind, monkeypatch):
    monkeypatch.setattr(os, "cpu_count", lambda: 8)
    found = {}

    def run(job):
        found[job.name] = job.threads
        if job.kind.coordinates:
            start(engine, resources, "worker", f"{job.name}-001")
            ended(resources, "worker", f"{job.name}-001")

    worker, coordinator = kind(run, "worker"), kind(run, "c", coordinates=True)
    start(engine, resources, coordinator, "one")
    ended(resources, coordinator, "one")
    assert found["one-001"] == 8
    assert worker in KINDS


def test_who_waits_for_a_job_is_told_of_its_end(engine, resources, kind):
    told = threading.Event()
    trivial = kind(lambda job: None)
    observer = Observer(ended=told.set)
    engine.begin(trivial, REGION, "one", {}, "arn", {"team": "a"}, observer)
    assert told.wait(PATIENCE_S)
    assert resources.get(REGION, trivial, "one")["Status"] == "Completed"
    assert resources.tags("arn") == {"team": "a"}


def test_who_waits_for_a_job_without_a_place_is_told_of_its_stop(
    engine, resources, kind
):
    told, go_on = threading.Event(), threading.Event()
    trivial = kind(lambda job: go_on.wait(PATIENCE_S))
    for number in range(MAX_RUNNING):
        start(engine, resources, trivial, str(number))
    engine.begin(trivial, REGION, "waits", {}, "arn", {}, Observer(ended=told.set))
    engine.request_stop(trivial, REGION, "waits")
    assert told.wait(PATIENCE_S)
    assert resources.get(REGION, trivial, "waits")["Status"] == "Stopped"
    go_on.set()


def test_a_job_that_is_over_needs_no_stop(engine, resources, kind):
    trivial = kind(lambda job: None)
    start(engine, resources, trivial, "one")
    ended(resources, trivial, "one")
    engine.request_stop(trivial, REGION, "one")
    engine.request_stop(trivial, REGION, "nobody")
    assert resources.get(REGION, trivial, "one")["Status"] == "Completed"


def test_a_job_that_coordinates_goes_on_in_the_next_process(resources, tmp_path, kind):
    runs = []

    def run(job):
        runs.append(job.name)
        if len(runs) == 1:
            assert job.woken.wait(PATIENCE_S)
            job.check()

    coordinator = kind(run, "c", coordinates=True)
    first = JobEngine(resources, None, tmp_path / "jobs")
    start(first, resources, coordinator, "one")
    deadline = time.monotonic() + PATIENCE_S
    while not runs:
        assert time.monotonic() < deadline
        time.sleep(0.01)
    first.close()
    assert resources.get(REGION, coordinator, "one")["Status"] == "InProgress"
    second = JobEngine(resources, None, tmp_path / "jobs")
    second.restore()
    assert ended(resources, coordinator, "one")["Status"] == "Completed"
    assert runs == ["one", "one"]
    second.close()


def test_how_long_all_attempts_have_run(monkeypatch):
    record = {}
    set_clocks(monkeypatch, wall=[], steady=[0.0, 10.5, 30.0, 34.0])
    assert attempts.so_far(record) == 0
    attempts.begin(record, 100.0)
    attempts.end(record, 110.5)
    attempts.begin(record, 130.0)
    assert attempts.so_far(record) == 14.5


def test_one_attempt_is_billed_from_its_start_to_its_end(monkeypatch):
    record = trained(monkeypatch, wall=[10.0, 12.0, 15.5], steady=[2.0, 5.5])
    assert (record["TrainingStartTime"], record["TrainingEndTime"]) == (12.0, 15.5)
    assert record["TrainingTimeInSeconds"] == record["BillableTimeInSeconds"] == 4


def set_clocks(monkeypatch, wall: list[float], steady: list[float]) -> None:
    """What the two clocks say, one call after the other, to jobs and nobody else."""
    times, ticks = iter(wall), iter(steady)
    clocks = SimpleNamespace(time=lambda: next(times), monotonic=lambda: next(ticks))
    monkeypatch.setattr(persisted, "time", clocks)
    monkeypatch.setattr(attempts, "time", clocks)


def trained(monkeypatch, wall: list[float], steady: list[float]) -> dict:
    """The record of a job that was created, began and ended at these times."""
    record = {}
    set_clocks(monkeypatch, wall, steady)
    TRAINING.create(record)
    TRAINING.begin_attempt(record, "Downloading")
    TRAINING.end(record, "Completed")
    return record


@pytest.mark.parametrize("step", [3600.0, -3600.0, 86400.0, -86400.0, -3.0])
def test_a_clock_that_is_set_while_a_job_runs_is_not_billed(monkeypatch, step):
    record = trained(
        monkeypatch, wall=[1e9, 1e9 + 1, 1e9 + 3.5 + step], steady=[5.0, 7.5]
    )
    assert record["TrainingTimeInSeconds"] == record["BillableTimeInSeconds"] == 3
    assert (
        record["CreationTime"]
        <= record["TrainingStartTime"]
        <= record["TrainingEndTime"]
        <= record["LastModifiedTime"]
    )
    for transition in record["SecondaryStatusTransitions"]:
        assert transition["StartTime"] <= transition["EndTime"]


def test_a_job_of_no_time_at_all_is_billed_a_second(monkeypatch):
    """The least that the service model allows."""
    record = trained(monkeypatch, wall=[10.0, 10.0, 10.0], steady=[2.0, 2.0])
    assert record["TrainingTimeInSeconds"] == record["BillableTimeInSeconds"] == 1


def test_the_time_in_which_the_stand_in_did_not_run_is_not_billed(monkeypatch):
    record = {}
    set_clocks(monkeypatch, wall=[1e9, 1e9 + 1, 1e9 + 4, 1e9 + 300_000], steady=[5.0])
    TRAINING.create(record)
    TRAINING.begin_attempt(record, "Downloading")
    TRAINING.advance(record, "Training")
    TRAINING.fail_internally(record)  # by the stand-in that starts three days later
    assert record["BillableTimeInSeconds"] == record["TrainingTimeInSeconds"] == 3


def test_what_lies_between_two_attempts_is_not_billed(monkeypatch):
    record = {}
    set_clocks(monkeypatch, wall=[], steady=[0.0, 10.5, 30.0, 40.2])
    attempts.begin(record, 100.0)
    attempts.end(record, 110.5)
    attempts.end(record, 111.0)  # the first end counts
    attempts.begin(record, 130.0)
    attempts.end(record, 140.2)
    assert attempts.seconds(record) == (41, 21)


def test_a_job_that_never_began_has_no_times():
    record = {}
    TRAINING.create(record)
    TRAINING.request_stop(record)
    with pytest.raises(JobStopped):
        TRAINING.begin_attempt(record, "Downloading")
    TRAINING.end(record, "Stopped")
    assert record["TrainingJobStatus"] == "Stopped"
    assert not {"TrainingStartTime", "TrainingEndTime", "BillableTimeInSeconds"} & set(
        record
    )


def test_unfinished_jobs_of_an_earlier_run_are_failed(resources, tmp_path, kind):
    trivial = kind(lambda job: None)
    for name, status in (("a", "InProgress"), ("b", "Stopping"), ("c", "Completed")):
        resources.create(REGION, trivial, name, {"Status": status, "StartTime": 1.0})
    JobEngine(resources, None, tmp_path / "jobs").close()
    found = {name: resources.get(REGION, trivial, name) for name in "abc"}
    assert [record["Status"] for record in found.values()] == [
        "Failed",
        "Failed",
        "Completed",
    ]
    assert found["b"]["FailureReason"] == INTERNAL_ERROR
