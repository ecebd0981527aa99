"""The lines of the log that AWS's platform and its users read numbers from."""

import json
import time
from collections.abc import Iterable
from typing import Any

import numpy as np

from local_aws.containers.linear_learner import log
from local_aws.containers.linear_learner.scaling import Scaling

# How the names of metrics end that are losses; all others are scores in the log.
LOSSES = ("_objective", "mse", "absolute_loss", "rmse")


class Report:
    """Writes them for one host, for example "algo-1"."""

    def __init__(self, host: str) -> None:
        self._host = host

    def info(self, text: str) -> None:
        """Any other line."""
        log.logger.info(text)

    def scaling(self, scales: Scaling) -> None:
        """By what features and labels are scaled."""
        self.info(
            "Scaling model computed with parameters:\n"
            f"    {{'stdev_weight': {scales.deviations}, "
            f"'mean_weight': {scales.means}, "
            f"'stdev_label': {scales.label_deviation}, "
            f"'mean_label': {scales.label_mean}}}"
        )

    def epoch_losses(
        self,
        data: str,
        objective: str,
        epoch: int,
        numbers: np.ndarray,
        losses: np.ndarray,
    ) -> None:
        """Each model's loss after an epoch; the first one's as the quality metric.

        numbers: the models' numbers.
        """
        for model, loss in zip(numbers.tolist(), losses.tolist(), strict=True):
            self.metrics(
                {f"{data}_{objective}": [loss]}, time.time(), epoch=epoch, model=model
            )
        self.info(
            f"#quality_metric: host={self._host}, epoch={epoch}, "
            f"{data} {objective} <loss>={float(losses[0])}"
        )

    def early_stopping(self, objective: str, epoch: int, value: float) -> None:
        """The best loss of an epoch, on which it depends whether training goes on."""
        self.info(
            f"#early_stopping_criteria_metric: host={self._host}, epoch={epoch}, "
            f"criteria={objective}, value={value}"
        )

    def progress(self, percent: int) -> None:
        """How many of the epochs are over."""
        self.info(
            f"#progress_metric: host={self._host}, completed {percent} % of epochs"
        )

    def throughput(self, records: int, seconds: float) -> None:
        """Records that all models together went over, and how long they took."""
        rate = records / max(seconds, 1e-9)
        self.info(
            f"#throughput_metric: host={self._host}, "
            f"train throughput={rate} records/second"
        )

    def final_scores(self, data: str, metrics: dict[str, float]) -> None:
        """The chosen model's metrics on one data set."""
        for name, value in metrics.items():
            self.info(f"#{data}_score ({self._host}) : {(name, value)}")
        for name, value in metrics.items():
            kind = "loss" if name.endswith(LOSSES) else "score"
            self.info(
                f"#quality_metric: host={self._host}, {data} {name} <{kind}>={value}"
            )

    def metrics(
        self, values: dict[str, Iterable[float]], start: float, **dimensions: Any
    ) -> None:
        """A line of JSON. values: what was measured, by name; times in milliseconds.

        start: when measuring began, in seconds since 1970.
        """
        document = {
            "StartTime": start,
            "EndTime": time.time(),
            "Dimensions": {
                "Algorithm": "Linear Learner",
                "Host": self._host,
                "Operation": "training",
                **dimensions,
            },
            "Metrics": {
                name: {
                    "sum": float(sum(measured)),
                    "count": len(measured),
                    "min": min(measured),
                    "max": max(measured),
                }
                for name, measured in ((n, list(v)) for n, v in values.items())
            },
        }
        print(f"#metrics {json.dumps(document)}", flush=True)
