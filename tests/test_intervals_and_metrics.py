"""The interval of a mean, and what CloudWatch has of each variant."""

from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest

from utils.intervals import interval_of_mean
from utils.metrics import variant_metrics


def test_the_interval_is_that_of_the_normal_distribution_where_this_holds():
    values = pd.Series(np.random.default_rng(1).normal(10, 2, size=400))
    low, high = interval_of_mean(values)
    half = 1.96 * values.std() / np.sqrt(len(values))
    assert low == pytest.approx(values.mean() - half, abs=0.02)
    assert high == pytest.approx(values.mean() + half, abs=0.02)


def test_values_that_are_alike_in_groups_count_as_few():
    values = pd.Series(np.repeat([1.0, 2.0, 3.0, 4.0], 25))
    groups = pd.Series(np.repeat(["a", "b", "c", "d"], 25))
    alone, together = interval_of_mean(values), interval_of_mean(values, groups)
    assert together[0] < alone[0] < 2.5 < alone[1] < together[1]


def test_groups_of_one_value_change_nothing_and_a_seed_repeats():
    values = pd.Series([3.0, 1.0, 4.0, 1.0, 5.0], index=list("vwxyz"))
    alone = interval_of_mean(values, seed=3)
    labels = pd.Series(range(5), index=list("vwxyz"))
    assert interval_of_mean(values, labels, seed=3) == alone
    many = pd.Series(np.random.default_rng(1).normal(size=50))
    assert interval_of_mean(many, seed=4) != interval_of_mean(many, seed=5)


POINTS = {
    ("Invocations", "a"): [3.0, 4.0],
    ("Invocation4XXErrors", "a"): [1.0],
    ("ModelLatency", "a"): [2000.0, 5500.0],
}


class CloudWatch:
    """Answers by metric and variant; notes the namespace and endpoint asked for."""

    def __init__(self) -> None:
        self.asked = set()

    def get_metric_statistics(self, **request):
        names = {item["Name"]: item["Value"] for item in request["Dimensions"]}
        self.asked.add((request["Namespace"], names["EndpointName"]))
        (statistic,) = request["Statistics"]
        values = POINTS.get((request["MetricName"], names["VariantName"]), [])
        return {"Datapoints": [{statistic: value} for value in values]}


def test_the_minutes_of_each_variant_are_put_together():
    cloudwatch = CloudWatch()
    session = SimpleNamespace(client=lambda name: cloudwatch)
    table = variant_metrics(session, "houses", ["a", "b"])
    assert table.loc["a"].to_list() == [7, 1, 0, 5.5]
    assert table.loc["b"].to_list()[:3] == [0, 0, 0]
    assert np.isnan(table.loc["b", "slowest (ms)"])
    assert cloudwatch.asked == {("AWS/SageMaker", "houses")}
