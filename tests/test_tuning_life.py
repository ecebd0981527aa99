"""How a tuning job runs its training jobs, with trainings that do as they are told."""

import threading
import time
from dataclasses import replace

import pytest

from local_aws.errors import StorageError
from local_aws.jobs import attempts, tuning_search
from local_aws.jobs.engine import JobEngine
from local_aws.jobs.job import JobFailed, JobStopped, ShuttingDown
from local_aws.jobs.kinds import KINDS
from local_aws.jobs.tuning import TRAINING
from local_aws.persistence.resources import Resources
from local_aws.sagemaker.tuning_jobs import TUNING_JOBS

REGION = "us-east-1"
PATIENCE_S = 60
NAME = "tune"
ARN = f"arn:aws:sagemaker:{REGION}:123456789012:{TUNING_JOBS.kind}/{NAME}"


@pytest.fixture
def resources(tmp_path):
    opened = Resources(tmp_path / "sagemaker.sqlite")
    yield opened
    opened.close()


@pytest.fixture
def engine(resources, tmp_path):
    running = JobEngine(resources, None, tmp_path / "jobs")
    yield running
    running.close()


@pytest.fixture
def trains(monkeypatch):
    """Have training jobs run this function instead."""

    def register(run):
        kind = replace(KINDS[TRAINING], run=run)
        monkeypatch.setitem(KINDS, TRAINING, kind)

    return register


def number_of(job):
    return int(job.name.split("-")[-2])


def measure(job, *values):
    """Print these values of the objective."""
    for value in values:
        job.observer.measured("validation:rmse", value)
    metric = {"MetricName": "validation:rmse", "Value": values[-1], "Timestamp": 1.0}
    job.results["FinalMetricDataList"] = [metric]


def wait_until_stopped(job):
    assert job.woken.wait(PATIENCE_S)
    job.check()


def start(engine, resources, total=6, parallel=3, seconds=None, **config):
    limits = {"MaxNumberOfTrainingJobs": total, "MaxParallelTrainingJobs": parallel}
    if seconds is not None:
        limits["MaxRuntimeInSeconds"] = seconds
    ranges = [{"Name": "eta", "MinValue": "0", "MaxValue": "1"}]
    record = {
        "HyperParameterTuningJobArn": ARN,
        "HyperParameterTuningJobConfig": {
            "Strategy": "Random",
            "HyperParameterTuningJobObjective": {
                "Type": "Minimize",
                "MetricName": "validation:rmse",
            },
            "ResourceLimits": limits,
            "ParameterRanges": {"ContinuousParameterRanges": ranges},
            **config,
        },
        "TrainingJobDefinition": {
            "StaticHyperParameters": {},
            "AlgorithmSpecification": {
                "TrainingImage": "683313688378.dkr.ecr.us-east-1.amazonaws.com/"
                "sagemaker-xgboost:3.2-0",
                "TrainingInputMode": "File",
                "MetricDefinitions": [],
            },
            "OutputDataConfig": {"S3OutputPath": "s3://bucket/out"},
        },
        "_seed": 7,
    }
    KINDS[TUNING_JOBS.kind].create(record)
    resources.create(REGION, TUNING_JOBS.kind, NAME, record, ARN)
    engine.start(TUNING_JOBS.kind, REGION, NAME)


def wait_for(condition):
    deadline = time.monotonic() + PATIENCE_S
    while not (found := condition()):
        assert time.monotonic() < deadline
        time.sleep(0.01)
    return found


def ended(resources):
    def record():
        found = resources.get(REGION, TUNING_JOBS.kind, NAME)
        return None if TUNING_JOBS.is_transitional(found) else found

    return wait_for(record)


def test_a_slow_job_holds_up_those_that_need_its_result(engine, resources, trains):
    """Of three at a time, 2 and 3 go on to 4 only when 1 has ended."""
    begun, go_on = [], threading.Event()

    def run(job):
        job.begin_attempt("Downloading")
        begun.append(number_of(job))
        if number_of(job) == 1:
            assert go_on.wait(PATIENCE_S)
        measure(job, 1.0)

    trains(run)
    start(engine, resources)

    def two_and_three_have_ended():
        record = resources.get(REGION, TUNING_JOBS.kind, NAME)
        return record.get("TrainingJobStatusCounters", {}).get("Completed") == 2

    wait_for(two_and_three_have_ended)
    assert sorted(begun) == [1, 2, 3]
    go_on.set()
    assert ended(resources)["TrainingJobStatusCounters"]["Completed"] == 6
    assert sorted(begun) == [1, 2, 3, 4, 5, 6]


