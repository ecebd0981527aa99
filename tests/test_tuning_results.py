"""What a tuning job makes of its training jobs' records."""

import pytest

from local_aws.errors import INTERNAL_ERROR
from local_aws.jobs import tuning_results as results

TUNING = {
    "HyperParameterTuningJobConfig": {
        "HyperParameterTuningJobObjective": {
            "Type": "Minimize",
            "MetricName": "validation:rmse",
        },
        "ParameterRanges": {"ContinuousParameterRanges": [{"Name": "eta"}]},
    },
    "TrainingJobDefinition": {},
}


def training(status="Completed", value=None, **more):
    record = {
        "TrainingJobName": "a",
        "TrainingJobStatus": status,
        "HyperParameters": {"eta": "0.1", "num_round": "5"},
        **more,
    }
    if value is not None:
        metric = {"MetricName": "validation:rmse", "Value": value}
        record["FinalMetricDataList"] = [metric]
    return record


@pytest.mark.parametrize(
    ("record", "status", "value"),
    [
        (training(value=3.5), "Succeeded", 3.5),
        (training(value=0.0), "Succeeded", 0.0),
        (training(), "Failed", None),
        (training("Stopped", 3.5), "Succeeded", 3.5),
        (training("Stopped"), "Failed", None),
        (training("Failed", 3.5), "Failed", None),
        (training("InProgress"), "Pending", None),
        (training("Stopping"), "Pending", None),
    ],
)
def test_what_becomes_of_the_objective(record, status, value):
    shown = results.summary(record, TUNING)
    assert shown["ObjectiveStatus"] == status
    assert results.value_of(shown) == value
    assert shown["TunedHyperParameters"] == {"eta": "0.1"}


def test_a_definition_with_a_name_is_named():
    named = {**TUNING, "TrainingJobDefinition": {"DefinitionName": "mine"}}
    assert "TrainingJobDefinitionName" not in results.summary(training(), TUNING)
    shown = results.summary(training(), named)
    assert shown["TrainingJobDefinitionName"] == "mine"


def test_counters_tell_faults_of_the_service_from_others():
    shown = [
        results.summary(record, TUNING)
        for record in (
            training(value=1.0),
            training("Failed", FailureReason=INTERNAL_ERROR),
            training("Failed", FailureReason="AlgorithmError: , exit code: 1"),
            training("Stopping"),
            training("InProgress"),
            training("Stopped"),
        )
    ]
    assert results.status_counters(shown) == {
        "Completed": 1,
        "InProgress": 2,
        "RetryableError": 1,
        "NonRetryableError": 1,
        "Stopped": 1,
    }
    counters = {"Succeeded": 1, "Pending": 2, "Failed": 3}
    assert results.objective_counters(shown) == counters


@pytest.mark.parametrize(("maximize", "expected"), [(True, 9.0), (False, -1.0)])
def test_the_best_is_the_largest_or_the_smallest(maximize, expected):
    shown = [
        results.summary(training(value=value), TUNING) for value in (4.0, 9.0, -1.0)
    ]
    shown.append(results.summary(training(), TUNING))
    assert results.value_of(results.best(shown, maximize)) == expected


def test_of_none_none_is_the_best():
    assert results.best([results.summary(training(), TUNING)], True) is None


@pytest.mark.parametrize(
    ("values", "maximize", "expected"),
    [
        ([], False, 0),
        ([4.0], False, 0),
        ([4.0, 5.0, 6.0], False, 2),
        ([4.0, 3.99, 3.98], False, 2),  # each by less than one in a hundred
        ([4.0, 3.9, 4.5], False, 1),
        ([None, 4.0, None], False, 1),
        ([0.5, 0.6, 0.55], True, 1),
        ([-1.0, -0.5], True, 0),
    ],
)
def test_how_many_have_not_improved(values, maximize, expected):
    assert results.not_improving(values, maximize) == expected
