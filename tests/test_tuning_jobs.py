"""Tuning jobs through boto3: what they train, list, count and say."""

import re
from contextlib import suppress

import boston
import pytest
import tuning_requests as tuning
from botocore.exceptions import ClientError

from local_aws.errors import INTERNAL_ERROR

GROUP = "/aws/sagemaker/TrainingJobs"
BOUNDS = {"eta": (0.05, 0.5), "max_depth": (2, 8)}


@pytest.fixture(scope="module")
def sagemaker(stand_in):
    return stand_in.client("sagemaker")


@pytest.fixture(scope="module")
def data(stand_in):
    s3 = stand_in.client("s3")
    bucket = boston.name("sagemaker-tuning")
    s3.create_bucket(Bucket=bucket)
    boston.upload(s3, bucket)
    return bucket


@pytest.fixture(scope="module")
def completed(sagemaker, data):
    """Six training jobs, three at a time."""
    request = tuning.request(data, tuning.name())
    sagemaker.create_hyper_parameter_tuning_job(
        **request, Tags=[{"Key": "team", "Value": "a"}]
    )
    return tuning.wait(sagemaker, request["HyperParameterTuningJobName"])


@pytest.fixture(scope="module")
def trained(sagemaker, completed):
    """Its training jobs as DescribeTrainingJob shows them, by name."""
    listed = tuning.children(sagemaker, completed["HyperParameterTuningJobName"])
    return {
        one["TrainingJobName"]: sagemaker.describe_training_job(
            TrainingJobName=one["TrainingJobName"]
        )
        for one in listed
    }


def described(completed):
    return completed["HyperParameterTuningJobName"]


def test_it_trains_as_often_as_it_is_told(completed):
    assert completed["HyperParameterTuningJobStatus"] == "Completed"
    assert completed["TrainingJobStatusCounters"] == {
        "Completed": 6,
        "InProgress": 0,
        "RetryableError": 0,
        "NonRetryableError": 0,
        "Stopped": 0,
    }
    counters = completed["ObjectiveStatusCounters"]
    assert counters == {"Succeeded": 6, "Pending": 0, "Failed": 0}
    assert completed["CreationTime"] < completed["HyperParameterTuningEndTime"]
    assert completed["ConsumedResources"]["RuntimeInSeconds"] >= 1


def test_training_jobs_are_named_after_it_and_numbered(completed, trained):
    for number, name in enumerate(sorted(trained), 1):
        assert re.fullmatch(
            rf"{described(completed)}-{number:03d}-[0-9a-f]{{8}}", name
        ), name


def test_training_jobs_are_ordinary_ones(stand_in, sagemaker, completed, trained):
    for name, job in trained.items():
        assert job["TrainingJobStatus"] == "Completed"
        assert job["TuningJobArn"] == completed["HyperParameterTuningJobArn"]
        bucket, key = job["ModelArtifacts"]["S3ModelArtifacts"][5:].split("/", 1)
        assert stand_in.client("s3").head_object(Bucket=bucket, Key=key)
        assert boston.log_lines(stand_in.client("logs"), GROUP, f"{name}/")
        tags = sagemaker.list_tags(ResourceArn=job["TrainingJobArn"])["Tags"]
        assert tags == [{"Key": "team", "Value": "a"}]
    listed = sagemaker.list_training_jobs(
        NameContains=described(completed), MaxResults=100
    )
    found = {one["TrainingJobName"] for one in listed["TrainingJobSummaries"]}
    assert found == set(trained)


def test_each_gets_what_is_static_what_is_tuned_and_the_objective(
    sagemaker, completed, trained
):
    for one in tuning.children(sagemaker, described(completed)):
        given = trained[one["TrainingJobName"]]["HyperParameters"]
        tuned = one["TunedHyperParameters"]
        assert given == {
            **tuning.STATIC,
            **tuned,
            "_tuning_objective_metric": "validation:rmse",
        }
        assert set(tuned) == set(BOUNDS)
        for name, (low, high) in BOUNDS.items():
            assert low <= float(tuned[name]) <= high
        assert str(int(tuned["max_depth"])) == tuned["max_depth"]


