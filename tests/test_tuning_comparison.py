"""data/tuning_comparison.csv is what its command makes, and is complete."""

import csv
import platform
from collections import defaultdict
from statistics import fmean

import pytest

from data import make_tuning_comparison as comparison
from local_aws.jobs.tuning_search import START_UP_TRIALS

# The table was made on this kind of machine.
SAME_ARITHMETIC = (platform.system(), platform.machine()) == ("Linux", "x86_64")

CARD = comparison.DEFAULT_FILE.with_name("README.md").read_text(encoding="utf-8")


@pytest.fixture(scope="module")
def table():
    with comparison.DEFAULT_FILE.open(encoding="ascii", newline="") as file:
        return list(csv.DictReader(file))


def test_its_first_rows_are_what_the_command_makes(tmp_path, table):
    made = tmp_path / "made.csv"
    comparison.make(made, seeds=1)
    with made.open(encoding="ascii", newline="") as file:
        rows = list(csv.DictReader(file))
    assert len(rows) == 1 + 2 * comparison.JOBS
    for mine, theirs in zip(rows, table[: len(rows)], strict=True):
        names = ("seed", "search", "job")
        assert [mine[name] for name in names] == [theirs[name] for name in names]
        if not SAME_ARITHMETIC and depends_on_results(mine):
            continue
        for name in comparison.COLUMNS[len(names) :]:
            assert float(mine[name]) == pytest.approx(float(theirs[name]), rel=1e-2)


def depends_on_results(row):
    """Whether other last digits, as another machine's, could lead elsewhere."""
    first = START_UP_TRIALS + comparison.PARALLEL
    return row["search"] == "Bayesian" and int(row["job"]) >= first


def test_a_split_has_every_job_of_both_searches(table):
    jobs = defaultdict(list)
    for row in table:
        jobs[row["seed"], row["search"]].append(int(row["job"]))
    assert len(jobs) == 3 * comparison.SEEDS
    for (_, search), numbers in jobs.items():
        expected = 1 if search == "by hand" else comparison.JOBS
        assert numbers == list(range(1, expected + 1))


def test_the_model_made_by_hand_is_lesson_01s(table):
    """Its seed is 5, and its test RMSE 3.33."""
    (row,) = [row for row in table if row["seed"] == "5" and row["search"] == "by hand"]
    assert float(row["test_rmse"]) == pytest.approx(3.332, abs=5e-4)


def winners(table, search):
    """Of each seed the row with the smallest validation RMSE."""
    found = {}
    for row in table:
        error = float(row["validation_rmse"])
        if row["search"] == search and (
            row["seed"] not in found
            or error < float(found[row["seed"]]["validation_rmse"])
        ):
            found[row["seed"]] = row
    return found


@pytest.mark.parametrize(
    ("search", "model"),
    [
        ("by hand", "by hand"),
        ("Bayesian", "best of a Bayesian search"),
        ("Random", "best of a Random search"),
    ],
    ids=["by-hand", "bayesian", "random"],
)
def test_the_data_card_gives_its_averages(table, search, model):
    rows = winners(table, search).values()
    validation, test = (
        fmean(float(row[name]) for row in rows)
        for name in ("validation_rmse", "test_rmse")
    )
    assert f"| {model} | {validation:.3f} | {test:.3f} |" in CARD


def test_the_data_card_says_how_often_bayesian_wins(table):
    bayesian, drawn = winners(table, "Bayesian"), winners(table, "Random")
    won = sum(
        float(bayesian[seed]["validation_rmse"]) < float(drawn[seed]["validation_rmse"])
        for seed in bayesian
    )
    assert f"for {won} of\nthe {len(bayesian)} seeds" in CARD
