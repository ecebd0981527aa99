"""Print how lesson 12's pipeline does on several splits, next to lesson 08's XGBoost.

Usage: python -m data.compare_bank_pipeline [SEEDS]

For each seed the calls are split as in the lessons, and both models are trained on the
same customers: the pipeline on words, for 200 rounds, of which the first 60 are the
lesson's; XGBoost on the encoded columns, stopped early by the validation set. Then come
AUC and profit on the test set, with calls from a probability of 0.125 on. Takes a
minute, and needs the real data.
"""

import sys

import numpy as np
import pandas as pd
from sklearn.compose import make_column_transformer
from sklearn.ensemble import HistGradientBoostingClassifier
from sklearn.metrics import log_loss, roc_auc_score
from sklearn.preprocessing import OrdinalEncoder
from xgboost import XGBClassifier

from utils.bank_marketing import (
    BANK_CATEGORIES,
    BANK_TARGET,
    encode_bank_marketing,
    load_bank_marketing,
    split_bank_marketing,
)
from utils.decision import profit

SEEDS = 12
LONG, LESSON = 200, 60
NUMBERS = ["age", "campaign", "pdays", "previous"]


def pipeline_scores(
    parts: list[pd.DataFrame], bought: list[np.ndarray], seed: int, rounds: int
) -> list[list[np.ndarray]]:
    """Give the probabilities of validation and test set after each round."""
    words = OrdinalEncoder(
        categories=[list(known) for known in BANK_CATEGORIES.values()]
    )
    encoder = make_column_transformer(
        (words, list(BANK_CATEGORIES)), ("passthrough", NUMBERS)
    )
    train, *others = (encoder.fit_transform(part) for part in parts)
    model = HistGradientBoostingClassifier(
        max_iter=rounds,
        max_leaf_nodes=15,
        categorical_features=list(range(len(BANK_CATEGORIES))),
        early_stopping=False,
        random_state=seed,
    ).fit(train, bought[0])
    return [[s[:, 1] for s in model.staged_predict_proba(part)] for part in others]


def xgboost_scores(
    parts: list[pd.DataFrame], bought: list[np.ndarray], seed: int
) -> np.ndarray:
    """Give the test set's probabilities by the model of lesson 08."""
    train, validation, test = (
        encode_bank_marketing(part).drop(columns=BANK_TARGET) for part in parts
    )
    model = XGBClassifier(
        n_estimators=200,
        max_depth=4,
        learning_rate=0.1,
        subsample=0.8,
        early_stopping_rounds=10,
        eval_metric="logloss",
        random_state=seed,
        n_jobs=1,
    )
    model.fit(train, bought[0], eval_set=[(validation, bought[1])], verbose=False)
    return model.predict_proba(test)[:, 1]


def main(seeds: int = SEEDS) -> None:
    """Print a row for each split, then the means."""
    calls = load_bank_marketing()
    if calls.attrs["source"] != "UCI":
        raise SystemExit("The real data is needed.")
    rows = []
    for seed in range(seeds):
        parts = split_bank_marketing(calls, seed)
        bought = [(part[BANK_TARGET] == "yes").to_numpy() for part in parts]
        validation, test = pipeline_scores(parts, bought, seed, LONG)
        losses = [log_loss(bought[1], scores) for scores in validation]
        row = {"best round": int(np.argmin(losses)) + 1}
        row["rise to 200"] = losses[-1] - min(losses)
        by = {"pipeline": test[LESSON - 1]}
        by["XGBoost"] = xgboost_scores(parts, bought, seed)
        for name, scores in by.items():
            row[f"{name} AUC"] = roc_auc_score(bought[2], scores)
            row[f"{name} profit"] = profit(bought[2], scores >= 0.125)
        rows.append(row)
    table = pd.DataFrame(rows)
    print(table.round(4).to_string())
    print(table.mean().round(4).to_string())


if __name__ == "__main__":
    main(*(int(one) for one in sys.argv[1:2]))
