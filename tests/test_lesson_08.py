"""What lesson 08 says of many splits, and its stored numbers, computed once more.

With plain xgboost, outside of SageMaker, and with scikit-learn's metrics.
"""

import nbformat
import pandas as pd
import pytest
from bank_data import why_not_real
from bank_models import plain_xgboost
from lesson_runs import LESSONS, why_not_strict
from sklearn import metrics

from course.lessons import lesson_number
from utils.bank_marketing import (
    encode_bank_marketing,
    load_bank_marketing,
    split_bank_marketing,
)
from utils.decision import best_threshold, profit

BY_HAND = 5 / 40


def what_comes_of(calls: pd.DataFrame, table: pd.DataFrame, seed: int) -> dict:
    """Split, train, choose a threshold, and open the test set."""
    parts = [table.loc[part.index] for part in split_bank_marketing(calls, seed)]
    _, of_validation, of_test = plain_xgboost(parts, seed)
    known, buys = parts[1]["y"].to_numpy(), parts[2]["y"].to_numpy()
    threshold = best_threshold(known, of_validation)
    called = of_test >= threshold
    return {
        "threshold": threshold,
        "calls": called.sum(),
        "chosen": profit(buys, called),
        "by hand": profit(buys, of_test >= BY_HAND),
        "half": profit(buys, of_test >= 0.5),
        "everybody": profit(buys, of_test >= 0),
        "gain on validation": profit(known, of_validation >= threshold)
        - profit(known, of_validation >= BY_HAND),
        "accuracy": metrics.accuracy_score(buys, called),
        "accuracy of nobody": 1 - buys.mean(),
        "recall": metrics.recall_score(buys, called),
        "precision": metrics.precision_score(buys, called),
        "auc": metrics.roc_auc_score(buys, of_test),
    }


@pytest.fixture(scope="module")
def twelve() -> pd.DataFrame:
    """The seeds 0 to 11, a row each."""
    if reason := why_not_strict() or why_not_real():
        pytest.skip(reason)
    calls = load_bank_marketing()
    table = encode_bank_marketing(calls)
    return pd.DataFrame([what_comes_of(calls, table, seed) for seed in range(12)])


@pytest.fixture(scope="module")
def lesson() -> nbformat.NotebookNode:
    (path,) = [path for path in LESSONS if lesson_number(path) == "08"]
    return nbformat.read(path, 4)


def test_it_says_of_twelve_splits_what_they_show(twelve, lesson) -> None:
    cells = [cell.source for cell in lesson.cells if cell.cell_type == "markdown"]
    text = " ".join("\n".join(cells).split())
    low, high = twelve["chosen"].min(), twelve["chosen"].max()
    assert f"lay between {low:,.0f} and {high:,.0f} dollars" in text
    low, high = twelve["threshold"].min(), twelve["threshold"].max()
    assert f"The data chose something from {low} to {high}" in text
    gain = twelve["gain on validation"].mean()
    behind = twelve["by hand"] - twelve["chosen"]
    assert f"that beat 0.125 by {gain:.0f} dollars on average" in text
    assert f"on the test set it was {behind.mean():.0f} *behind*" in text
    assert (behind < 0).sum() == 6
    assert "better in six of the twelve" in text
    assert (twelve["everybody"] < 0).all()
    assert (twelve["half"] < twelve["chosen"] / 2).all()
    assert (twelve["accuracy"] < twelve["accuracy of nobody"]).all()
    assert f"reaches {twelve['auc'].mean():.2f} on average" in text


def test_its_stored_numbers_are_those_of_other_tools(twelve, lesson) -> None:
    outputs = [out for cell in lesson.cells for out in cell.get("outputs", [])]
    text = "\n".join(out.get("text", "") for out in outputs)
    seed_5 = twelve.iloc[5]
    assert f"AUC on the test set: {seed_5['auc']:.3f};" in text
    line = next(x for x in text.splitlines() if x.endswith(f" {seed_5['chosen']:,.0f}"))
    assert line.startswith(f"from {seed_5['threshold']} on (chosen)")
    assert line.split()[-4] == f"{seed_5['calls']:.0f}"
    assert line.split()[-2] == f"{seed_5['accuracy']:.1%}"
    for name in ("recall", "precision"):
        rates = next(x for x in text.splitlines() if x.split()[:1] == [name])
        assert rates.split()[1] == f"{seed_5[name]:.1%}"
