"""What endpoints report to CloudWatch about their invocations.

Source: AWS page "Monitor Amazon SageMaker with Amazon CloudWatch", endpoint invocation
metrics. Values are collected here while requests come in, since a call to CloudWatch
for each would cost more than the request, and are handed over before anybody reads.
"""

import json
import logging
import math
import threading
import time
from collections import defaultdict
from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path

from botocore.exceptions import BotoCoreError, ClientError

from local_aws.clients import Clients

log = logging.getLogger(__name__)

NAMESPACE = "AWS/SageMaker"

# PutMetricData takes 1,000 at most (botocore cloudwatch service model).
MAX_DATA = 1000

# How many, their sum, the least and the greatest.
Statistics = tuple[int, float, float, float]
NOTHING: Statistics = (0, 0.0, math.inf, -math.inf)


class InvocationMetrics:
    """Statistics per Region, endpoint, variant, metric and minute."""

    def __init__(self, clients: Clients, file: Path) -> None:
        """`file` has what an earlier run could not hand over any more."""
        self._clients = clients
        self._file = file
        self._lock = threading.Lock()
        self._flushing = threading.Lock()
        self._values: dict[tuple, Statistics] = {}
        self._load()

    def _load(self) -> None:
        try:
            saved = json.loads(self._file.read_bytes())
            self._add({tuple(key): tuple(values) for key, values in saved})
        except FileNotFoundError:
            return
        except ValueError as error:
            log.warning("endpoint metrics in %s are lost: %s", self._file, error)
        self._file.unlink()

    def save(self) -> None:
        """Leave to the next run what has come since the last `flush`."""
        if self._values:
            self._file.write_text(json.dumps(list(self._values.items())))

    @property
    def are_pending(self) -> bool:
        """Whether there is something that CloudWatch does not know yet."""
        return bool(self._values)

    def record(
        self,
        region: str,
        endpoint: str,
        variant: str,
        instances: int,
        status: int | None,
        model_seconds: float,
        overhead_seconds: float,
    ) -> None:
        """Note one invocation.

        `status` is the container's; None if it has not responded: the connection was
        lost, or its time was over.
        """
        status = status or 0
        values = {
            "Invocations": 1,
            "InvocationsPerInstance": 1 / max(1, instances),
            "Invocation4XXErrors": int(400 <= status < 500),
            "Invocation5XXErrors": int(status >= 500),
            "InvocationModelErrors": int(not 200 <= status < 300),
            "ModelLatency": round(model_seconds * 1e6),
            "OverheadLatency": round(overhead_seconds * 1e6),
        }
        minute = int(time.time()) // 60 * 60
        self._add(
            {
                (region, endpoint, variant, metric, minute): (1, value, value, value)
                for metric, value in values.items()
            }
        )

    def _add(self, statistics: Mapping[tuple, Statistics]) -> None:
        with self._lock:
            for key, (count, total, least, most) in statistics.items():
                before = self._values.get(key, NOTHING)
                self._values[key] = (
                    before[0] + count,
                    before[1] + total,
                    min(before[2], least),
                    max(before[3], most),
                )

    def flush(self) -> None:
        """Hand everything over to CloudWatch; what it does not take stays for later.

        Returns when all that had been recorded before can be read there.
        """
        with self._flushing:
            with self._lock:
                collected, self._values = self._values, {}
            by_region = defaultdict(list)
            for key in collected:
                by_region[key[0]].append(key)
            for region, keys in by_region.items():
                for start in range(0, len(keys), MAX_DATA):
                    batch = keys[start : start + MAX_DATA]
                    self._put(region, {key: collected[key] for key in batch})

    def _put(self, region: str, statistics: Mapping[tuple, Statistics]) -> None:
        try:
            self._clients.cloudwatch(region).put_metric_data(
                Namespace=NAMESPACE,
                MetricData=[
                    _datum(*key[1:], values) for key, values in statistics.items()
                ],
            )
        except (BotoCoreError, ClientError) as error:
            log.warning("endpoint metrics have to wait: %s", error)
            self._add(statistics)


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
        "Unit": "Microseconds" if metric.endswith("Latency") else "None",
    }