def test_the_objective_is_the_last_value_in_the_log(
    stand_in, sagemaker, completed, trained
):
    for one in tuning.children(sagemaker, described(completed)):
        name = one["TrainingJobName"]
        lines = boston.log_lines(stand_in.client("logs"), GROUP, f"{name}/")
        printed = re.findall(r"validation-rmse:([0-9.]+)", "\n".join(lines))
        assert len(printed) == 10
        assert tuning.value(one) == pytest.approx(float(printed[-1]))
        assert one["ObjectiveStatus"] == "Succeeded"
        assert one["TrainingStartTime"] <= one["TrainingEndTime"]
        final = trained[name]["FinalMetricDataList"]
        assert {metric["MetricName"] for metric in final} == {
            "ObjectiveMetric",
            "train:rmse",
            "validation:rmse",
        }


def test_the_best_one_has_the_least_error(sagemaker, completed):
    listed = tuning.children(sagemaker, described(completed))
    best = min(listed, key=tuning.value)
    assert completed["BestTrainingJob"] == best
    assert max(listed, key=tuning.value) != best


def test_more_is_better_where_the_objective_says_so(sagemaker, data):
    job = tuning.create(
        sagemaker,
        data,
        total=3,
        HyperParameterTuningJobObjective={
            "Type": "Maximize",
            "MetricName": "validation:r2",
        },
    )
    done = tuning.wait(sagemaker, job)
    listed = tuning.children(sagemaker, job)
    assert done["BestTrainingJob"] == max(listed, key=tuning.value)


def test_three_run_at_a_time_and_the_fourth_waits_for_the_first(trained):
    jobs = [trained[name] for name in sorted(trained)]
    for number, job in enumerate(jobs):
        running = [
            other
            for other in jobs[:number]
            if other["TrainingEndTime"] > job["CreationTime"]
        ]
        assert len(running) < 3
        if number >= 3:
            ended = jobs[number - 3]["TrainingEndTime"]
            assert job["CreationTime"] >= ended


def test_describe_shows_what_aws_adds(completed):
    definition = completed["TrainingJobDefinition"]
    static = definition["StaticHyperParameters"]
    assert static == {**tuning.STATIC, "_tuning_objective_metric": "validation:rmse"}
    *_, last = definition["AlgorithmSpecification"]["MetricDefinitions"]
    assert last["Name"] == "ObjectiveMetric"
    assert "validation-rmse" in last["Regex"]
    ranges = completed["HyperParameterTuningJobConfig"]["ParameterRanges"]
    (depth,) = ranges["IntegerParameterRanges"]
    assert depth["ScalingType"] == "Auto"
    assert not [member for member in completed if member.startswith("_")]


def test_the_same_seed_chooses_the_same_whatever_else_runs(sagemaker, data):
    jobs = [tuning.create(sagemaker, data, total=5, parallel=2) for _ in range(2)]
    other = tuning.create(sagemaker, data, total=5, parallel=2, RandomSeed=8)
    chosen = []
    for job in (*jobs, other):
        tuning.wait(sagemaker, job)
        listed = tuning.children(sagemaker, job)
        chosen.append(
            [(one["TunedHyperParameters"], tuning.value(one)) for one in listed]
        )
    assert chosen[0] == chosen[1] != chosen[2]


def test_without_a_seed_two_runs_differ(sagemaker, data):
    request = tuning.request(data, "")
    del request["HyperParameterTuningJobConfig"]["RandomSeed"]
    chosen = []
    for _ in range(2):
        request["HyperParameterTuningJobName"] = job = tuning.name()
        sagemaker.create_hyper_parameter_tuning_job(**request)
        tuning.wait(sagemaker, job)
        listed = tuning.children(sagemaker, job)
        chosen.append([one["TunedHyperParameters"] for one in listed])
    assert chosen[0] != chosen[1]


SCALED = {
    "Auto": ("0.05", "0.5"),
    "Linear": ("0", "1"),
    "Logarithmic": ("0.001", "0.1"),
    "ReverseLogarithmic": ("0.5", "0.999"),
}


@pytest.mark.parametrize("strategy", ["Bayesian", "Random"])
@pytest.mark.parametrize("scaling", SCALED)
def test_each_strategy_searches_on_each_scale(sagemaker, data, strategy, scaling):
    low, high = SCALED[scaling]
    bounds = {"MinValue": low, "MaxValue": high, "ScalingType": scaling}
    job = tuning.create(
        sagemaker,
        data,
        total=5,
        parallel=1,
        static={"objective": "reg:squarederror", "num_round": "2"},
        Strategy=strategy,
        ParameterRanges={"ContinuousParameterRanges": [{"Name": "eta", **bounds}]},
    )
    done = tuning.wait(sagemaker, job)
    assert done["TrainingJobStatusCounters"]["Completed"] == 5, done
    tried = [
        float(one["TunedHyperParameters"]["eta"])
        for one in tuning.children(sagemaker, job)
    ]
    assert len(set(tried)) == 5
    assert all(float(low) <= value <= float(high) for value in tried)


