"""Print what some columns of the bank-marketing data do to a split: the card's table.

Usage: python -m data.compare_bank_splits [SEEDS]

For each choice of columns and each seed, a model of XGBoost is trained on a random
split (60 % for training, 20 % for validation, which stops it early, 20 % for test), and
once more on a split by date: the first 60 % of the calls, the next 20 %, the last 20 %.
What counts is the area under the ROC curve of the test set: 1 is perfect, 0.5 is
guessing. Takes some minutes, and needs the real data.
"""

import sys

import numpy as np
import pandas as pd

from utils.bank_marketing import (
    BANK_TARGET,
    encode_bank_marketing,
    load_bank_marketing,
    split_bank_marketing,
)
from utils.synthetic_bank_marketing import ECONOMY

SEEDS = 10
MONTH = [*ECONOMY, "euribor3m"]
SETTINGS = {
    "n_estimators": 200,
    "max_depth": 4,
    "learning_rate": 0.1,
    "subsample": 0.8,
    "early_stopping_rounds": 10,
    "eval_metric": "aucpr",
    "n_jobs": 1,
}
CHOICES = {
    "the course's": [],
    "with the five economic columns": MONTH,
    "with duration": ["duration"],
}


def by_date(calls: pd.DataFrame) -> list[pd.DataFrame]:
    """Give the first 60 % of the calls, the next 20 %, and the last 20 %."""
    size = round(0.2 * len(calls))
    rest = len(calls) - 2 * size
    return [calls[:rest], calls[rest : rest + size], calls[rest + size :]]


def auc(parts: list[pd.DataFrame], seed: int) -> float:
    """Train on the first part, stop early by the second, and measure on the third."""
    from sklearn.metrics import roc_auc_score
    from xgboost import XGBClassifier

    train, validation, test = (
        (part.drop(columns=BANK_TARGET), part[BANK_TARGET]) for part in parts
    )
    model = XGBClassifier(**SETTINGS, random_state=seed)
    model.fit(*train, eval_set=[validation], verbose=False)
    return roc_auc_score(test[1], model.predict_proba(test[0])[:, 1])


def main(seeds: int = SEEDS) -> None:
    """Print a row for each choice of columns and each kind of split."""
    calls = load_bank_marketing()
    if calls.attrs["source"] != "UCI":
        raise SystemExit("The real data is needed.")
    encoded = encode_bank_marketing(calls)
    for name, more in CHOICES.items():
        table = encoded.join(calls[more])
        random = [
            auc(list(split_bank_marketing(table, seed)), seed) for seed in range(seeds)
        ]
        dated = [auc(by_date(table), seed) for seed in range(seeds)]
        for kind, found in (("random", random), ("by date", dated)):
            print(
                f"{name}, {kind}: {np.mean(found):.3f} "
                f"({min(found):.3f} to {max(found):.3f})"
            )


if __name__ == "__main__":
    main(*(int(one) for one in sys.argv[1:2]))
