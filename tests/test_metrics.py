"""What metrics are found in a log, and what a regex may not do to a job."""

import math
import re

import pytest

from local_aws.containers.images import IMAGES
from local_aws.jobs.metrics import MetricCollector, needed_text

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


@pytest.mark.parametrize(
    ("pattern", "text"),
    [
        (r".*\[[0-9]+\].*#011validation-rmse:([0-9.]+).*", "#011validation-rmse:"),
        (r"rmse=(\S+)", "rmse="),
        ("ab*c(.)", "a"),
        ("abc?(.)", "ab"),
        ("abc+d(.)", "abc"),
        ("ab{0,2}cd(.)", "cd"),
        ("ab(cdef)?(.)", "ab"),
        ("ab[cdef]gh(.)", "ab"),
        ("[]abc]d(.)", "d"),
        (r"[a\]bc]d(.)", "d"),
        (r"[\\]bc(.)", "bc"),
        ("[[:alpha:]bc]d(.)", "d"),
        (r"\x41=(.)", ""),
        (r"\pL=(.)", ""),
        (r"(a)\10(.)", ""),
        (r"a\.bc(.)", "bc"),
        ("loss|rmse=(.)", ""),
        ("(?i)rmse=(.)", ""),
        ("(?!rmse)a(.)", ""),
        ("(?:loss|rmse)=(.)", "="),
        ("(.)", ""),
        ("", ""),
    ],
)
def test_the_text_that_a_match_needs(pattern, text):
    assert needed_text(pattern) == text


WITH_METRICS = [image for image in IMAGES if image.metric_definitions]


@pytest.mark.parametrize("image", WITH_METRICS, ids=lambda image: image.name)
def test_the_metrics_of_an_image_are_found_as_their_regexes_find_them(image):
    """Each line has some of them, most have none."""
    names = [one["Name"].replace(":", "-", 1) for one in image.metric_definitions]
    lines = [f"[{number}]#011{name}:0.25" for number, name in enumerate(names)]
    for data, measure in [name.split("-", 1) for name in names]:
        mark = f"#quality_metric: host=algo-1, {data} {measure}"
        lines += [f"{mark} <loss>=0.5", f"{mark} <score>=0.75", "[12]#011nothing"]
    expected = {}
    for line in lines:
        for one in image.metric_definitions:
            if match := re.search(one["Regex"], line):
                expected[one["Name"]] = float(match[1])
    assert len(expected) > 20
    definitions = image.metric_definitions
    collected = MetricCollector(definitions)
    for line in lines:
        collected.read(line)
    assert collected.final() == [
        {**one, "Value": expected[one["MetricName"]]} for one in collected.final()
    ]
    shown = [one["MetricName"] for one in collected.final()]
    assert shown == sorted(expected)[:40]
    assert all(needed_text(one["Regex"]) for one in definitions)