def test_a_choice_follows_from_the_results_of_all_that_came_before(
    engine, resources, trains, monkeypatch
):
    asked = {}
    suggest = tuning_search.suggest

    def noted(ranges, strategy, seed, number, earlier, maximize):
        asked[number] = [trial.objective for trial in earlier]
        assert (strategy, seed, maximize) == ("Random", 7, False)
        return suggest(ranges, strategy, seed, number, earlier, maximize)

    def run(job):
        job.begin_attempt("Downloading")
        if number_of(job) == 2:
            raise JobFailed("AlgorithmError: , exit code: 1")
        measure(job, float(number_of(job)))

    monkeypatch.setattr(tuning_search, "suggest", noted)
    trains(run)
    start(engine, resources)
    ended(resources)
    assert asked == {
        1: [],
        2: [],
        3: [],
        4: [1.0],
        5: [1.0, None],
        6: [1.0, None, 3.0],
    }


def test_the_time_that_it_may_take_ends_it(engine, resources, trains, monkeypatch):
    """It has done what it was to do: what still runs is stopped."""
    one_has_measured, so_far = threading.Event(), attempts.so_far

    def run(job):
        job.begin_attempt("Downloading")
        measure(job, 3.0)
        one_has_measured.set()
        wait_until_stopped(job)

    def so_far_from_then_on(record):
        return so_far(record) if one_has_measured.is_set() else 0.0

    monkeypatch.setattr(attempts, "so_far", so_far_from_then_on)
    trains(run)
    start(engine, resources, parallel=2, seconds=0.2)
    record = ended(resources)
    assert record["HyperParameterTuningJobStatus"] == "Completed"
    assert record["TrainingJobStatusCounters"]["Stopped"] == 2
    assert sum(record["TrainingJobStatusCounters"].values()) == 2
    assert record["ConsumedResources"]["RuntimeInSeconds"] >= 1
    assert record["BestTrainingJob"]["TrainingJobStatus"] == "Stopped"


@pytest.mark.parametrize(("kind", "stopped"), [("Auto", 1), ("Off", 0)])
def test_one_that_falls_behind_is_stopped_early(
    engine, resources, trains, kind, stopped
):
    ends = {}

    def run(job):
        job.begin_attempt("Downloading")
        number = number_of(job)
        measure(job, *((5.0, 4.0) if number < 3 else (9.0,)))
        if number == 3 and kind == "Auto":
            try:
                wait_until_stopped(job)
            except JobStopped:
                ends[number] = "stopped"
                raise

    trains(run)
    start(engine, resources, total=3, parallel=1, TrainingJobEarlyStoppingType=kind)
    record = ended(resources)
    assert record["HyperParameterTuningJobStatus"] == "Completed"
    assert record["TrainingJobStatusCounters"]["Stopped"] == stopped
    assert record["ObjectiveStatusCounters"]["Succeeded"] == 3
    assert len(ends) == stopped


def test_one_that_keeps_up_is_not_stopped_early(engine, resources, trains):
    def run(job):
        job.begin_attempt("Downloading")
        measure(job, 5.0 - number_of(job), 4.0 - number_of(job))

    trains(run)
    start(engine, resources, total=3, parallel=1, TrainingJobEarlyStoppingType="Auto")
    assert ended(resources)["TrainingJobStatusCounters"]["Completed"] == 3


def test_a_fault_of_ours_leaves_nothing_running(engine, resources, trains, monkeypatch):
    suggest = tuning_search.suggest

    def broken(ranges, strategy, seed, number, earlier, maximize):
        if number == 4:
            raise ZeroDivisionError
        return suggest(ranges, strategy, seed, number, earlier, maximize)

    def run(job):
        job.begin_attempt("Downloading")
        measure(job, 1.0)
        if number_of(job) > 1:
            wait_until_stopped(job)

    monkeypatch.setattr(tuning_search, "suggest", broken)
    trains(run)
    start(engine, resources)
    record = ended(resources)
    assert record["HyperParameterTuningJobStatus"] == "Failed"
    assert record["FailureReason"].startswith("InternalServerError")
    assert record["TrainingJobStatusCounters"]["Stopped"] == 2


