"""What a tuning job and its lists say of the training jobs that it has started.

Pure functions of records. An objective is the last value that a training job has
printed, whether it has completed or was stopped; one that printed none, or failed, has
none.
"""

from collections.abc import Callable, Iterable

from local_aws.errors import INTERNAL_ERROR

UNFINISHED = ("InProgress", "Stopping")

# An objective that is better by less is no improvement (botocore sagemaker service
# model, HyperParameterTuningJobCompletionDetails).
IMPROVEMENT = 0.01

_SHOWN = (
    "TrainingJobName",
    "TrainingJobArn",
    "CreationTime",
    "TrainingStartTime",
    "TrainingEndTime",
    "TrainingJobStatus",
    "FailureReason",
)


def summary(training: dict, tuning: dict) -> dict:
    """A training job as its tuning job shows it (HyperParameterTrainingJobSummary)."""
    shown = {name: training[name] for name in _SHOWN if name in training}
    definition = tuning["TrainingJobDefinition"]
    if "DefinitionName" in definition:
        shown["TrainingJobDefinitionName"] = definition["DefinitionName"]
    tuned = tuned_names(tuning)
    shown["TunedHyperParameters"] = {
        name: text
        for name, text in training["HyperParameters"].items()
        if name in tuned
    }
    metric = objective_of(tuning)["MetricName"]
    value = final_value(training, metric)
    if training["TrainingJobStatus"] in UNFINISHED:
        shown["ObjectiveStatus"] = "Pending"
    elif value is None:
        shown["ObjectiveStatus"] = "Failed"
    else:
        shown["ObjectiveStatus"] = "Succeeded"
        shown["FinalHyperParameterTuningJobObjectiveMetric"] = {
            "MetricName": metric,
            "Value": value,
        }
    return shown


def objective_of(tuning: dict) -> dict:
    """The objective: Type and MetricName."""
    return tuning["HyperParameterTuningJobConfig"]["HyperParameterTuningJobObjective"]


def is_maximized(tuning: dict) -> bool:
    """Whether more is better."""
    return objective_of(tuning)["Type"] == "Maximize"


def tuned_names(tuning: dict) -> set[str]:
    """The hyperparameters that are searched."""
    ranges = tuning["HyperParameterTuningJobConfig"]["ParameterRanges"]
    return {one["Name"] for kind in ranges.values() for one in kind}


def final_value(training: dict, metric: str) -> float | None:
    """The last value of a metric of a job that did not fail."""
    if training["TrainingJobStatus"] == "Failed":
        return None
    final = training.get("FinalMetricDataList", [])
    return next((one["Value"] for one in final if one["MetricName"] == metric), None)


def value_of(shown: dict) -> float | None:
    """The objective in a summary."""
    metric = shown.get("FinalHyperParameterTuningJobObjectiveMetric")
    return None if metric is None else metric["Value"]


def best(summaries: Iterable[dict], maximize: bool) -> dict | None:
    """The summary with the best objective, the first of several."""
    measured = [one for one in summaries if value_of(one) is not None]
    choose: Callable = max if maximize else min
    return choose(measured, key=value_of, default=None)


def is_retryable(shown: dict) -> bool:
    """Whether it failed by a fault of the service, and not of its own."""
    return shown.get("FailureReason") == INTERNAL_ERROR


def status_counters(summaries: list[dict]) -> dict[str, int]:
    """TrainingJobStatusCounters."""
    return _count(
        map(_counted_as, summaries),
        ("Completed", "InProgress", "RetryableError", "NonRetryableError", "Stopped"),
    )


def _counted_as(shown: dict) -> str:
    status = shown["TrainingJobStatus"]
    if status == "Failed":
        return "RetryableError" if is_retryable(shown) else "NonRetryableError"
    return "InProgress" if status in UNFINISHED else status


def objective_counters(summaries: list[dict]) -> dict[str, int]:
    """ObjectiveStatusCounters."""
    return _count(
        (one["ObjectiveStatus"] for one in summaries),
        ("Succeeded", "Pending", "Failed"),
    )


def _count(found: Iterable[str], names: tuple[str, ...]) -> dict[str, int]:
    counters = dict.fromkeys(names, 0)
    for name in found:
        counters[name] += 1
    return counters


def not_improving(values: Iterable[float | None], maximize: bool) -> int:
    """How many training jobs, in order, have come since the last real improvement."""
    reached, since = None, 0
    for value in values:
        since += 1
        if value is not None and (
            reached is None
            or (value - reached) * (1 if maximize else -1) > abs(reached) * IMPROVEMENT
        ):
            reached, since = value, 0
    return since