def test_grid_tries_each_combination_once(sagemaker, data):
    ranges = {
        "CategoricalParameterRanges": [
            {"Name": "eta", "Values": ["0.1", "0.3"]},
            {"Name": "max_depth", "Values": ["2", "4", "6"]},
        ]
    }
    job = tuning.create(
        sagemaker,
        data,
        Strategy="Grid",
        ParameterRanges=ranges,
        ResourceLimits={"MaxParallelTrainingJobs": 3},
    )
    done = tuning.wait(sagemaker, job)
    limits = done["HyperParameterTuningJobConfig"]["ResourceLimits"]
    assert limits["MaxNumberOfTrainingJobs"] == 6
    tried = {
        tuple(sorted(one["TunedHyperParameters"].items()))
        for one in tuning.children(sagemaker, job)
    }
    assert tried == {
        (("eta", eta), ("max_depth", depth))
        for eta in ("0.1", "0.3")
        for depth in ("2", "4", "6")
    }


def test_linear_learner_is_tuned_too(sagemaker, data):
    request = tuning.request(
        data,
        tuning.name(),
        total=2,
        parallel=2,
        static={"predictor_type": "regressor", "epochs": "3", "mini_batch_size": "32"},
        HyperParameterTuningJobObjective={
            "Type": "Minimize",
            "MetricName": "validation:objective_loss",
        },
        ParameterRanges={
            "ContinuousParameterRanges": [
                {
                    "Name": "learning_rate",
                    "MinValue": "0.001",
                    "MaxValue": "0.1",
                    "ScalingType": "Logarithmic",
                }
            ],
            "CategoricalParameterRanges": [
                {"Name": "use_bias", "Values": ["true", "false"]}
            ],
        },
    )
    request["TrainingJobDefinition"]["AlgorithmSpecification"]["TrainingImage"] = (
        "382416733822.dkr.ecr.us-east-1.amazonaws.com/linear-learner:1"
    )
    sagemaker.create_hyper_parameter_tuning_job(**request)
    done = tuning.wait(sagemaker, request["HyperParameterTuningJobName"])
    assert done["HyperParameterTuningJobStatus"] == "Completed", done
    assert done["ObjectiveStatusCounters"]["Succeeded"] == 2


# --- lists ----------------------------------------------------------------------------


def test_the_list_of_tuning_jobs_shows_what_aws_shows(sagemaker, completed):
    listed = sagemaker.list_hyper_parameter_tuning_jobs(
        NameContains=described(completed), StatusEquals="Completed", MaxResults=100
    )
    (one,) = listed["HyperParameterTuningJobSummaries"]
    limits = completed["HyperParameterTuningJobConfig"]["ResourceLimits"]
    assert one["Strategy"] == "Random"
    assert one["ResourceLimits"] == limits
    for member in set(one) - {"Strategy", "ResourceLimits"}:
        assert one[member] == completed[member], member


def test_tuning_jobs_are_listed_by_name(sagemaker, completed):
    listed = sagemaker.list_hyper_parameter_tuning_jobs(MaxResults=100)
    names = [
        one["HyperParameterTuningJobName"]
        for one in listed["HyperParameterTuningJobSummaries"]
    ]
    assert described(completed) in names
    assert names == sorted(names)


@pytest.mark.parametrize("order", ["Ascending", "Descending"])
@pytest.mark.parametrize("by", ["Name", "CreationTime", "FinalObjectiveMetricValue"])
def test_training_jobs_are_sorted(sagemaker, completed, by, order):
    keys = {
        "Name": lambda one: one["TrainingJobName"],
        "CreationTime": lambda one: one["CreationTime"],
        "FinalObjectiveMetricValue": tuning.value,
    }
    listed = tuning.children(
        sagemaker, described(completed), SortBy=by, SortOrder=order
    )
    assert len(listed) == 6
    expected = sorted(listed, key=keys[by], reverse=order == "Descending")
    assert listed == expected


