"""What CloudWatch has counted and measured for each variant of an endpoint."""

from collections.abc import Iterable
from datetime import UTC, datetime, timedelta

import boto3
import pandas as pd

# Column: CloudWatch's metric, the statistic of each minute, and how minutes add up.
COLUMNS = {
    "requests": ("Invocations", "Sum", "sum"),
    "refused (4XX)": ("Invocation4XXErrors", "Sum", "sum"),
    "failed (5XX)": ("Invocation5XXErrors", "Sum", "sum"),
    "slowest (ms)": ("ModelLatency", "Maximum", "max"),
}
MICROSECONDS_PER_MS = 1000


def variant_metrics(
    boto_session: boto3.Session, endpoint_name: str, variants: Iterable[str]
) -> pd.DataFrame:
    """Give one row per variant: its requests and errors of the last hour, as counts,
    and the longest time that its model took for one of them, in milliseconds (NaN if
    it had none).
    """
    cloudwatch = boto_session.client("cloudwatch")
    table = pd.DataFrame(index=list(variants), columns=list(COLUMNS), dtype=float)
    for variant in table.index:
        for column, (metric, statistic, combine) in COLUMNS.items():
            minutes = _by_minute(cloudwatch, endpoint_name, variant, metric, statistic)
            table.loc[variant, column] = minutes.agg(combine)
    table["slowest (ms)"] /= MICROSECONDS_PER_MS
    counts = [column for column in table if column != "slowest (ms)"]
    return table.astype(dict.fromkeys(counts, int))


def _by_minute(
    cloudwatch: object, endpoint_name: str, variant: str, metric: str, statistic: str
) -> pd.Series:
    """Ask for one metric of one variant, a number per minute of the last hour."""
    now = datetime.now(UTC)
    response = cloudwatch.get_metric_statistics(
        Namespace="AWS/SageMaker",
        MetricName=metric,
        Dimensions=[
            {"Name": "EndpointName", "Value": endpoint_name},
            {"Name": "VariantName", "Value": variant},
        ],
        StartTime=now - timedelta(hours=1),
        EndTime=now + timedelta(minutes=1),
        Period=60,
        Statistics=[statistic],
    )
    points = [point[statistic] for point in response["Datapoints"]]
    return pd.Series(points, dtype=float)
