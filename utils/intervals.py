"""How sure is a mean? Its 95 % interval by the bootstrap."""

import numpy as np
import pandas as pd


def interval_of_mean(
    values: pd.Series, groups: pd.Series | None = None, seed: int = 0
) -> tuple[float, float]:
    """Give the ends of the mean's 95 % interval, by 10,000 bootstrap samples.

    A sample draws as many values as there are, with replacement, and takes their mean.
    With groups, a label for each value, it draws whole groups: for values that are
    alike within a group, such as the tracts of one town. The same seed gives the same
    interval.
    """
    labels = pd.Series(range(len(values)), values.index) if groups is None else groups
    totals = values.groupby(labels).agg(["sum", "count"])
    generator = np.random.default_rng(seed)
    drawn = generator.integers(len(totals), size=(10_000, len(totals)))
    sums, counts = (totals[name].to_numpy()[drawn].sum(axis=1) for name in totals)
    low, high = np.quantile(sums / counts, [0.025, 0.975])
    return float(low), float(high)