def test_training_jobs_come_in_pages(sagemaker, completed):
    whole = tuning.children(
        sagemaker, described(completed), SortBy="FinalObjectiveMetricValue"
    )
    pages = sagemaker.get_paginator(
        "list_training_jobs_for_hyper_parameter_tuning_job"
    ).paginate(
        HyperParameterTuningJobName=described(completed),
        SortBy="FinalObjectiveMetricValue",
        MaxResults=4,
    )
    sizes, found = [], []
    for page in pages:
        sizes.append(len(page["TrainingJobSummaries"]))
        found += page["TrainingJobSummaries"]
    assert sizes == [4, 2]
    assert found == whole


def test_training_jobs_are_listed_by_status(sagemaker, completed):
    name = described(completed)
    assert len(tuning.children(sagemaker, name, StatusEquals="Completed")) == 6
    assert tuning.children(sagemaker, name, StatusEquals="Failed") == []


# --- stop, failure, the end -----------------------------------------------------------


def test_a_stop_stops_what_runs_and_keeps_what_it_has_trained(
    stand_in, sagemaker, data
):
    job = tuning.create(sagemaker, data, parallel=2, static=tuning.ENDLESS)
    found = tuning.wait_for_children(sagemaker, job, lambda found: len(found) == 2)
    for one in found:  # one that is stopped while it downloads has trained nothing
        wait_for_a_line(stand_in.client("logs"), one["TrainingJobName"])
    running = tuning.describe(sagemaker, job)
    assert running["HyperParameterTuningJobStatus"] == "InProgress"
    assert running["TrainingJobStatusCounters"]["InProgress"] == 2
    assert running["ObjectiveStatusCounters"]["Pending"] == 2
    sagemaker.stop_hyper_parameter_tuning_job(HyperParameterTuningJobName=job)
    done = tuning.wait(sagemaker, job)
    assert done["HyperParameterTuningJobStatus"] == "Stopped"
    assert done["TrainingJobStatusCounters"]["Stopped"] == 2
    assert done["TrainingJobStatusCounters"]["InProgress"] == 0
    for one in tuning.children(sagemaker, job):
        assert one["TrainingJobStatus"] == "Stopped"
        trained = sagemaker.describe_training_job(
            TrainingJobName=one["TrainingJobName"]
        )
        uri = trained["ModelArtifacts"]["S3ModelArtifacts"]
        bucket, key = uri[5:].split("/", 1)
        assert stand_in.client("s3").head_object(Bucket=bucket, Key=key)
    with pytest.raises(ClientError, match="tuning job is in status Stopped") as caught:
        sagemaker.stop_hyper_parameter_tuning_job(HyperParameterTuningJobName=job)
    assert caught.value.response["Error"]["Code"] == "ValidationException"


def test_a_training_job_that_is_stopped_by_hand_is_a_result(stand_in, sagemaker, data):
    job = tuning.create(sagemaker, data, total=2, parallel=1, static=tuning.ENDLESS)
    for number in (1, 2):
        found = tuning.wait_for_children(
            sagemaker, job, lambda found, number=number: len(found) == number
        )
        name = found[-1]["TrainingJobName"]
        wait_for_a_line(stand_in.client("logs"), name)
        sagemaker.stop_training_job(TrainingJobName=name)
    done = tuning.wait(sagemaker, job)
    assert done["HyperParameterTuningJobStatus"] == "Completed"
    assert done["TrainingJobStatusCounters"]["Stopped"] == 2
    assert done["ObjectiveStatusCounters"]["Succeeded"] == 2
    assert done["BestTrainingJob"]["TrainingJobStatus"] == "Stopped"


def wait_for_a_line(logs, name):
    """Wait until a training job has printed its objective."""

    def has_printed(**_):
        lines = []
        with suppress(logs.exceptions.ResourceNotFoundException):
            lines = boston.log_lines(logs, GROUP, f"{name}/")
        return {"printed": any("validation-rmse" in line for line in lines)}

    boston.wait(has_printed, "printed", (True,))


