"""What a decision about customers is worth in rates, and how sure these are.

A customer is called or not, and buys or not. Lesson 09 explains the rates that these
four cases give; lesson 08 has the confusion matrix.
"""

from collections.abc import Mapping, Sequence

import numpy as np
import pandas as pd
from scipy.stats import binomtest

from utils.decision import THRESHOLDS

RATES = ("precision", "recall", "false-positive rate", "accuracy")


def rates(actual: Sequence[int], called: Sequence[bool]) -> pd.DataFrame:
    """Give precision, recall, false-positive rate and accuracy, each with its interval.

    actual: 1 for each customer who buys when called, 0 for one who does not. called:
    for the same customers, whether they are called. The columns are `rate`, `low` and
    `high`, the ends of the 95 % interval, as fractions; without a case to count, a rate
    is NaN and its interval 0 to 1.
    """
    rows = []
    for hits, cases in _counts(actual, called):
        if not cases:
            rows.append([np.nan, 0.0, 1.0])
            continue
        interval = binomtest(hits, cases).proportion_ci(0.95)
        rows.append([hits / cases, interval.low, interval.high])
    return pd.DataFrame(rows, index=list(RATES), columns=["rate", "low", "high"])


def rates_side_by_side(
    actual: Sequence[int], decisions: Mapping[str, Sequence[bool]]
) -> pd.DataFrame:
    """Give a table to print: a row per rate with its interval, a column per decision.

    decisions: for each, by its name, what `rates` calls `called`.
    """
    table = {}
    for name, called in decisions.items():
        table[name] = [
            f"{row.rate:.1f} ({row.low:.1f} to {row.high:.1f})"
            for row in (100 * rates(actual, called)).itertuples()
        ]
    return pd.DataFrame(table, index=[f"{name} (%)" for name in RATES])


def rates_by_threshold(actual: Sequence[int], score: Sequence[float]) -> pd.DataFrame:
    """Give precision, recall and false-positive rate at the thresholds 0.01 ... 0.99.

    score: what a model says of each customer; called is who has at least the threshold.
    Where nobody is called, the precision is NaN.
    """
    score = np.asarray(score)
    rows = []
    for threshold in THRESHOLDS:
        counts = _counts(actual, score >= threshold)[:3]
        rows.append([hits / cases if cases else np.nan for hits, cases in counts])
    return pd.DataFrame(rows, index=THRESHOLDS, columns=list(RATES[:3]))


def _counts(
    actual: Sequence[int], called: Sequence[bool]
) -> tuple[tuple[int, int], ...]:
    """Give for each of RATES how many cases count, and out of how many."""
    buys, called = np.asarray(actual, dtype=bool), np.asarray(called, dtype=bool)
    sales, calls = int((buys & called).sum()), int(called.sum())
    buyers, others = int(buys.sum()), int((~buys).sum())
    right = sales + others - (calls - sales)
    return (
        (sales, calls),
        (sales, buyers),
        (calls - sales, others),
        (right, len(buys)),
    )
