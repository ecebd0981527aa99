"""Whom to call: profits and thresholds, against amounts that were added up by hand."""

import numpy as np
import pandas as pd
import pytest

from utils.decision import (
    CALL_COST,
    SALE_VALUE,
    best_threshold,
    profit,
    profit_by_threshold,
)

ACTUAL = pd.Series([1, 0, 0, 1, 0], index=[7, 3, 9, 1, 4])
SCORE = np.array([0.9, 0.5, 0.1, 0.125, 0.12])


def test_each_call_costs_and_each_sale_earns() -> None:
    assert profit(ACTUAL, [False] * 5) == 0
    assert profit(ACTUAL, [True] * 5) == 2 * SALE_VALUE - 5 * CALL_COST
    assert profit(ACTUAL, [True, True, False, False, False]) == 30
    assert profit(ACTUAL, [False, True, False, False, False]) == -5


def test_by_place_and_not_by_label() -> None:
    """An actual column keeps the index of its split, a score has none."""
    called = pd.Series([True, False, False, False, False], index=[0, 1, 2, 3, 4])
    assert profit(ACTUAL, called) == 35


def test_the_lowest_of_the_best_thresholds_is_chosen() -> None:
    profits = profit_by_threshold(ACTUAL, SCORE)
    assert list(profits.index[[0, 1, 98]]) == [0.01, 0.02, 0.99]
    assert profits[0.01] == 55
    assert profits[0.12] == 60  # 0.12 itself is called
    assert profits[0.13] == 30
    assert profits[0.51] == profits[0.9] == 35
    assert profits[0.91] == 0
    assert best_threshold(ACTUAL, SCORE) == 0.11


def test_a_dear_call_asks_for_a_higher_threshold() -> None:
    assert best_threshold(ACTUAL, SCORE, call_cost=30) == 0.51


@pytest.mark.parametrize("prevalence", [0.05, 0.3])
def test_calibrated_scores_are_cut_at_cost_over_value(prevalence: float) -> None:
    """What lesson 08 derives by hand, whatever the share of buyers is."""
    draw = np.random.default_rng(3)
    score = draw.beta(1, 1 / prevalence - 1, size=400_000)
    actual = draw.random(score.size) < score
    profits = profit_by_threshold(actual, score)
    by_hand = CALL_COST / SALE_VALUE
    assert best_threshold(actual, score) == pytest.approx(by_hand, abs=0.03)
    assert profits[0.12] > max(profits[0.06], profits[0.2], 0)