def test_it_is_given_up_when_five_have_failed_and_none_succeeded(sagemaker, data):
    static = {**tuning.STATIC, "objective": "reg:nonsense"}
    job = tuning.create(sagemaker, data, total=12, parallel=2, static=static)
    done = tuning.wait(sagemaker, job)
    assert done["HyperParameterTuningJobStatus"] == "Failed"
    assert re.fullmatch(
        r"No training job succeeded after \d+ attempts. For additional details, please "
        "take a look at the training job failures by listing training jobs for the "
        "hyperparameter tuning job.",
        done["FailureReason"],
    )
    counters = done["TrainingJobStatusCounters"]
    assert 5 <= counters["NonRetryableError"] <= 6
    assert sum(counters.values()) < 12
    assert counters["InProgress"] == 0
    assert "BestTrainingJob" not in done
    for one in tuning.children(sagemaker, job, StatusEquals="Failed"):
        assert one["ObjectiveStatus"] == "Failed"
        assert one["FailureReason"].startswith("AlgorithmError")
        assert one["FailureReason"] != INTERNAL_ERROR
    by_value = {"SortBy": "FinalObjectiveMetricValue"}
    assert tuning.children(sagemaker, job, **by_value) == []


def test_one_that_fails_is_counted_and_the_others_go_on(sagemaker, data):
    """This method builds no tree without a depth."""
    ranges = {
        "CategoricalParameterRanges": [
            {"Name": "max_depth", "Values": ["0", "2", "3"]},
        ]
    }
    static = {**tuning.STATIC, "tree_method": "exact"}
    job = tuning.create(
        sagemaker, data, total=3, static=static, Strategy="Grid", ParameterRanges=ranges
    )
    done = tuning.wait(sagemaker, job)
    assert done["HyperParameterTuningJobStatus"] == "Completed"
    counters = done["TrainingJobStatusCounters"]
    assert (counters["Completed"], counters["NonRetryableError"]) == (2, 1)
    assert done["ObjectiveStatusCounters"] == {
        "Succeeded": 2,
        "Pending": 0,
        "Failed": 1,
    }
    (failed,) = tuning.children(sagemaker, job, StatusEquals="Failed")
    assert failed["TunedHyperParameters"] == {"max_depth": "0"}
    assert "FinalHyperParameterTuningJobObjectiveMetric" not in failed


def test_a_metric_that_is_never_printed_fails_it(sagemaker, data):
    request = tuning.request(data, tuning.name(), total=2)
    definition = request["TrainingJobDefinition"]
    definition["InputDataConfig"] = [boston.channel(data, "train")]
    request["HyperParameterTuningJobConfig"]["ResourceLimits"] = {
        "MaxNumberOfTrainingJobs": 2,
        "MaxParallelTrainingJobs": 2,
    }
    sagemaker.create_hyper_parameter_tuning_job(**request)
    done = tuning.wait(sagemaker, request["HyperParameterTuningJobName"])
    assert done["HyperParameterTuningJobStatus"] == "Failed"
    assert done["FailureReason"].startswith(
        "No objective metrics found after running 2 training jobs."
    )
    assert done["TrainingJobStatusCounters"]["Completed"] == 2
    assert done["ObjectiveStatusCounters"]["Failed"] == 2


def test_the_name_is_taken_until_it_is_deleted(sagemaker, data, completed):
    request = tuning.request(data, described(completed))
    with pytest.raises(ClientError) as caught:
        sagemaker.create_hyper_parameter_tuning_job(**request)
    assert caught.value.response["Error"] == {
        "Code": "ResourceInUse",
        "Message": "A hyperparameter tuning job with the name, "
        f"{described(completed)}, already exists. Choose a different name.",
    }


def test_a_deleted_job_is_gone_and_its_training_jobs_stay(sagemaker, data):
    job = tuning.create(sagemaker, data, total=1, parallel=1)
    with pytest.raises(ClientError, match="in status InProgress"):
        sagemaker.delete_hyper_parameter_tuning_job(HyperParameterTuningJobName=job)
    tuning.wait(sagemaker, job)
    (child,) = tuning.children(sagemaker, job)
    sagemaker.delete_hyper_parameter_tuning_job(HyperParameterTuningJobName=job)
    for call in (
        sagemaker.describe_hyper_parameter_tuning_job,
        sagemaker.stop_hyper_parameter_tuning_job,
        sagemaker.delete_hyper_parameter_tuning_job,
        sagemaker.list_training_jobs_for_hyper_parameter_tuning_job,
    ):
        with pytest.raises(ClientError) as caught:
            call(HyperParameterTuningJobName=job)
        assert caught.value.response["Error"] == {
            "Code": "ResourceNotFound",
            "Message": f"Amazon SageMaker can't find a tuning job called {job}. "
            "Type another name.",
        }
    name = child["TrainingJobName"]
    assert sagemaker.describe_training_job(TrainingJobName=name)
