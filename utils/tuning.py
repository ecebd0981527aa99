"""Watching a hyperparameter tuning job, which lesson 06 writes out."""

import time

import boto3

PAUSE_S = 2
RUNNING = ("InProgress", "Stopping")


def show_progress(boto_session: boto3.Session, job_name: str) -> None:
    """Print a line for each training job of a tuning job, in their order, as soon as it
    has ended; return when the tuning job has. RuntimeError if it failed.
    """
    sm = boto_session.client("sagemaker")
    name = {"HyperParameterTuningJobName": job_name}
    pages = sm.get_paginator("list_training_jobs_for_hyper_parameter_tuning_job")
    shown, values = 0, []
    while True:
        tuning = sm.describe_hyper_parameter_tuning_job(**name)
        found = pages.paginate(**name, SortBy="Name", SortOrder="Ascending")
        jobs = [job for page in found for job in page["TrainingJobSummaries"]]
        for job in jobs[shown:]:
            if job["TrainingJobStatus"] in RUNNING:
                break
            print(_line(job, tuning, values))
            shown += 1
        status = tuning["HyperParameterTuningJobStatus"]
        if status not in RUNNING:
            break
        time.sleep(PAUSE_S)
    print("Tuning job:", status)
    if status == "Failed":
        raise RuntimeError(tuning["FailureReason"])


def _line(job: dict, tuning: dict, values: list[float]) -> str:
    """Say what became of a training job; values, which grows, holds those so far."""
    config = tuning["HyperParameterTuningJobConfig"]
    total = config["ResourceLimits"]["MaxNumberOfTrainingJobs"]
    number = int(job["TrainingJobName"].split("-")[-2])
    text = f"job {number:2} of {total}: "
    metric = job.get("FinalHyperParameterTuningJobObjectiveMetric")
    if metric is None:
        return text + job["TrainingJobStatus"]
    values.append(metric["Value"])
    is_loss = config["HyperParameterTuningJobObjective"]["Type"] == "Minimize"
    best = min(values) if is_loss else max(values)
    return f"{text}{metric['MetricName']} {values[-1]:.3f}, best so far {best:.3f}"
