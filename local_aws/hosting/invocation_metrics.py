"""What endpoints report to CloudWatch about their invocations.

Source: AWS page "Monitor Amazon SageMaker with Amazon CloudWatch", endpoint invocation
metrics. Values are kept here while requests come in, since a call to CloudWatch for
each would cost more than the request, and are handed over before anybody reads.
"""

import threading
import time
from collections import Counter, defaultdict
from datetime import UTC, datetime

from local_aws.clients import Clients

NAMESPACE = "AWS/SageMaker"

UNITS = {"ModelLatency": "Microseconds", "OverheadLatency": "Microseconds"}

# PutMetricData: values in a datum, data in a request (botocore cloudwatch model).
MAX_VALUES = 150
MAX_DATA = 20


class InvocationMetrics:
    """Counts per endpoint, variant, metric and minute."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._counts: dict[tuple, Counter] = defaultdict(Counter)

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
                self._counts[key][value] += 1

    def flush(self, clients: Clients) -> None:
        """Hand everything over to CloudWatch."""
        with self._lock:
            counts, self._counts = self._counts, defaultdict(Counter)
        by_region = defaultdict(list)
        for (region, endpoint, variant, metric, minute), values in counts.items():
            by_region[region] += _data(endpoint, variant, metric, minute, values)
        for region, data in by_region.items():
            for start in range(0, len(data), MAX_DATA):
                clients.cloudwatch(region).put_metric_data(
                    Namespace=NAMESPACE, MetricData=data[start : start + MAX_DATA]
                )


def _data(
    endpoint: str, variant: str, metric: str, minute: int, values: Counter
) -> list[dict]:
    pairs = sorted(values.items())
    return [
        {
            "MetricName": metric,
            "Dimensions": [
                {"Name": "EndpointName", "Value": endpoint},
                {"Name": "VariantName", "Value": variant},
            ],
            "Timestamp": datetime.fromtimestamp(minute, UTC),
            "Values": [float(value) for value, _ in part],
            "Counts": [float(count) for _, count in part],
            "Unit": UNITS.get(metric, "None"),
        }
        for part in (
            pairs[start : start + MAX_VALUES]
            for start in range(0, len(pairs), MAX_VALUES)
        )
    ]
