"""What CreateHyperParameterTuningJob refuses, and in which words.

Recorded are the texts of an unknown name, a taken one, too few combinations and the
names of a warm start (public issues of aws/amazon-sagemaker-examples and
aws/amazon-sagemaker-operator-for-k8s). The others are worded after their manner.
"""

import boston
import pytest
import tuning_requests as tuning
from botocore.exceptions import ClientError

CONFIG = "HyperParameterTuningJobConfig"
LIMITS = f"{CONFIG}.ResourceLimits"
RANGES = f"{CONFIG}.ParameterRanges"
DEFINITION = "TrainingJobDefinition"
STATIC = f"{DEFINITION}.StaticHyperParameters"
NOT_BUILT = "is part of Amazon SageMaker, but this local stand-in does not reproduce it"


@pytest.fixture(scope="module")
def sagemaker(stand_in):
    return stand_in.client("sagemaker", parameter_validation=False)


@pytest.fixture(scope="module")
def data(stand_in):
    s3 = stand_in.client("s3")
    bucket = boston.name("sagemaker-tuning")
    s3.create_bucket(Bucket=bucket)
    boston.upload(s3, bucket)
    return bucket


def set_at(request, path, value):
    """Set "Outer.Inner" of a request."""
    *way, last = path.split(".")
    for member in way:
        request = request.setdefault(member, {})
    request[last] = value


def refused(sagemaker, request):
    with pytest.raises(ClientError) as caught:
        sagemaker.create_hyper_parameter_tuning_job(**request)
    answer = caught.value.response
    assert answer["ResponseMetadata"]["HTTPStatusCode"] == 400
    name = request["HyperParameterTuningJobName"]
    listed = sagemaker.list_hyper_parameter_tuning_jobs(MaxResults=100)
    found = listed["HyperParameterTuningJobSummaries"]
    assert name not in [one["HyperParameterTuningJobName"] for one in found]
    return answer["Error"]["Code"], answer["Error"]["Message"]


def integer(name, low, high, **more):
    bounds = {"Name": name, "MinValue": low, "MaxValue": high, **more}
    return {"IntegerParameterRanges": [bounds]}


def continuous(name, low, high, **more):
    bounds = {"Name": name, "MinValue": low, "MaxValue": high, **more}
    return {"ContinuousParameterRanges": [bounds]}


def categorical(name, *values):
    return {"CategoricalParameterRanges": [{"Name": name, "Values": list(values)}]}


