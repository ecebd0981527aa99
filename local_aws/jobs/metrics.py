"""Metrics as SageMaker finds them: an algorithm's own regexes over its log."""

import logging
import math
import re
import time
from collections import defaultdict
from collections.abc import Callable
from datetime import UTC, datetime
from functools import cache

import regex

log = logging.getLogger(__name__)

NAMESPACE = "/aws/sagemaker/TrainingJobs"

# PutMetricData takes 1,000 at most (botocore cloudwatch service model).
MAX_DATA = 1000

# FinalMetricDataList holds 40 at most (botocore sagemaker service model).
MAX_FINAL = 40

# A regex may not hold up the log for longer than this: it finds no more in this job.
MATCH_SECONDS = 1.0


class MetricCollector:
    """Give it every log line; it keeps each value with the time it was printed."""

    def __init__(
        self,
        definitions: list[dict[str, str]],
        on_value: Callable[[str, float], None] = lambda name, value: None,
    ) -> None:
        """`definitions` are MetricDefinitions: [{"Name": ..., "Regex": ...}]."""
        self._on_value = on_value
        self._patterns = {
            one["Name"]: (needed_text(one["Regex"]), regex.compile(one["Regex"]))
            for one in definitions
        }
        self._values: list[tuple[str, float, float]] = []

    def read(self, line: str) -> None:
        """Look for every metric in one line."""
        for name, (text, pattern) in list(self._patterns.items()):
            if text not in line:
                continue
            try:
                match = pattern.search(line, timeout=MATCH_SECONDS)
            except TimeoutError:
                log.warning("the regex of metric %s takes too long", name)
                del self._patterns[name]
                continue
            # The value is what the first group matches.
            if match and pattern.groups and (value := _number(match[1])) is not None:
                self._values.append((name, value, time.time()))
                self._on_value(name, value)

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


# What a regex is made of: an escape, a set, a number of repetitions, any character.
_PART = re.compile(r"\\.|\[\^?\]?(?:\\.|\[:\^?\w+:\]|[^]\\])*\]|\{[^}]*\}|.", re.DOTALL)
_PLAIN = re.compile(r"[\w #:=<>,/%-]")


@cache
def needed_text(pattern: str) -> str:
    """The longest text that each line with a match must have; "" if none is certain.

    XGBoost has dozens of metrics and prints two of them in a line; looking for a text
    takes a tenth of the time that a regex takes.
    """
    # Flags, what looks ahead, and escapes that are longer than two characters.
    if re.search(r"\(\?(?!:)|\\[0-9gkLNpPuUx]", pattern):
        return ""
    found, run, depth = [], "", 0
    for part in _PART.findall(pattern):
        if depth == 0 and _PLAIN.fullmatch(part):
            run += part
            continue
        if part == "|" and depth == 0:
            return ""
        if part[0] in "*?{":  # the character before it may be missing
            run = run[:-1]
        found.append(run)
        run = ""
        depth += (part == "(") - (part == ")")
    return max([*found, run], key=len)


def _number(text: str | None) -> float | None:
    """The number that CloudWatch takes, or None: there is no NaN and no infinity."""
    try:
        value = float(text)
    except (TypeError, ValueError):
        return None
    return value if math.isfinite(value) else None
