"""What a lesson's run would have cost on AWS."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from botocore.exceptions import BotoCoreError, ClientError

from utils.cost import price_of


@dataclass(frozen=True)
class Estimate:
    """An amount in USD for so many seconds of instances.

    read_on: the oldest date of the prices in it, None where nothing was used.
    """

    usd: float
    seconds: float
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


class EndpointMeter:
    """Watches endpoints while lessons run: at the end of a lesson they are gone.

    An endpoint counts from its creation to the last look at which it was there.
    """

    def __init__(self, client: Any) -> None:
        """`client` is boto3's sagemaker client."""
        self._client = client
        self._machines: dict[str, list[tuple[str, int]]] = {}
        self._times: dict[str, tuple[datetime, datetime]] = {}
        self.was_blind = False

    def look(self) -> None:
        """Note which endpoints there are now. Call it often.

        Where the stand-in can't be reached, it notes that it could not look: a lesson
        that needs the stand-in fails by itself, and the others go on.
        """
        try:
            self._look()
        except BotoCoreError:
            self.was_blind = True

    def _look(self) -> None:
        pages = self._client.get_paginator("list_endpoints").paginate(
            NameContains="lesson"
        )
        for page in pages:
            for item in page["Endpoints"]:
                name = item["EndpointName"]
                self._times[name] = (item["CreationTime"], datetime.now(UTC))
                if name not in self._machines:
                    self._machines[name] = self._machines_of(name)

    def _machines_of(self, name: str) -> list[tuple[str, int]]:
        try:
            endpoint = self._client.describe_endpoint(EndpointName=name)
            configuration = self._client.describe_endpoint_config(
                EndpointConfigName=endpoint["EndpointConfigName"]
            )
        except ClientError:
            return []  # deleted between two calls: it was there for a moment only
        return [
            (variant["InstanceType"], variant["InitialInstanceCount"])
            for variant in configuration["ProductionVariants"]
        ]

    def used(self, lesson: str) -> Iterator[tuple[str, str, float]]:
        """Yield (instance type, "hosting", seconds) of a lesson's endpoints."""
        for name, (created, seen) in self._times.items():
            if name.startswith(f"lesson{lesson}-"):
                seconds = (seen - created).total_seconds()
                for instance_type, count in self._machines[name]:
                    yield instance_type, "hosting", seconds * count


def estimate(used: Iterable[tuple[str, str, float]]) -> Estimate:
    """Price what was used. LookupError if the price table lacks an instance type."""
    usd, total, dates = 0.0, 0.0, []
    for instance_type, component, seconds in used:
        price = price_of(instance_type, component)
        usd += seconds * price.usd_per_hour / 3600
        total += seconds
        dates.append(price.read_on)
    return Estimate(usd, total, min(dates, default=None))
