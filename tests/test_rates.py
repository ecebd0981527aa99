"""utils/rates.py against scikit-learn and against numbers that can be counted."""

import numpy as np
import pytest
from scipy.stats import binomtest
from sklearn import metrics

from utils.rates import RATES, rates, rates_by_threshold, rates_side_by_side


@pytest.fixture(scope="module")
def customers() -> tuple[np.ndarray, np.ndarray]:
    """500 customers of whom about 11 % buy, and a score that knows a little."""
    generator = np.random.default_rng(0)
    actual = (generator.random(500) < 0.11).astype(int)
    return actual, np.clip(0.2 * actual + 0.6 * generator.random(500), 0, 1)


def test_the_rates_are_scikit_learns(customers):
    actual, score = customers
    called = score >= 0.5
    found = rates(actual, called)["rate"]
    expected = [
        metrics.precision_score(actual, called),
        metrics.recall_score(actual, called),
        1 - metrics.recall_score(1 - actual, ~called),
        metrics.accuracy_score(actual, called),
    ]
    assert found.tolist() == pytest.approx(expected)
    assert list(found.index) == list(RATES)


def test_each_rate_has_the_interval_of_its_own_cases(customers):
    actual, score = customers
    table = rates(actual, score >= 0.5)
    others = 500 - actual.sum()
    bothered = int(((score >= 0.5) & (actual == 0)).sum())
    interval = binomtest(bothered, int(others)).proportion_ci(0.95)
    assert table.loc["false-positive rate", "low"] == pytest.approx(interval.low)
    assert table.loc["false-positive rate", "high"] == pytest.approx(interval.high)
    assert (table["low"] < table["rate"]).all()
    assert (table["rate"] < table["high"]).all()


def test_nobody_called_has_no_precision():
    table = rates([0, 0, 1, 0], [False] * 4)
    assert np.isnan(table.loc["precision", "rate"])
    assert table["rate"].iloc[1:].tolist() == [0, 0, 0.75]
    assert table.loc["precision", ["low", "high"]].tolist() == [0, 1]


def test_the_curve_goes_through_the_roc(customers):
    actual, score = customers
    table = rates_by_threshold(actual, score)
    assert len(table) == 99
    for threshold in (0.1, 0.5, 0.7):
        row = table.loc[np.isclose(table.index, threshold)].iloc[0]
        once = rates(actual, score >= threshold)["rate"]
        assert row.tolist() == pytest.approx(once.iloc[:3].tolist())
    assert np.isnan(table["precision"].iloc[-1])


def test_decisions_side_by_side():
    table = rates_side_by_side([1, 0, 0, 0], {"all": [True] * 4, "none": [False] * 4})
    assert table.loc["precision (%)", "all"].startswith("25.0 (")
    assert table.loc["recall (%)", "all"].startswith("100.0 (")
    assert table.loc["accuracy (%)", "none"].startswith("75.0 (")
