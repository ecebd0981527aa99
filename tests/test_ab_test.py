"""The arithmetic of an A/B test, against scipy and simulation."""

import math

import numpy as np
import pandas as pd
import pytest
from scipy.stats import ttest_ind

from utils.ab_test import customers_needed, half_width, judge, reassign


def test_the_textbooks_sixteen_times_variance_over_squared_difference():
    # Per group 2 * (1.96 + 0.84)**2 = 15.7 times variance / difference**2.
    assert customers_needed(1, 1, 0.1) == pytest.approx(2 * 1570, abs=2)


def test_ten_percent_for_b_need_more_customers_than_half():
    even, uneven = (customers_needed(8.6, 10.8, 0.65, share) for share in (0.5, 0.1))
    assert uneven > 3 * even
    # The group with the larger spread should be the larger one, but only a little.
    assert customers_needed(8.6, 10.8, 0.65, 10.8 / 19.4) < even


def test_a_difference_that_just_matters_is_found_in_80_percent():
    generator = np.random.default_rng(1)
    needed, found = customers_needed(2, 3, 0.5), 0
    for _ in range(1000):
        a = generator.normal(0, 2, needed // 2)
        b = generator.normal(0.5, 3, needed // 2)
        low, high = ttest_ind(b, a, equal_var=False).confidence_interval(0.95)
        found += low > 0 or high < 0
    assert 0.76 < found / 1000 < 0.84


def test_the_interval_is_as_wide_as_scipys():
    generator = np.random.default_rng(2)
    a, b = generator.normal(0, 8, 9000), generator.normal(0, 11, 1000)
    interval = ttest_ind(b, a, equal_var=False).confidence_interval(0.95)
    half = half_width(a.std(ddof=1), b.std(ddof=1), pd.Series([10_000, 40_000]), 0.1)
    assert half[1] == half[0] / 2
    assert 2 * half[0] == pytest.approx(interval.high - interval.low, rel=0.005)


@pytest.mark.parametrize(
    ("low", "high", "said"),
    [
        (0.1, 1.0, "B replaces A"),
        (0.1, 0.4, "by less than matters"),
        (-1.0, -0.1, "B is dropped"),
        (-0.3, 0.2, "it is less than matters"),
        (-0.7, 0.2, "Not decided"),
        (-0.2, 0.9, "Not decided"),
        (0.0, 0.9, "Not decided"),
    ],
)
def test_the_rule(low, high, said):
    assert said in judge(low, high, matters=0.65)


def test_reassigned_tests_are_those_of_scipy():
    generator = np.random.default_rng(3)
    of_a = generator.normal(1, 1, 500)
    of_b = of_a + generator.normal(0.5, 1, 500)
    tests = reassign(of_a, of_b, 0.2, times=200, seed=7)
    again = np.random.default_rng(7).random(500) < 0.2
    interval = ttest_ind(of_b[again], of_a[~again], equal_var=False)
    low, high = interval.confidence_interval(0.95)
    assert tests.loc[0, "low"] == pytest.approx(low, abs=0.01)
    assert tests.loc[0, "high"] == pytest.approx(high, abs=0.01)
    # On average they find the difference that both answers for each customer give.
    error = tests["difference"].std() / math.sqrt(200)
    assert tests["difference"].mean() == pytest.approx(
        (of_b - of_a).mean(), abs=4 * error
    )
    assert tests.equals(reassign(of_a, of_b, 0.2, times=200, seed=7))


def test_equal_variants_give_false_alarms_in_about_five_percent():
    measure = np.random.default_rng(4).exponential(1, 2000)
    tests = reassign(measure, measure, 0.5, times=1000, seed=5)
    alarms = ((tests["low"] > 0) | (tests["high"] < 0)).mean()
    assert 0.03 < alarms < 0.07
