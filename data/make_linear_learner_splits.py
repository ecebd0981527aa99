"""Write linear_learner_splits.csv: the decisions of lesson 09 over twelve splits.

Usage: python -m data.make_linear_learner_splits [FILE] [SEEDS]

For each seed the bank-marketing calls are split as in lesson 09, and the stand-in's
Linear Learner trains as there: plain, for the target of sales, and for the 15 % of
customer service with balanced weights and without. The thresholds that the lesson reads
from the ROC curve are used as well. The training program runs in this process: the same
models as from training jobs, in some minutes. It needs the real data.
"""

import contextlib
import csv
import io
import json
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pandas as pd
from sklearn.metrics import roc_curve

from local_aws.containers.linear_learner import model, training
from utils.bank_marketing import (
    BANK_TARGET,
    encode_bank_marketing,
    load_bank_marketing,
    split_bank_marketing,
)
from utils.rates import RATES, rates

DEFAULT_FILE = Path(__file__).with_name("linear_learner_splits.csv")
SEEDS = 12
TARGET_RECALL, MOST_BOTHERED = 0.8, 0.15
COLUMNS = ("seed", "decision", *RATES, "calls", "mean_score", "same_as_spare")


class Split:
    """One split of the calls, and training on it."""

    def __init__(self, calls: pd.DataFrame, seed: int) -> None:
        parts = split_bank_marketing(calls, seed)
        self._parts = dict(
            zip(
                ("train", "validation", "test"),
                map(encode_bank_marketing, parts),
                strict=True,
            )
        )

    def actual(self, part: str) -> np.ndarray:
        """Who buys."""
        return self._parts[part][BANK_TARGET].to_numpy()

    def train(self, **settings: str | float) -> "Trained":
        """Train a binary classifier by Linear Learner's own program."""
        given = {"predictor_type": "binary_classifier", **settings}
        channel = {"ContentType": "text/csv", "TrainingInputMode": "File"}
        channel["S3DistributionType"] = "FullyReplicated"
        configuration = {
            "hyperparameters": {name: str(value) for name, value in given.items()},
            "inputdataconfig": {"train": channel, "validation": channel},
            "resourceconfig": {"current_host": "algo-1", "hosts": ["algo-1"]},
        }
        with tempfile.TemporaryDirectory() as folder:
            root = Path(folder)
            (root / "model").mkdir()
            (root / "input" / "config").mkdir(parents=True)
            for name, content in configuration.items():
                file = root / "input" / "config" / f"{name}.json"
                file.write_text(json.dumps(content))
            for name in configuration["inputdataconfig"]:
                data = root / "input" / "data" / name
                data.mkdir(parents=True)
                self._parts[name].to_csv(data / "data.csv", header=False, index=False)
            with contextlib.redirect_stdout(io.StringIO()):
                training.train(root)
            return Trained(model.load(root / "model"), self._parts)


class Trained:
    """What a trained model says of the customers."""

    def __init__(
        self, fitted: model.LinearModel, parts: dict[str, pd.DataFrame]
    ) -> None:
        self._fitted, self._parts = fitted, parts

    def scores(self, part: str) -> np.ndarray:
        """The scores of its replies."""
        return self._raw(part)[:, 0]

    def called(self, part: str) -> np.ndarray:
        """Whether the predicted label of its replies is 1."""
        return self._fitted.predicted_labels(self._raw(part)) == 1

    def _raw(self, part: str) -> np.ndarray:
        features = self._parts[part].drop(columns=BANK_TARGET)
        return self._fitted.scores(features.to_numpy(np.float64))


def compare(calls: pd.DataFrame, seed: int) -> Iterator[tuple]:
    """The rows of one split, as COLUMNS has them."""
    split = Split(calls, seed)
    criterion = {
        "binary_classifier_model_selection_criteria": "precision_at_target_recall"
    }
    plain = split.train()
    fpr, recall, thresholds = roc_curve(
        split.actual("validation"), plain.scores("validation"), drop_intermediate=False
    )
    exact, stricter = ((fpr <= MOST_BOTHERED - less).sum() - 1 for less in (0, 0.01))
    target = {"target_recall": round(float(recall[stricter]), 3)}
    reach = split.train(**criterion, target_recall=TARGET_RECALL)
    unweighted = split.train(**criterion, **target)
    spare = split.train(**criterion, **target, positive_example_weight_mult="balanced")
    scores = plain.scores("test")
    decisions = {
        "plain": (plain, plain.called("test")),
        "reach": (reach, reach.called("test")),
        "plain, moved for 15 %": (plain, scores >= thresholds[exact]),
        "plain, moved for 14 %": (plain, scores >= thresholds[stricter]),
        "as spare, without weights": (unweighted, unweighted.called("test")),
        "spare": (spare, spare.called("test")),
    }
    for name, (trained, called) in decisions.items():
        found = rates(split.actual("test"), called)["rate"]
        mean = trained.scores("test").mean()
        same = (called == decisions["spare"][1]).mean()
        numbers = [f"{value:.5f}" for value in (*found, mean, same)]
        yield (seed, name, *numbers[:4], int(called.sum()), *numbers[4:])


def main(file: Path = DEFAULT_FILE, seeds: int = SEEDS) -> None:
    """Write the table."""
    calls = load_bank_marketing()
    if calls.attrs["source"] != "UCI":
        raise SystemExit("The real data is needed.")
    rows = [row for seed in range(seeds) for row in compare(calls, seed)]
    # Only now: who breaks off has the old table.
    with file.open("w", newline="", encoding="utf-8") as stream:
        csv.writer(stream, lineterminator="\n").writerows([COLUMNS, *rows])


if __name__ == "__main__":
    main(*map(Path, sys.argv[1:2]), *map(int, sys.argv[2:3]))
