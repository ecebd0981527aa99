"""What CloudWatch has counted and measured for each variant of an endpoint."""

import time
from datetime import UTC, datetime, timedelta

import boto3
import pandas as pd
from botocore.client import BaseClient
from sagemaker.core.resources import Endpoint

COUNTS = {
    "requests": "Invocations",
    "refused (4XX)": "Invocation4XXErrors",
    "failed (5XX)": "Invocation5XXErrors",
}
MICROSECONDS_PER_MS = 1000
# CloudWatch gives at most 1,440 numbers, one per minute, in a response.
LONGEST = timedelta(hours=23)


def variant_metrics(
    boto_session: boto3.Session,
    endpoint: Endpoint,
    requests: int = 0,
    wait_s: float = 300,
) -> pd.DataFrame:
    """Give one row per variant: its requests and errors, as counts, and how long its
    model took for one of them on average and at most, in milliseconds (NaN if it had
    none), since the endpoint was made, but at most of the last 23 hours.

    requests: for how many to wait, since CloudWatch counts them late; what is still
    missing after wait_s seconds is told.
    """
    cloudwatch = boto_session.client("cloudwatch")
    variants = [variant.variant_name for variant in endpoint.production_variants]
    end = time.monotonic() + wait_s
    while True:
        table = _read(
            cloudwatch, endpoint.endpoint_name, variants, endpoint.creation_time
        )
        missing = requests - table["requests"].sum()
        if missing <= 0:
            return table
        if time.monotonic() >= end:
            print(f"{missing} requests are not counted yet; run this cell again.")
            return table
        time.sleep(min(15, wait_s))


def _read(
    cloudwatch: BaseClient, endpoint_name: str, variants: list[str], since: datetime
) -> pd.DataFrame:
    """Ask for everything once."""
    now = datetime.now(UTC)
    window = {
        # CloudWatch files a request under the minute in which it came.
        "StartTime": max(since, now - LONGEST) - timedelta(minutes=1),
        "EndTime": now + timedelta(minutes=1),
        "Period": 60,  # seconds: one number per minute
    }

    def by_minute(variant: str, metric: str, statistic: str) -> pd.Series:
        response = cloudwatch.get_metric_statistics(
            Namespace="AWS/SageMaker",
            MetricName=metric,
            Dimensions=[
                {"Name": "EndpointName", "Value": endpoint_name},
                {"Name": "VariantName", "Value": variant},
            ],
            Statistics=[statistic],
            **window,
        )
        points = [point[statistic] for point in response["Datapoints"]]
        return pd.Series(points, dtype=float)

    rows = {}
    for variant in variants:
        row = {
            column: int(by_minute(variant, metric, "Sum").sum())
            for column, metric in COUNTS.items()
        }
        times = {
            statistic: by_minute(variant, "ModelLatency", statistic)
            for statistic in ("Sum", "SampleCount", "Maximum")
        }
        measured = times["SampleCount"].sum()
        mean = times["Sum"].sum() / measured if measured else float("nan")
        row["average (ms)"] = mean / MICROSECONDS_PER_MS
        row["slowest (ms)"] = times["Maximum"].max() / MICROSECONDS_PER_MS
        rows[variant] = row
    return pd.DataFrame.from_dict(rows, orient="index")