REFUSED = {
    "a name over 32 characters": (
        {"HyperParameterTuningJobName": "a" * 33},
        "Member must have length less than or equal to 32",
    ),
    "a metric that XGBoost does not have": (
        {
            f"{CONFIG}.HyperParameterTuningJobObjective": {
                "Type": "Minimize",
                "MetricName": "validation:nonsense",
            }
        },
        "The objective metric for the hyperparameter tuning job, "
        "[validation:nonsense], isn't valid for the XGBoost algorithm. Choose a valid "
        "objective metric: [validation:accuracy, ",
    ),
    "a metric of the training data": (
        {
            f"{CONFIG}.HyperParameterTuningJobObjective": {
                "Type": "Minimize",
                "MetricName": "train:rmse",
            }
        },
        "[train:rmse], isn't valid for the XGBoost algorithm",
    ),
    "the wrong direction": (
        {
            f"{CONFIG}.HyperParameterTuningJobObjective": {
                "Type": "Maximize",
                "MetricName": "validation:rmse",
            }
        },
        "The objective metric type, [Maximize], that you specified for objective "
        "metric, [validation:rmse], isn't valid for the XGBoost algorithm. Choose a "
        "valid objective metric type: [Minimize].",
    ),
    "metric definitions": (
        {
            f"{DEFINITION}.AlgorithmSpecification.MetricDefinitions": [
                {"Name": "a", "Regex": "b"}
            ]
        },
        "You can't override the metric definitions for Amazon SageMaker algorithms.",
    ),
    "no objective": (
        {f"{CONFIG}.HyperParameterTuningJobObjective": None},
        "HyperParameterTuningJobObjective is required in",
    ),
    "no definition": ({DEFINITION: None}, "TrainingJobDefinition is required"),
    "no ranges": ({RANGES: {}}, "the range of at least one hyperparameter"),
    "a hyperparameter that can't be tuned": (
        {RANGES: categorical("booster", "gbtree", "dart")},
        "The hyperparameter [booster] isn't tunable for the XGBoost algorithm. Choose "
        "tunable hyperparameters: [alpha, colsample_bylevel, ",
    ),
    "an alias": (
        {RANGES: continuous("learning_rate", "0.1", "0.3")},
        "The hyperparameter [learning_rate] isn't tunable",
    ),
    "a range above the limit": (
        {RANGES: continuous("eta", "0.1", "1.5")},
        "The value [1.5] in the range of hyperparameter [eta] is outside of what the "
        "algorithm allows: [0, 1].",
    ),
    "a range below the limit": (
        {RANGES: integer("max_depth", "-1", "8")},
        "The value [-1] in the range of hyperparameter [max_depth] is outside of what "
        "the algorithm allows: [0, +inf).",
    ),
    "an open end": (
        {RANGES: continuous("subsample", "0", "1")},
        "The value [0] in the range of hyperparameter [subsample]",
    ),
    "a category beyond the limit": (
        {RANGES: categorical("eta", "0.1", "2")},
        "The value [2] in the range of hyperparameter [eta]",
    ),
    "fractions of an integer": (
        {RANGES: continuous("max_depth", "2", "8")},
        "The hyperparameter [max_depth] is integer and can't have a range in "
        "ContinuousParameterRanges.",
    ),
    "an integer that is none": (
        {RANGES: integer("max_depth", "2", "8.5")},
        "The MaxValue of hyperparameter [max_depth], [8.5], isn't an integer.",
    ),
    "a number that is none": (
        {RANGES: continuous("eta", "nan", "0.3")},
        "The MinValue of hyperparameter [eta], [nan], isn't a number.",
    ),
    "the smallest above the largest": (
        {RANGES: integer("max_depth", "8", "2")},
        "The MinValue of hyperparameter [max_depth], [8], must be less than its "
        "MaxValue, [2].",
    ),
    "a single value": (
        {RANGES: continuous("eta", "0.3", "0.3")},
        "The MinValue of hyperparameter [eta], [0.3], must be less than",
    ),
    "a category twice": (
        {RANGES: categorical("eta", "0.1", "0.1")},
        "The values of categorical hyperparameter [eta] must be unique",
    ),
    "a hyperparameter twice": (
        {RANGES: {**continuous("eta", "0.1", "0.3"), **categorical("eta", "0.2")}},
        "The request has more than one range for [eta].",
    ),
    "static and tuned": (
        {f"{STATIC}": {**tuning.STATIC, "eta": "0.1"}},
        "A hyperparameter can't be both static and tunable: [eta]. Remove it from "
        "StaticHyperParameters or from ParameterRanges.",
    ),
    "too many ranges": (
        {
            RANGES: {
                "IntegerParameterRanges": [
                    {"Name": f"a{number}", "MinValue": "1", "MaxValue": "2"}
                    for number in range(20)
                ],
                "ContinuousParameterRanges": [
                    {"Name": f"b{number}", "MinValue": "1", "MaxValue": "2"}
                    for number in range(11)
                ],
            }
        },
        "The total number of hyperparameter ranges, [31], can't be greater than [30].",
    ),
    "a logarithm of zero": (
        {RANGES: continuous("alpha", "0", "10", ScalingType="Logarithmic")},
        "The ScalingType of hyperparameter [alpha] can't be Logarithmic: it works only "
        "for ranges that have only values greater than 0.",
    ),
    "an integer logarithm of zero": (
        {RANGES: integer("max_depth", "0", "10", ScalingType="Logarithmic")},
        "The ScalingType of hyperparameter [max_depth] can't be Logarithmic",
    ),
    "a reverse logarithm of one": (
        {RANGES: continuous("eta", "0.1", "1", ScalingType="ReverseLogarithmic")},
        "The ScalingType of hyperparameter [eta] can't be ReverseLogarithmic: it works "
        "only for ranges that are entirely within the range 0 <= x < 1.0.",
    ),
    "a reverse logarithm of an integer": (
        {RANGES: integer("max_depth", "2", "8", ScalingType="ReverseLogarithmic")},
        "ReverseLogarithmic: that is for continuous hyperparameters.",
    ),
    "more at a time than in all": (
        {LIMITS: {"MaxNumberOfTrainingJobs": 2, "MaxParallelTrainingJobs": 3}},
        "The value of MaxParallelTrainingJobs, [3], can't be greater than the value of "
        "MaxNumberOfTrainingJobs, [2].",
    ),
    "no number of jobs": (
        {LIMITS: {"MaxParallelTrainingJobs": 3}},
        "MaxNumberOfTrainingJobs or MaxRuntimeInSeconds is required",
    ),
    "more combinations than a float can hold, and another fault": (
        {
            RANGES: {
                "IntegerParameterRanges": [
                    *integer("max_depth", "1", "9" * 200)["IntegerParameterRanges"],
                    *integer("min_child_weight", "1", "9" * 200)[
                        "IntegerParameterRanges"
                    ],
                ]
            },
            LIMITS: {
                "MaxNumberOfTrainingJobs": 1,
                "MaxParallelTrainingJobs": 2,
            },
        },
        "The value of MaxParallelTrainingJobs, [2], can't be greater than the value",
    ),
    "fewer combinations than jobs": (
        {RANGES: integer("max_depth", "2", "4")},
        "You don't have enough combinations of hyperparameter ranges. The total number "
        "of hyperparameter combinations for the provided ranges [3.0] must be equal or "
        "greater than the value of MaxNumberOfJobs, [6]. Provide additional ranges.",
    ),
    "a grid of a continuous range": (
        {f"{CONFIG}.Strategy": "Grid"},
        "The Grid strategy supports only categorical hyperparameters.",
    ),
    "a grid of another size": (
        {f"{CONFIG}.Strategy": "Grid", RANGES: categorical("eta", "0.1", "0.2")},
        "With the Grid strategy MaxNumberOfTrainingJobs, [6], must be equal to the "
        "total number of hyperparameter combinations for the provided ranges, [2].",
    ),
    "data that is not there": (
        {f"{DEFINITION}.InputDataConfig": [boston.channel("sagemaker-none", "train")]},
        "No S3 objects found under S3 URL",
    ),
    "Hyperband": (
        {f"{CONFIG}.Strategy": "Hyperband"},
        f"Strategy Hyperband {NOT_BUILT}",
    ),
    "completion criteria": (
        {f"{CONFIG}.TuningJobCompletionCriteria": {"TargetObjectiveMetricValue": 3.0}},
        NOT_BUILT,
    ),
    "Autotune": (
        {"Autotune": {"Mode": "Enabled"}},
        f"Autotune (a choice of ranges by SageMaker) {NOT_BUILT}",
    ),
    "transfer learning": (
        {
            "WarmStartConfig": {
                "ParentHyperParameterTuningJobs": [
                    {"HyperParameterTuningJobName": "a"}
                ],
                "WarmStartType": "TransferLearning",
            }
        },
        f"WarmStartType TransferLearning {NOT_BUILT}",
    ),
    "a choice of instances": (
        {
            f"{DEFINITION}.HyperParameterTuningResourceConfig": {
                "InstanceType": "ml.m5.large"
            }
        },
        NOT_BUILT,
    ),
}


