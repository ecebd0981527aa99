"""Whom to call: what a call costs, what a sale is worth, and what a threshold earns.

The amounts are made up. Lesson 08 says how they lead to a threshold.
"""

from collections.abc import Sequence

import numpy as np
import pandas as pd

CALL_COST = 5.0  # USD, whether it ends in a sale or not
SALE_VALUE = 40.0  # USD, before the cost of the call
THRESHOLDS = np.arange(1, 100) / 100


def profit(
    actual: Sequence[int],
    called: Sequence[bool],
    call_cost: float = CALL_COST,
    sale_value: float = SALE_VALUE,
) -> float:
    """Give what calling some of the customers earns, in USD.

    actual: 1 for each customer who says yes when called, 0 for one who says no. called:
    for the same customers, in the same order, whether they are called.
    """
    called = np.asarray(called, dtype=bool)
    sales = int(np.asarray(actual)[called].sum())
    return sale_value * sales - call_cost * int(called.sum())


def profit_by_threshold(
    actual: Sequence[int],
    score: Sequence[float],
    call_cost: float = CALL_COST,
    sale_value: float = SALE_VALUE,
) -> pd.Series:
    """Give the profit in USD for each of the thresholds 0.01, 0.02 ... 0.99.

    score: what a model says of each customer, from 0 to 1; called is who has a score of
    at least the threshold.
    """
    score = np.asarray(score)
    profits = [
        profit(actual, score >= threshold, call_cost, sale_value)
        for threshold in THRESHOLDS
    ]
    return pd.Series(profits, index=THRESHOLDS)


def best_threshold(
    actual: Sequence[int],
    score: Sequence[float],
    call_cost: float = CALL_COST,
    sale_value: float = SALE_VALUE,
) -> float:
    """Give the threshold with the highest profit, the lowest of equals.

    For a validation set: whatever is chosen by data looks a little too good on it.
    """
    return float(profit_by_threshold(actual, score, call_cost, sale_value).idxmax())
