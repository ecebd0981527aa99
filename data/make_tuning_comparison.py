"""Write tuning_comparison.csv: what tuning gains on the Boston data, over many splits.

Usage: python -m data.make_tuning_comparison [FILE] [SEEDS]

For each seed the data is split as in lesson 01. The model of lesson 01's own settings
is trained once; then a Bayesian and a Random search train 20 models each, three at a
time, with the search of the stand-in's tuning jobs. The training is XGBoost's own, in
this process: the same numbers as from training jobs, in a minute or two.
"""

import csv
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path

import numpy as np

from local_aws.jobs.tuning_search import Trial, suggest
from utils.data import TARGET, split_boston

DEFAULT_FILE = Path(__file__).with_name("tuning_comparison.csv")
SEEDS = 20
JOBS = 20
PARALLEL = 3

STATIC = {
    "objective": "reg:squarederror",
    "eval_metric": "rmse",
}
ROUNDS, PATIENCE = 200, 10
# Lesson 01's choice of what is tuned here.
BY_HAND = {"eta": "0.2", "max_depth": "5", "min_child_weight": "1", "subsample": "0.8"}
RANGES = {
    "ContinuousParameterRanges": [
        {
            "Name": "eta",
            "MinValue": "0.01",
            "MaxValue": "0.5",
            "ScalingType": "Logarithmic",
        },
        {
            "Name": "min_child_weight",
            "MinValue": "1",
            "MaxValue": "20",
            "ScalingType": "Linear",
        },
        {
            "Name": "subsample",
            "MinValue": "0.5",
            "MaxValue": "1",
            "ScalingType": "Linear",
        },
    ],
    "IntegerParameterRanges": [
        {
            "Name": "max_depth",
            "MinValue": "2",
            "MaxValue": "10",
            "ScalingType": "Linear",
        }
    ],
}
COLUMNS = ("seed", "search", "job", *BY_HAND, "validation_rmse", "test_rmse")


class Boston:
    """One split of the data, and the training of a model on it."""

    def __init__(self, seed: int) -> None:
        import xgboost

        self._xgboost = xgboost
        self._seed = seed
        self._train, self._validation, self._test = (
            xgboost.DMatrix(
                part.drop(columns=TARGET).to_numpy(np.float32),
                part[TARGET].to_numpy(np.float32),
                nthread=1,
            )
            for part in split_boston(seed)
        )

    def errors(self, tuned: Mapping[str, str]) -> tuple[float, float]:
        """Train; the RMSE on the validation set and on the test set.

        The first is what a job prints last, its objective. The second is that of the
        best round's model, which is what a job saves.
        """
        printed: dict = {}
        booster = self._xgboost.train(
            {**STATIC, **tuned, "seed": self._seed, "nthread": 1},
            self._train,
            ROUNDS,
            evals=[(self._validation, "validation")],
            early_stopping_rounds=PATIENCE,
            evals_result=printed,
            verbose_eval=False,
        )
        predicted = booster.predict(
            self._test, iteration_range=(0, booster.best_iteration + 1)
        )
        off = predicted - self._test.get_label()
        last = printed["validation"]["rmse"][-1]
        return round(last, 5), round(float(np.sqrt(np.mean(off**2))), 5)


def rows(seed: int) -> Iterator[tuple]:
    """All that is trained on one split, in the order of COLUMNS."""
    boston = Boston(seed)
    yield (seed, "by hand", 1, *BY_HAND.values(), *boston.errors(BY_HAND))
    for strategy in ("Bayesian", "Random"):
        trials: list[Trial] = []
        for number in range(1, JOBS + 1):
            earlier = trials[: max(0, number - PARALLEL)]
            values = suggest(RANGES, strategy, seed, number, earlier, maximize=False)
            validation, test = boston.errors(values)
            trials.append(Trial(values, validation))
            tuned = (values[name] for name in BY_HAND)
            yield (seed, strategy, number, *tuned, validation, test)


def make(path: Path = DEFAULT_FILE, seeds: int = SEEDS) -> None:
    """Write the csv, 41 rows for each seed."""
    with path.open("w", encoding="ascii", newline="") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(COLUMNS)
        for seed in range(seeds):
            writer.writerows(rows(seed))


if __name__ == "__main__":
    given = sys.argv[1:3]
    make(*(Path(one) for one in given[:1]), *(int(one) for one in given[1:]))