@pytest.mark.parametrize("what", REFUSED)
def test_it_is_refused(sagemaker, data, what):
    changes, words = REFUSED[what]
    request = tuning.request(data, tuning.name())
    for path, value in changes.items():
        set_at(request, path, value)
    code, message = refused(sagemaker, without_nothing(request))
    assert code == "ValidationException"
    assert words in message


def without_nothing(value):
    """The request without the members that are None."""
    if isinstance(value, dict):
        kept = {name: one for name, one in value.items() if one is not None}
        return {name: without_nothing(one) for name, one in kept.items()}
    return value


def test_several_definitions_are_refused(sagemaker, data):
    request = tuning.request(data, tuning.name())
    request["TrainingJobDefinitions"] = [request["TrainingJobDefinition"]]
    code, message = refused(sagemaker, request)
    assert code == "ValidationException"
    assert (
        f"TrainingJobDefinitions (several algorithms in one tuning job) {NOT_BUILT}"
        in (message)
    )


@pytest.mark.parametrize(
    ("limits", "strategy"),
    [
        ({"MaxNumberOfTrainingJobs": 751, "MaxParallelTrainingJobs": 1}, "Bayesian"),
        ({"MaxNumberOfTrainingJobs": 10_001, "MaxParallelTrainingJobs": 1}, "Random"),
        ({"MaxNumberOfTrainingJobs": 200, "MaxParallelTrainingJobs": 101}, "Random"),
    ],
)
def test_limits_have_a_limit(sagemaker, data, limits, strategy):
    request = tuning.request(
        data, tuning.name(), ResourceLimits=limits, Strategy=strategy
    )
    code, message = refused(sagemaker, request)
    assert code == "ResourceLimitExceeded"
    assert "can't be greater than" in message