def test_one_that_can_t_be_made_is_waited_for_by_nobody(
    engine, resources, trains, monkeypatch
):
    begin = engine.begin

    def without_room(kind, region, name, *rest):
        if "-003-" in name:
            raise StorageError("database or disk is full")
        begin(kind, region, name, *rest)

    def run(job):
        job.begin_attempt("Downloading")
        measure(job, 1.0)
        wait_until_stopped(job)

    monkeypatch.setattr(engine, "begin", without_room)
    trains(run)
    start(engine, resources)
    record = ended(resources)
    assert record["HyperParameterTuningJobStatus"] == "Failed"
    assert record["TrainingJobStatusCounters"]["Stopped"] == 2
    assert sum(record["TrainingJobStatusCounters"].values()) == 2


def test_a_full_disk_leaves_nothing_running_either(
    engine, resources, trains, monkeypatch
):
    """What it has to say of its training jobs it says when there is room again."""
    is_full, stopped = threading.Event(), threading.Event()
    update = resources.update

    def update_with_room(region, kind, name, change):
        is_ours = kind == TUNING_JOBS.kind or change.__name__ == "request_stop"
        if is_full.is_set() and is_ours:
            raise StorageError("database or disk is full")
        return update(region, kind, name, change)

    def run(job):
        job.begin_attempt("Downloading")
        measure(job, 1.0)
        if number_of(job) == 1:
            assert second_runs.wait(PATIENCE_S)
            is_full.set()
        else:
            second_runs.set()
            try:
                wait_until_stopped(job)
            finally:
                stopped.set()

    second_runs = threading.Event()
    monkeypatch.setattr("local_aws.jobs.engine.FULL_DISK_SECONDS", 0.01)
    monkeypatch.setattr(resources, "update", update_with_room)
    trains(run)
    start(engine, resources, total=4, parallel=2)
    assert stopped.wait(PATIENCE_S)
    is_full.clear()
    record = ended(resources)
    assert record["HyperParameterTuningJobStatus"] == "Failed"
    counters = record["TrainingJobStatusCounters"]
    assert (counters["Completed"], counters["Stopped"]) == (1, 1)
    assert sum(counters.values()) == 2


def test_one_whose_training_job_is_deleted_goes_on(engine, resources, trains):
    """It may be gone before anybody has looked at how it ended."""

    def run(job):
        job.begin_attempt("Downloading")
        if number_of(job) == 2:
            job.resources.delete(REGION, TRAINING, job.name)
        measure(job, 1.0)

    trains(run)
    start(engine, resources, total=4, parallel=1)
    record = ended(resources)
    assert record["HyperParameterTuningJobStatus"] == "Completed"
    assert record["TrainingJobStatusCounters"]["Completed"] == 3
    assert record["ObjectiveStatusCounters"]["Failed"] == 1


def test_the_next_process_starts_what_was_listed_and_never_made(
    resources, trains, tmp_path
):
    """A training job is listed before it is made."""
    first_runs, go_on = threading.Event(), threading.Event()

    def run(job):
        job.begin_attempt("Downloading")
        first_runs.set()
        if not go_on.is_set():
            assert job.woken.wait(PATIENCE_S)
            assert job.ended_by is ShuttingDown
            job.check()
        measure(job, float(number_of(job)))

    trains(run)
    engine = JobEngine(resources, None, tmp_path / "jobs")
    start(engine, resources, total=2, parallel=1)
    assert first_runs.wait(PATIENCE_S)
    engine.close()
    record = resources.get(REGION, TUNING_JOBS.kind, NAME)
    ((_, name, values),) = record["_children"]
    resources.delete(REGION, TRAINING, name)
    go_on.set()
    second = JobEngine(resources, None, tmp_path / "jobs")
    second.restore()
    record = ended(resources)
    assert record["TrainingJobStatusCounters"]["Completed"] == 2
    assert sum(record["TrainingJobStatusCounters"].values()) == 2
    (number, again, same), _ = record["_children"]
    assert (number, same) == (1, values)
    assert again != name
    second.close()
