"""Tuning jobs outlive the stand-in's process: what was cut off is trained again."""

from contextlib import contextmanager

import boston
import tuning_requests as tuning
from conftest import start_stand_in, stop_stand_in

from local_aws.errors import INTERNAL_ERROR

DONE = "Completed"

# A line a round, for a moment.
A_WHILE = {"objective": "reg:squarederror", "num_round": "100"}


@contextmanager
def running(home):
    stand_in = start_stand_in(home)
    try:
        yield stand_in
    finally:
        if stand_in.process.poll() is None:
            stop_stand_in(stand_in)


def upload(stand_in):
    """Put the data into a bucket; returns it."""
    s3 = stand_in.client("s3")
    bucket = boston.name("sagemaker-tuning")
    s3.create_bucket(Bucket=bucket)
    boston.upload(s3, bucket)
    return bucket


def end(stand_in, how):
    getattr(stand_in.process, how)()
    stand_in.process.wait(timeout=30)


def by_number(sagemaker, job):
    """(values, objective) of the trainings that completed, by their numbers."""
    done = {}
    for one in tuning.children(sagemaker, job):
        if one["TrainingJobStatus"] == "Completed":
            number = int(one["TrainingJobName"].split("-")[-2])
            assert number not in done
            done[number] = one["TunedHyperParameters"], tuning.value(one)
    return done


def counted(listed):
    """What the counters have to say of these summaries."""
    counters = dict.fromkeys(
        ("Completed", "InProgress", "RetryableError", "NonRetryableError", "Stopped"), 0
    )
    for one in listed:
        status = one["TrainingJobStatus"]
        if status == "Failed":
            is_ours = one["FailureReason"] == INTERNAL_ERROR
            status = "RetryableError" if is_ours else "NonRetryableError"
        counters["InProgress" if status == "Stopping" else status] += 1
    return counters


def test_it_goes_on_as_if_nothing_had_happened(home):
    with running(home) as first:
        sagemaker, data = first.client("sagemaker"), upload(first)
        whole = tuning.create(sagemaker, data, static=A_WHILE)
        expected = tuning.wait(sagemaker, whole)["BestTrainingJob"]
        broken = tuning.create(sagemaker, data, static=A_WHILE)
        tuning.wait_for_children(sagemaker, broken, lambda found: len(found) >= 2)
        end(first, "kill")
    with running(home) as second:
        sagemaker = second.client("sagemaker")
        tuning.wait_for_children(sagemaker, broken, lambda found: len(found) >= 5)
        end(second, "terminate")
    with running(home) as third:
        sagemaker = third.client("sagemaker")
        done = tuning.wait(sagemaker, broken)
        assert done["HyperParameterTuningJobStatus"] == "Completed"
        assert by_number(sagemaker, broken) == by_number(sagemaker, whole)
        listed = tuning.children(sagemaker, broken)
        assert done["TrainingJobStatusCounters"] == counted(listed)
        best = done["BestTrainingJob"]
        assert best["TunedHyperParameters"] == expected["TunedHyperParameters"]


def test_what_was_cut_off_is_started_again_and_what_had_ended_is_not(home):
    rounds = {"Name": "num_round", "Values": ["10", "1000000"]}
    with running(home) as first:
        sagemaker, data = first.client("sagemaker"), upload(first)
        over = tuning.create(sagemaker, data, total=1, parallel=1)
        before = tuning.wait(sagemaker, over)
        job = tuning.create(
            sagemaker,
            data,
            total=2,
            parallel=2,
            static={"objective": "reg:squarederror"},
            Strategy="Grid",
            ParameterRanges={"CategoricalParameterRanges": [rounds]},
        )
        short, cut_off = tuning.wait_for_children(
            sagemaker,
            job,
            lambda found: len(found) == 2 and found[0]["TrainingJobStatus"] == DONE,
        )
        assert cut_off["TrainingJobStatus"] == "InProgress"
        end(first, "kill")
    with running(home) as second:
        sagemaker = second.client("sagemaker")
        listed = tuning.wait_for_children(sagemaker, job, lambda found: len(found) == 3)
        assert listed[0] == short
        found = {one["TrainingJobStatus"]: one for one in listed[1:]}
        assert found["Failed"]["TrainingJobName"] == cut_off["TrainingJobName"]
        assert found["Failed"]["FailureReason"] == INTERNAL_ERROR
        again = found["InProgress"]
        assert again["TunedHyperParameters"] == cut_off["TunedHyperParameters"]
        assert again["TrainingJobName"].startswith(f"{job}-002-")
        sagemaker.stop_training_job(TrainingJobName=again["TrainingJobName"])
        done = tuning.wait(sagemaker, job)
        after = tuning.describe(sagemaker, over)
        for answer in (before, after):
            del answer["ResponseMetadata"]
        assert after == before
        assert done["HyperParameterTuningJobStatus"] == "Completed"
        assert done["TrainingJobStatusCounters"] == {
            "Completed": 1,
            "InProgress": 0,
            "RetryableError": 1,
            "NonRetryableError": 0,
            "Stopped": 1,
        }


def test_one_that_was_stopping_stops(home):
    with running(home) as first:
        sagemaker, data = first.client("sagemaker"), upload(first)
        job = tuning.create(sagemaker, data, parallel=2, static=tuning.ENDLESS)
        tuning.wait_for_children(sagemaker, job, lambda found: len(found) == 2)
        sagemaker.stop_hyper_parameter_tuning_job(HyperParameterTuningJobName=job)
        end(first, "kill")
    with running(home) as second:
        sagemaker = second.client("sagemaker")
        done = tuning.wait(sagemaker, job)
        assert done["HyperParameterTuningJobStatus"] == "Stopped"
        listed = tuning.children(sagemaker, job)
        assert done["TrainingJobStatusCounters"] == counted(listed)
        assert done["TrainingJobStatusCounters"]["InProgress"] == 0
        assert len(listed) == 2
