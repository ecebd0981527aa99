"""The stored numbers of lesson 10, computed once more without SageMaker.

A with plain xgboost, B with scikit-learn's logistic regression in the place of Linear
Learner, the test with scipy; who got whom is drawn as the stand-in draws it.
"""

import re

import numpy as np
import pandas as pd
import pytest
from bank_data import why_not_real
from bank_models import plain_xgboost
from lesson_runs import LESSONS
from scipy.stats import norm, ttest_ind_from_stats
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from course import lessons
from local_aws.hosting.router import Router
from utils.bank_marketing import (
    encode_bank_marketing,
    load_bank_marketing,
    split_bank_marketing,
)
from utils.decision import best_threshold

SEED = 5


@pytest.fixture(scope="module")
def stored() -> str:
    """What the lesson prints."""
    (path,) = [path for path in LESSONS if lessons.lesson_number(path) == "10"]
    cells = lessons.read(path).cells
    outputs = [output for cell in cells for output in cell.get("outputs", [])]
    return "\n".join(output.get("text", "") for output in outputs)


def numbers(stored: str, pattern: str) -> list[float]:
    """Give the numbers in the groups of a pattern that is printed once."""
    (found,) = re.findall(pattern, stored)
    return [float(number.replace(",", "")) for number in found]


def group(stored: str, variant: str) -> list[float]:
    """Give a group's count, mean, standard deviation and share of called customers."""
    pattern = rf"(?m)^{variant} +(\d+) +(-?[\d.]+) +([\d.]+) +(\d+)%$"
    return numbers(stored, pattern)


@pytest.fixture(scope="module")
def customers() -> pd.DataFrame:
    """For each test customer what A and B earn, whom they call, who answers."""
    if reason := why_not_real():
        pytest.skip(reason)
    parts = split_bank_marketing(load_bank_marketing(), SEED)
    tables = [encode_bank_marketing(part) for part in parts]
    of_a = plain_xgboost(tables, SEED)
    outcomes = [table.pop("y").to_numpy() for table in tables]
    rows = [table.to_numpy(np.float32) for table in tables]
    linear = make_pipeline(StandardScaler(), LogisticRegression(max_iter=500))
    linear.fit(rows[0], outcomes[0])
    of_b = [linear.predict_proba(x)[:, 1] for x in rows]
    reaches_four_of_five = np.quantile(of_b[1][outcomes[1] == 1], 0.2)
    called = {
        "A": of_a[2] >= best_threshold(outcomes[1], of_a[1]),
        "B": of_b[2] >= reaches_four_of_five,
    }
    router = Router({"A": 50, "B": 50})
    table = pd.DataFrame(called).add_suffix(" called")
    for variant in "AB":
        table[variant] = called[variant] * (40 * outcomes[2] - 5)
    table["variant"] = [router.draw() for _ in range(len(table))]
    return table


def test_a_earned_what_plain_xgboost_earns(stored, customers):
    count, mean, spread, called = group(stored, "A")
    met = customers[customers["variant"] == "A"]
    assert count == len(met)
    assert mean == pytest.approx(met["A"].mean(), abs=0.006)
    assert spread == pytest.approx(met["A"].std(), abs=0.006)
    assert called == pytest.approx(100 * met["A called"].mean(), abs=0.51)


def test_b_earned_about_what_a_logistic_regression_earns(stored, customers):
    count, mean, spread, called = group(stored, "B")
    met = customers[customers["variant"] == "B"]
    assert count == len(met)
    assert mean == pytest.approx(met["B"].mean(), abs=0.2)
    assert spread == pytest.approx(met["B"].std(), abs=0.4)
    assert called == pytest.approx(100 * met["B called"].mean(), abs=4)


def test_the_interval_is_scipys(stored):
    found = r"B minus A: (-?[\d.]+) USD per customer, interval (-?[\d.]+) to (-?[\d.]+)"
    difference, low, high = numbers(stored, found)
    (n_a, mean_a, sd_a, _), (n_b, mean_b, sd_b, _) = (group(stored, v) for v in "AB")
    assert difference == pytest.approx(mean_b - mean_a, abs=0.011)
    test = ttest_ind_from_stats(mean_b, sd_b, n_b, mean_a, sd_a, n_a, equal_var=False)
    error = (mean_b - mean_a) / test.statistic
    half = norm.ppf(0.975) * error
    assert high - low == pytest.approx(2 * half, abs=0.015)


def test_the_number_of_customers_is_the_textbooks(stored):
    spreads = r"standard deviation ([\d.]+) USD \(A\), ([\d.]+) USD \(B\)"
    sd_a, sd_b = numbers(stored, spreads)
    even, uneven = numbers(stored, r"needed: ([\d,]+) \(half to B\), ([\d,]+) \(10 %")
    errors = (1.960 + 0.842) ** 2 / 0.65**2
    assert even == pytest.approx(errors * (sd_a**2 + sd_b**2) * 2, rel=0.02)
    assert uneven == pytest.approx(errors * (sd_a**2 / 0.9 + sd_b**2 / 0.1), rel=0.02)


def test_all_customers_together_tell_the_models_apart(stored, customers):
    paired = r"paired: (-?[\d.]+) USD, interval (-?[\d.]+) to (-?[\d.]+)"
    middle, low, high = numbers(stored, paired)
    pairs = customers["B"] - customers["A"]
    assert middle == pytest.approx(pairs.mean(), abs=0.15)
    assert high - low == pytest.approx(2 * 1.96 * pairs.sem(), abs=0.03)
    assert high < 0
