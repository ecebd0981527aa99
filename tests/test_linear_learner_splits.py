"""What lesson 09 says of twelve splits is in data/linear_learner_splits.csv."""

import re

import pandas as pd
import pytest
from test_lesson_texts import lesson, prose, stored_text

from data.make_linear_learner_splits import COLUMNS, DEFAULT_FILE, SEEDS

DECISIONS = [
    "plain",
    "reach",
    "plain, moved for 15 %",
    "plain, moved for 14 %",
    "as spare, without weights",
    "spare",
]


@pytest.fixture(scope="module")
def table() -> pd.DataFrame:
    return pd.read_csv(DEFAULT_FILE)


@pytest.fixture(scope="module")
def text() -> str:
    return " ".join(prose(lesson("09")).split())


def of(table: pd.DataFrame, decision: str) -> pd.DataFrame:
    return table[table["decision"] == decision].set_index("seed")


def test_it_has_each_decision_of_each_split(table):
    assert tuple(table.columns) == COLUMNS
    assert table["seed"].tolist() == [seed for seed in range(SEEDS) for _ in DECISIONS]
    assert table["decision"].tolist() == DECISIONS * SEEDS


@pytest.mark.parametrize("decision", DECISIONS)
def test_the_lessons_table_has_its_numbers(table, text, decision):
    rows = of(table, decision)
    cells = []
    for rate, digits in (("precision", 0), ("recall", 0), ("false-positive rate", 1)):
        values = 100 * rows[rate]
        low, high = values.min(), values.max()
        cells.append(
            f"{values.mean():.{digits}f} ({low:.{digits}f} to {high:.{digits}f})"
        )
    cells.append(f"{rows['calls'].mean():,.0f}")
    name = re.sub(r"(plain|reach|spare)", r"`\1`", decision)
    assert f"| {name} | {' | '.join(cells)} |" in text


def test_the_requirements_are_missed_as_often_as_it_says(table, text):
    missed = {
        name: (of(table, name)["false-positive rate"] > 0.15).sum()
        for name in DECISIONS
    }
    assert (of(table, "reach")["recall"] < 0.8).sum() == 9
    assert "`reach` missed its 80 % in 9 of 12" in text
    assert "| 9 of 12 |" in text
    assert missed["spare"] == missed["as spare, without weights"] == 0
    assert "`spare` was above 15 % in none" in text
    assert missed["plain, moved for 15 %"] == 4
    assert "| 4 of 12 |" in text
    assert missed["plain, moved for 14 %"] == 0


def test_target_and_weights_have_brought_what_it_says(table, text):
    moved, target, spare = (
        of(table, name) for name in ("plain, moved for 14 %", DECISIONS[4], "spare")
    )
    less = (moved["false-positive rate"] - target["false-positive rate"]).mean()
    lost = (moved["recall"] - target["recall"]).mean()
    lowered = f"the false-positive rate by {100 * less:.1f} points"
    assert f"lowered {lowered}, and the recall by {100 * lost:.1f}" in text
    more = spare["false-positive rate"] - target["false-positive rate"]
    assert f"`spare` bothers fewer people in {(more < 0).sum()} of the 12" in text
    assert abs(more.mean()) < 0.001
    assert f"decide alike on {100 * target['same_as_spare'].mean():.0f} %" in text


def test_the_scores_are_as_it_says(table, text):
    plain, spare = (100 * of(table, name)["mean_score"] for name in ("plain", "spare"))
    assert f"between {plain.min():.0f} and {plain.max():.0f} %" in text
    assert f"between {spare.min():.0f} and {spare.max():.0f} %" in text


def test_the_stored_run_is_in_the_table(table):
    (printed, *_) = stored_text(lesson("09"), "table")
    lines = {line.split("  ")[0]: line for line in printed.splitlines()}
    mine = table[table["seed"] == 5].set_index("decision")
    for rate in ("precision", "recall", "false-positive rate", "accuracy"):
        shown = re.findall(r"([\d.]+) \(", lines[f"{rate} (%)"].split("(%)")[1])
        expected = 100 * mine.loc[["plain", "reach", "spare"], rate]
        assert shown == [f"{value:.1f}" for value in expected]
