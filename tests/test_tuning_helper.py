"""Watching a tuning job, with a client that says what it is told to."""

from types import SimpleNamespace

import pytest

from utils import cost, tuning


def training_job(number: int, status: str, value: float | None = None) -> dict:
    job = {"TrainingJobName": f"t-{number:03}-0a1b2c3d", "TrainingJobStatus": status}
    if value is not None:
        metric = {"MetricName": "validation:rmse", "Value": value}
        job["FinalHyperParameterTuningJobObjectiveMetric"] = metric
    return job


class Client:
    """Shows a tuning job stage by stage: its status and its training jobs."""

    def __init__(self, *stages: tuple[str, list[dict]], direction: str = "Minimize"):
        self.stages = list(stages)
        self.direction = direction

    def describe_hyper_parameter_tuning_job(self, **_: str) -> dict:
        status, self.jobs = self.stages.pop(0)
        return {
            "HyperParameterTuningJobStatus": status,
            "FailureReason": "All failed.",
            "HyperParameterTuningJobConfig": {
                "ResourceLimits": {"MaxNumberOfTrainingJobs": 3},
                "HyperParameterTuningJobObjective": {"Type": self.direction},
            },
        }

    def get_paginator(self, operation: str) -> SimpleNamespace:
        assert operation == "list_training_jobs_for_hyper_parameter_tuning_job"
        return SimpleNamespace(
            paginate=lambda **_: [
                {"TrainingJobSummaries": self.jobs[:2]},
                {"TrainingJobSummaries": self.jobs[2:]},
            ]
        )


def watch(client: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tuning, "PAUSE_S", 0)
    tuning.show_progress(SimpleNamespace(client=lambda name: client), "t")


def test_lines_come_in_the_order_of_the_jobs(monkeypatch, capsys):
    first, second = training_job(1, "Completed", 4.0), training_job(2, "Failed")
    third = training_job(3, "Stopped", 5.0)
    client = Client(
        ("InProgress", []),
        ("InProgress", [training_job(1, "InProgress"), second]),
        ("InProgress", [first, second, training_job(3, "InProgress")]),
        ("Stopping", [first, second, training_job(3, "Stopping")]),
        ("Stopped", [first, second, third]),
    )
    watch(client, monkeypatch)
    assert capsys.readouterr().out.splitlines() == [
        "job  1 of 3: validation:rmse 4.000, best so far 4.000",
        "job  2 of 3: Failed",
        "job  3 of 3: validation:rmse 5.000, best so far 4.000",
        "Tuning job: Stopped",
    ]


def test_the_best_is_the_largest_where_more_is_better(monkeypatch, capsys):
    jobs = [training_job(n, "Completed", value) for n, value in ((1, 0.5), (2, 0.7))]
    watch(Client(("Completed", jobs), direction="Maximize"), monkeypatch)
    assert "0.700, best so far 0.700" in capsys.readouterr().out


def test_a_failed_tuning_job_says_why(monkeypatch):
    with pytest.raises(RuntimeError, match="All failed"):
        watch(Client(("Failed", [training_job(1, "Failed")])), monkeypatch)


def test_spot_capacity_saves_on_training_only(capsys):
    hours = 100 * 3600
    used = [("ml.m5.xlarge", "training", hours), ("ml.m5.xlarge", "transform", hours)]
    cost.show_cost(used, with_spot=True)
    lines = capsys.readouterr().out.splitlines()
    spot = cost.load_spot_saving()
    usd = 23 * (1 - spot.saving) + 23
    assert "at most 46.00 USD" in lines[0]
    assert f"{usd:.2f} USD" in lines[1]
    assert f"({spot.source}, {spot.read_on}; yours will differ)" == lines[2]
