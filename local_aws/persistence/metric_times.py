"""Which values of a metric belong to which data point.

Source: StartTime, EndTime and Period of GetMetricStatistics and GetMetricData in
botocore's cloudwatch service model. moto takes StartTime as it is and counts periods
from the first value.
"""

from datetime import datetime, timedelta
from typing import Any

from moto.cloudwatch.exceptions import InvalidParameterValue
from moto.cloudwatch.models import CloudWatchBackend, Statistics
from moto.core.utils import utcnow

EPOCH = datetime(1970, 1, 1)  # moto's times are UTC without saying so

_moto_get_metric_data = CloudWatchBackend.get_metric_data


def patch_cloudwatch() -> None:
    """Let moto's CloudWatch count periods as AWS does."""
    CloudWatchBackend.get_metric_data = _get_metric_data
    CloudWatchBackend.get_metric_statistics = _get_metric_statistics


def first_period(start: datetime, period: int, now: datetime) -> datetime:
    """When the first period begins that a request is for."""
    if period in (5, 10, 20, 30):
        return _rounded_down(start, period)
    if now - start > timedelta(days=63):
        return _rounded_down(start, 3600)
    if now - start > timedelta(days=15):
        return _rounded_down(start, 300)
    return _rounded_down(start, 60)


def _rounded_down(time: datetime, seconds: int) -> datetime:
    step = timedelta(seconds=seconds)
    return EPOCH + (time - EPOCH) // step * step


def _get_metric_data(
    self: CloudWatchBackend,
    queries: list[dict[str, Any]],
    start_time: datetime,
    end_time: datetime,
    scan_by: str = "TimestampAscending",
) -> list[dict[str, Any]]:
    periods = [
        int(query["MetricStat"]["Period"]) for query in queries if "MetricStat" in query
    ]
    start = first_period(start_time, min(periods, default=60), utcnow())
    return _moto_get_metric_data(self, queries, start, end_time, scan_by)


def _get_metric_statistics(
    self: CloudWatchBackend,
    namespace: str,
    metric_name: str,
    start_time: datetime,
    end_time: datetime,
    period: int,
    stats: list[str],
    dimensions: list[dict[str, str]],
    unit: str | None = None,
) -> list[Statistics]:
    if start_time >= end_time:
        raise InvalidParameterValue(
            "The parameter StartTime must be less than the parameter EndTime."
        )
    start, step = first_period(start_time, period, utcnow()), timedelta(seconds=period)
    points: dict[int, Statistics] = {}
    for value in self.get_all_metrics():
        if (
            (value.namespace, value.name) == (namespace, metric_name)
            and start <= value.timestamp < end_time
            and (not unit or value.unit == unit)
            and (not dimensions or value.filter(None, None, dimensions))
        ):
            number = (value.timestamp - start) // step
            if number not in points:
                points[number] = Statistics(stats, start + number * step)
            points[number].metric_data.append(value)
            points[number].unit = value.unit
    return [points[number] for number in sorted(points)]
