"""Warm starts: what a tuning job takes over from earlier ones, and what it can't."""

import boston
import pytest
import tuning_requests as tuning
from botocore.exceptions import ClientError


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
def parent(sagemaker, data):
    job = tuning.create(sagemaker, data, total=3)
    tuning.wait(sagemaker, job)
    return job


def warm(data, *parents, **changes):
    """A request that starts from these tuning jobs."""
    request = tuning.request(data, tuning.name(), total=2, parallel=2, **changes)
    request["WarmStartConfig"] = {
        "ParentHyperParameterTuningJobs": [
            {"HyperParameterTuningJobName": name} for name in parents
        ],
        "WarmStartType": "IdenticalDataAndAlgorithm",
    }
    return request


def refused(sagemaker, request):
    with pytest.raises(ClientError) as caught:
        sagemaker.create_hyper_parameter_tuning_job(**request)
    error = caught.value.response["Error"]
    return error["Code"], error["Message"]


def test_the_best_of_all_is_told_besides_the_best_of_its_own(sagemaker, data, parent):
    # Far too small a step, so that the parent's best is better than anything here.
    poor = {
        **tuning.RANGES,
        "ContinuousParameterRanges": [
            {"Name": "eta", "MinValue": "0.0001", "MaxValue": "0.0002"}
        ],
    }
    request = warm(data, parent, ParameterRanges=poor)
    job = request["HyperParameterTuningJobName"]
    sagemaker.create_hyper_parameter_tuning_job(**request)
    done = tuning.wait(sagemaker, job)
    assert done["HyperParameterTuningJobStatus"] == "Completed"
    assert done["WarmStartConfig"] == request["WarmStartConfig"]
    best = tuning.describe(sagemaker, parent)["BestTrainingJob"]
    assert done["OverallBestTrainingJob"] == {**best, "TuningJobName": parent}
    own = [one["TrainingJobName"] for one in tuning.children(sagemaker, job)]
    assert done["BestTrainingJob"]["TrainingJobName"] in own
    assert len(own) == 2


def test_without_a_warm_start_there_is_no_best_of_all(sagemaker, parent):
    assert "OverallBestTrainingJob" not in tuning.describe(sagemaker, parent)


def test_what_was_static_may_be_tuned_and_the_other_way_round(sagemaker, data, parent):
    request = warm(
        data,
        parent,
        static={"objective": "reg:squarederror", "max_depth": "4"},
        ParameterRanges={
            "ContinuousParameterRanges": tuning.RANGES["ContinuousParameterRanges"],
            "IntegerParameterRanges": [
                {"Name": "num_round", "MinValue": "5", "MaxValue": "20"}
            ],
        },
    )
    sagemaker.create_hyper_parameter_tuning_job(**request)
    done = tuning.wait(sagemaker, request["HyperParameterTuningJobName"])
    assert done["HyperParameterTuningJobStatus"] == "Completed"


def test_a_parent_must_be_there(sagemaker, data):
    assert refused(sagemaker, warm(data, "nobody")) == (
        "ResourceNotFound",
        "Amazon SageMaker can't find a tuning job called nobody. Type another name.",
    )


def test_a_parent_must_have_ended(sagemaker, data):
    job = tuning.create(sagemaker, data, static=tuning.ENDLESS)
    request = warm(data, job)
    code, message = refused(sagemaker, request)
    sagemaker.stop_hyper_parameter_tuning_job(HyperParameterTuningJobName=job)
    tuning.wait(sagemaker, job)
    assert (code, message) == (
        "ValidationException",
        f"The parent tuning job [{job}] is in status InProgress. All parent jobs must "
        "be Completed, Stopped or Failed.",
    )
    sagemaker.create_hyper_parameter_tuning_job(**request)
    tuning.wait(sagemaker, request["HyperParameterTuningJobName"])


def test_six_parents_are_too_many(sagemaker, data, parent):
    code, message = refused(sagemaker, warm(data, *[parent] * 6))
    assert code == "ValidationException"
    assert "Member must have length less than or equal to 5" in message


def test_the_training_jobs_of_parents_count(sagemaker, data, parent):
    request = warm(data, parent, Strategy="Bayesian")
    limits = {"MaxNumberOfTrainingJobs": 748, "MaxParallelTrainingJobs": 2}
    request["HyperParameterTuningJobConfig"]["ResourceLimits"] = limits
    code, message = refused(sagemaker, request)
    assert code == "ResourceLimitExceeded"
    assert "[748], together with the training jobs of all parent tuning jobs, [3]" in (
        message
    )


def other_data(request):
    channels = request["TrainingJobDefinition"]["InputDataConfig"]
    request["TrainingJobDefinition"]["InputDataConfig"] = channels[::-1]


def other_image(request):
    algorithm = request["TrainingJobDefinition"]["AlgorithmSpecification"]
    algorithm["TrainingImage"] = algorithm["TrainingImage"].replace("3.2-0", "1.7-1")


def other_metric(request):
    config = request["HyperParameterTuningJobConfig"]
    config["HyperParameterTuningJobObjective"] = {
        "Type": "Minimize",
        "MetricName": "validation:mae",
    }


def other_names(request):
    request["TrainingJobDefinition"]["StaticHyperParameters"] = {
        **tuning.STATIC,
        "gamma": "1",
    }


def other_kind(request):
    config = request["HyperParameterTuningJobConfig"]
    config["ParameterRanges"] = {
        "ContinuousParameterRanges": tuning.RANGES["ContinuousParameterRanges"],
        "CategoricalParameterRanges": [{"Name": "max_depth", "Values": ["2", "3"]}],
    }


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (other_data, "the input data must be the same as in all parent tuning jobs"),
        (other_image, "the algorithm must be the same as in all parent tuning jobs"),
        (other_metric, "The objective metric must be the same as in all parent tuning"),
        # Recorded.
        (
            other_names,
            "The set of tunable plus static HyperParameter names is not the same "
            "across current and parent tuning jobs. Please ensure this set is constant "
            "when warm starting. Note that previously static HyperParameters can be "
            "tuned in warm start jobs and vice versa.",
        ),
        (other_kind, "The type of hyperparameter [max_depth] must not change"),
    ],
)
def test_what_must_be_as_the_parents_have_it(sagemaker, data, parent, change, words):
    request = warm(data, parent)
    change(request)
    code, message = refused(sagemaker, request)
    assert code == "ValidationException"
    assert words in message
