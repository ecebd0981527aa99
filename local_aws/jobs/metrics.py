"""Metrics as SageMaker finds them: an algorithm's own regexes over its log."""

import math
import time
from collections import defaultdict
from datetime import UTC, datetime

import regex

NAMESPACE = "/aws/sagemaker/TrainingJobs"

# PutMetricData takes 1,000 at most (botocore cloudwatch service model).
MAX_DATA = 1000

# FinalMetricDataList holds 40 at most (botocore sagemaker service model).
MAX_FINAL = 40

# A regex may not hold up the log for longer than this.
MATCH_SECONDS = 1.0


class MetricCollector:
    """Give it every log line; it keeps each value with the time it was printed."""

    def __init__(self, definitions: list[dict[str, str]]) -> None:
        """`definitions` are MetricDefinitions: [{"Name": ..., "Regex": ...}]."""
        self._patterns = [
            (definition["Name"], regex.compile(definition["Regex"]))
            for definition in definitions
        ]
        self._values: list[tuple[str, float, float]] = []

    def read(self, line: str) -> None:
        """Look for every metric in one line."""
        for name, pattern in self._patterns:
            match = pattern.search(line, timeout=MATCH_SECONDS)
            if match:
                try:
                    value = float(match.group(1))
                except ValueError:
                    continue  # the regex matched something that is no number
                self._values.append((name, value, time.time()))

    def final(self) -> list[dict]:
        """FinalMetricDataList: the last value of each metric."""
        last = {name: (value, at) for name, value, at in self._values}
        return [
            {"MetricName": name, "Value": value, "Timestamp": at}
            for name, (value, at) in sorted(last.items())
        ][:MAX_FINAL]

    def publish(self, cloudwatch: object, job_name: str) -> None:
        """Put what was collected into CloudWatch under the job's name.

        A minute's values of a metric go as their statistics: CloudWatch shows
        SageMaker's metrics by the minute, and a job may print thousands of values.
        """
        minutes = defaultdict(list)
        for name, value, at in self._values:
            minutes[name, int(at) // 60 * 60].append(value)
        data = [
            {
                "MetricName": name,
                "Dimensions": [{"Name": "TrainingJobName", "Value": job_name}],
                "Timestamp": datetime.fromtimestamp(minute, UTC),
                "StatisticValues": {
                    "SampleCount": len(values),
                    "Sum": math.fsum(values),
                    "Minimum": min(values),
                    "Maximum": max(values),
                },
            }
            for (name, minute), values in minutes.items()
        ]
        for start in range(0, len(data), MAX_DATA):
            cloudwatch.put_metric_data(
                Namespace=NAMESPACE, MetricData=data[start : start + MAX_DATA]
            )
