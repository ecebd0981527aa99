"""The arithmetic of an A/B test: how many customers it takes, and what it has found.

Everywhere A is what serves today and B the newcomer, and a difference is B minus A.
"""

from collections.abc import Sequence

import numpy as np
import pandas as pd
from scipy.stats import norm

FALSE_ALARM = 0.05  # how often a test may find a difference where there is none
POWER = 0.80  # how often it has to find one that is just large enough


def customers_needed(
    sd_a: float, sd_b: float, difference: float, share_b: float = 0.5
) -> int:
    """Give the number of customers, both groups together, that a test needs.

    With so many, a true difference of this size is found in 80 % of the tests, at a 5 %
    risk of a false alarm. sd_a, sd_b: standard deviations of the measure, in the unit
    of difference. share_b: which share of the customers B gets, between 0 and 1.
    """
    errors = (norm.ppf(1 - FALSE_ALARM / 2) + norm.ppf(POWER)) ** 2
    variance = _variance(sd_a, sd_b, share_b)
    return int(np.ceil(errors * variance / difference**2))


def half_width(
    sd_a: float, sd_b: float, customers: pd.Series, share_b: float = 0.5
) -> pd.Series:
    """Give how far a 95 % interval of the difference goes to either side.

    customers: numbers of customers, both groups together; there is a half-width for
    each. The other arguments are those of `customers_needed`.
    """
    variance = _variance(sd_a, sd_b, share_b)
    return norm.ppf(1 - FALSE_ALARM / 2) * np.sqrt(variance / customers)


def _variance(sd_a: float, sd_b: float, share_b: float) -> float:
    """Of the difference of the means, times the number of all customers."""
    return sd_a**2 / (1 - share_b) + sd_b**2 / share_b


def judge(low: float, high: float, matters: float) -> str:
    """Say what follows from the interval of B minus A, by the rule of lesson 10.

    matters: the smallest difference that matters, above 0.
    """
    if low > 0 and high >= matters:
        return "B earns more: B replaces A."
    if low > 0:
        return "B earns more, but by less than matters: A stays."
    if high < 0:
        return "A earns more: A stays, and B is dropped."
    if -matters < low and high < matters:
        return "If there is a difference, it is less than matters: A stays."
    return "Not decided: A stays, and nobody may say that both are equal."


def reassign(
    of_a: Sequence[float],
    of_b: Sequence[float],
    share_b: float,
    times: int = 1000,
    seed: int = 0,
) -> pd.DataFrame:
    """Repeat a test with the same customers, each time assigned at random anew.

    of_a, of_b: for each customer the measure if A answers, and if B does. Gives a row
    for each test: "difference" of the means, and "low" and "high" of its 95 % interval.
    """
    of_a, of_b = np.asarray(of_a, dtype=float), np.asarray(of_b, dtype=float)
    generator = np.random.default_rng(seed)
    rows = []
    for _ in range(times):
        gets_b = generator.random(len(of_a)) < share_b
        a, b = of_a[~gets_b], of_b[gets_b]
        difference = b.mean() - a.mean()
        error = np.sqrt(a.var(ddof=1) / len(a) + b.var(ddof=1) / len(b))
        half = norm.ppf(1 - FALSE_ALARM / 2) * error
        rows.append((difference, difference - half, difference + half))
    return pd.DataFrame(rows, columns=["difference", "low", "high"])
