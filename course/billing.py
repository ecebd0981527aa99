"""What the jobs of a lesson's run would have cost on AWS."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from utils.cost import price_of


@dataclass(frozen=True)
class Estimate:
    """An amount in USD, and the oldest date of the prices in it (None: no jobs)."""

    usd: float
    read_on: str | None


def used(client: Any, lesson: str, since: datetime) -> Iterator[tuple[str, str, float]]:
    """Yield (instance type, component, billed seconds) of a lesson's jobs.

    `client` is boto3's sagemaker client. The jobs are found by the lesson's number in
    their names. The seconds are multiplied by the number of instances.
    """
    wanted = {"NameContains": f"lesson{lesson}-", "CreationTimeAfter": since}
    for page in client.get_paginator("list_training_jobs").paginate(**wanted):
        for item in page["TrainingJobSummaries"]:
            job = client.describe_training_job(TrainingJobName=item["TrainingJobName"])
            resources = job["ResourceConfig"]
            seconds = job.get("BillableTimeInSeconds", 0)
            count = resources.get("InstanceCount", 1)
            yield resources["InstanceType"], "training", seconds * count
    for page in client.get_paginator("list_transform_jobs").paginate(**wanted):
        for item in page["TransformJobSummaries"]:
            name = item["TransformJobName"]
            job = client.describe_transform_job(TransformJobName=name)
            resources = job["TransformResources"]
            if "TransformStartTime" in job and "TransformEndTime" in job:
                ran = job["TransformEndTime"] - job["TransformStartTime"]
                seconds = ran.total_seconds() * resources["InstanceCount"]
                yield resources["InstanceType"], "transform", seconds


def estimate(client: Any, lesson: str, since: datetime) -> Estimate:
    """Price a lesson's jobs. LookupError if the price table lacks an instance type."""
    usd, dates = 0.0, []
    for instance_type, component, seconds in used(client, lesson, since):
        price = price_of(instance_type, component)
        usd += seconds * price.usd_per_hour / 3600
        dates.append(price.read_on)
    return Estimate(usd, min(dates, default=None))
