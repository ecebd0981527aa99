"""What endpoints report to CloudWatch about their invocations.

Source: AWS page "Monitor Amazon SageMaker with Amazon CloudWatch", endpoint invocation
metrics. Values are kept here while requests come in, since a call to CloudWatch for
each would cost more than the request, and are handed over before anybody reads.
"""

import math
import threading
import time
from collections import defaultdict
from datetime import UTC, datetime

from local_aws.clients import Clients
from local_aws.jobs.metrics import MAX_DATA

NAMESPACE = "AWS/SageMaker"

# How many, their sum, the least and the greatest.
Statistics = tuple[int, float, float, float]
NOTHING: Statistics = (0, 0.0, math.inf, -math.inf)

UNITS = {"ModelLatency": "Microseconds", "OverheadLatency": "Microseconds"}


class InvocationMetrics:
    """Statistics per Region, endpoint, variant, metric and minute."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._values: dict[tuple, Statistics] = {}

    def record(
        self,
        region: str,
        endpoint: str,
        variant: str,
        instances: int,
        status: int,
        model_seconds: float,
        overhead_seconds: float,
    ) -> None:
        """Note one invocation; `status` is what the container answered."""
        values = {
            "Invocations": 1,
            "InvocationsPerInstance": 1 / instances,
            "Invocation4XXErrors": int(400 <= status < 500),
            "Invocation5XXErrors": int(status >= 500),
            "InvocationModelErrors": int(status >= 300),
            "ModelLatency": round(model_seconds * 1e6),
            "OverheadLatency": round(overhead_seconds * 1e6),
        }
        minute = int(time.time()) // 60 * 60
        with self._lock:
            for metric, value in values.items():
                key = (region, endpoint, variant, metric, minute)
                count, total, least, most = self._values.get(key, NOTHING)
                self._values[key] = (
                    count + 1,
                    total + value,
                    min(least, value),
                    max(most, value),
                )

    def flush(self, clients: Clients) -> None:
        """Hand everything over to CloudWatch."""
        with self._lock:
            collected, self._values = self._values, {}
        by_region = defaultdict(list)
        for (region, *what), values in collected.items():
            by_region[region].append(_datum(*what, values))
        for region, data in by_region.items():
            for start in range(0, len(data), MAX_DATA):
                clients.cloudwatch(region).put_metric_data(
                    Namespace=NAMESPACE, MetricData=data[start : start + MAX_DATA]
                )


def _datum(
    endpoint: str, variant: str, metric: str, minute: int, values: Statistics
) -> dict:
    count, total, least, most = values
    return {
        "MetricName": metric,
        "Dimensions": [
            {"Name": "EndpointName", "Value": endpoint},
            {"Name": "VariantName", "Value": variant},
        ],
        "Timestamp": datetime.fromtimestamp(minute, UTC),
        "StatisticValues": {
            "SampleCount": count,
            "Sum": total,
            "Minimum": least,
            "Maximum": most,
        },
        "Unit": UNITS.get(metric, "None"),
    }
