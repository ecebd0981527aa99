"""What CloudWatch has of each variant of an endpoint."""

from datetime import UTC, datetime, timedelta
from types import SimpleNamespace

import numpy as np
import pytest

from utils.metrics import LONGEST, variant_metrics

POINTS = {
    ("Invocations", "Sum", "a"): [3.0, 4.0],
    ("Invocation4XXErrors", "Sum", "a"): [1.0],
    ("ModelLatency", "Sum", "a"): [6000.0, 15_000.0],
    ("ModelLatency", "SampleCount", "a"): [3.0, 4.0],
    ("ModelLatency", "Maximum", "a"): [2000.0, 5500.0],
}


class CloudWatch:
    """Answers by metric, statistic and variant, and notes the requests."""

    def __init__(self) -> None:
        self.requests = []

    def get_metric_statistics(self, **request):
        self.requests.append(request)
        names = {item["Name"]: item["Value"] for item in request["Dimensions"]}
        (statistic,) = request["Statistics"]
        wanted = (request["MetricName"], statistic, names["VariantName"])
        return {"Datapoints": [{statistic: value} for value in POINTS.get(wanted, [])]}


@pytest.fixture
def cloudwatch():
    return CloudWatch()


@pytest.fixture
def session(cloudwatch):
    return SimpleNamespace(client=lambda name: cloudwatch)


def endpoint(age=timedelta(hours=2)):
    variants = [SimpleNamespace(variant_name=name) for name in "ab"]
    return SimpleNamespace(
        endpoint_name="houses",
        production_variants=variants,
        creation_time=datetime.now(UTC) - age,
    )


def test_the_minutes_of_each_variant_are_put_together(session, cloudwatch):
    table = variant_metrics(session, endpoint())
    assert table.loc["a"].to_list() == [7, 1, 0, 3.0, 5.5]
    assert table.loc["b"].to_list()[:3] == [0, 0, 0]
    assert np.isnan(table.loc["b", ["average (ms)", "slowest (ms)"]].to_list()).all()
    assert {request["Namespace"] for request in cloudwatch.requests} == {
        "AWS/SageMaker"
    }
    names = {request["Dimensions"][0]["Value"] for request in cloudwatch.requests}
    assert names == {"houses"}


@pytest.mark.parametrize("age", [timedelta(hours=2), timedelta(days=3)])
def test_the_window_begins_with_the_endpoint_and_is_one_response(
    session, cloudwatch, age
):
    subject = endpoint(age)
    variant_metrics(session, subject)
    for request in cloudwatch.requests:
        long = request["EndTime"] - request["StartTime"]
        assert long / timedelta(minutes=1) <= 1440
        assert request["StartTime"] <= subject.creation_time or long > LONGEST


def test_it_says_what_has_not_been_counted(session, capsys):
    variant_metrics(session, endpoint(), requests=7, wait_s=0)
    assert capsys.readouterr().out == ""
    variant_metrics(session, endpoint(), requests=9, wait_s=0)
    assert capsys.readouterr().out.startswith("2 requests are not counted yet")


def test_it_asks_again_until_all_are_counted(session, monkeypatch):
    wanted = ("Invocations", "Sum", "b")
    monkeypatch.setattr(
        "utils.metrics.time.sleep", lambda seconds: POINTS.update({wanted: [2.0]})
    )
    table = variant_metrics(session, endpoint(), requests=9)
    del POINTS[wanted]
    assert table["requests"].to_list() == [7, 2]
