"""What metrics are found in a log, and what a regex may not do to a job."""

import math

import pytest

from local_aws.jobs.metrics import MetricCollector

RMSE = {"Name": "rmse", "Regex": "rmse=([0-9.naif]+)"}


def found(*lines, definitions=(RMSE,)):
    """The values of each metric."""
    collector = MetricCollector(list(definitions))
    for line in lines:
        collector.read(line)
    return {metric["MetricName"]: metric["Value"] for metric in collector.final()}


def test_the_last_value_is_the_final_one():
    assert found("rmse=1.5", "nothing", "rmse=0.5") == {"rmse": 0.5}


@pytest.mark.parametrize("text", ["a", "1.2.3", "nan", "inf", "."])
def test_what_is_no_number_for_cloudwatch_is_no_value(text):
    assert found("rmse=2", f"rmse={text}") == {"rmse": 2.0}


@pytest.mark.parametrize("pattern", ["rmse", "rmse=1.5", "", "(?:rmse)=", "(no)?rmse"])
def test_a_regex_without_a_group_has_no_value(pattern):
    other = {"Name": "other", "Regex": pattern}
    assert found("rmse=1.5", definitions=[other, RMSE]) == {"rmse": 1.5}


@pytest.mark.parametrize(
    "pattern", [r"(?:a|a)*[bc](\d)", r"(a|aa)+$(.)", r"^(.+ ?)+[!?]$"]
)
def test_a_regex_that_takes_too_long_is_looked_for_no_more(
    pattern, monkeypatch, caplog
):
    monkeypatch.setattr("local_aws.jobs.metrics.MATCH_SECONDS", 0.05)
    slow = {"Name": "slow", "Regex": pattern}
    lines = 2000 * ["rmse=1.5 " + "a" * 5000]
    assert found(*lines, definitions=[slow, RMSE]) == {"rmse": 1.5}
    assert caplog.messages == ["the regex of metric slow takes too long"]


def test_a_line_of_ten_megabytes():
    line = 10_000_000 * "x" + "rmse=1.5"
    assert found(line, definitions=[{"Name": "rmse", "Regex": ".*rmse=(.*)"}]) == {
        "rmse": 1.5
    }
    assert math.isclose(found("rmse=1.5" + line)["rmse"], 1.5)
