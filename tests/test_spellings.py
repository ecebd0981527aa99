"""Each row of the table of old spellings holds today."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from conftest import StandIn

from course.install import ROOT
from course.migration import SPELLINGS, STEPS
from course.migration.spellings import FILE, V3_PACKAGES, Spelling, load

ROWS = {row.id: row for row in SPELLINGS}


def run_rows(file: Path, stand_in: StandIn) -> dict[str, dict[str, str]]:
    """Run a table in a process of its own, in which nothing was imported before."""
    done = subprocess.run(
        [sys.executable, "-W", "ignore", "tests/spelling_rows.py", str(file)],
        cwd=ROOT,
        env={**os.environ, **stand_in.environment, "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout.splitlines()[-1])


@pytest.fixture(scope="module")
def told(stand_in: StandIn) -> dict[str, dict[str, str]]:
    return run_rows(FILE, stand_in)


@pytest.mark.parametrize("name", list(ROWS))
def test_a_row_holds(name: str, told: dict[str, dict[str, str]]) -> None:
    assert told[name] == {"today": ROWS[name].today, "v3": "", "boto3": ""}


WRONG = """
[kinds]
[returns]
[[spelling]]
id = "{id}"
step = "train"
versions = ["v1"]
old = "x"
why = "x"
imports = '{imports}'
v3 = '{v3}'
boto3 = '{boto3}'
tried = "from sagemaker.amazon import x"
today = "ImportError: something else"
"""
GOOD = {"imports": "", "v3": "trainer.train()", "boto3": "sm.delete_model(ModelName=n)"}


def test_wrong_rows_are_told(stand_in: StandIn, tmp_path: Path) -> None:
    """One table with a mistake of each kind."""
    mistakes = {
        "import": {"imports": "from sagemaker.train import ModelTrainr"},
        "method": {"v3": "trainer.trane()"},
        "class": {"v3": "TrainingJob.get(name)"},
        "argument": {"v3": "trainer.train(inputs=[])"},
        "field": {"v3": "ModelTrainer(..., image=image)"},
        "python": {"v3": "trainer.train("},
        "operation": {"boto3": "sm.create_trainingjob(TrainingJobName=n)"},
        "member": {"boto3": "sm.delete_model(Name=n)"},
        "inner": {"boto3": 'sm.create_model(PrimaryContainer={"image": i})'},
        "waiter": {"boto3": 'sm.get_waiter("done").wait(ModelName=n)'},
        "service": {"boto3": 'boto_session.client("sagemaker-rt")'},
    }
    file = tmp_path / "wrong.toml"
    parts = [WRONG.format(id=name, **{**GOOD, **m}) for name, m in mistakes.items()]
    head, *rows = [part.partition("[[spelling]]") for part in parts]
    text = "".join(head) + "".join("[[spelling]]" + row[2] for row in rows)
    file.write_text(text + WRONG.format(id="good", **GOOD).partition("[returns]")[2])
    told = run_rows(file, stand_in)
    for name, mistake in mistakes.items():
        column = "boto3" if "boto3" in mistake else "v3"
        assert told[name][column], name
    assert (told["good"]["v3"], told["good"]["boto3"]) == ("", "")
    # And the stored error is not what the row gives.
    assert told["good"]["today"] == (
        "ModuleNotFoundError: No module named 'sagemaker.amazon'"
    )


def what_is_wrong_with(row: Spelling) -> str:
    """Say what the form of a row lacks, or ""."""
    if row.step not in STEPS:
        return f"no step {row.step}"
    if not row.versions or not set(row.versions) <= {"v1", "v2"}:
        return "versions are v1 and v2"
    if not row.why.endswith((".", ")")) or "|" in row.why + row.old + row.v3:
        return "the reason is no sentence, or a cell of the table has a | in it"
    if not (row.names or row.attributes or row.arguments or row.packages):
        return "nothing is found by it"
    if bool(row.tried) != bool(row.today):
        return "tried and today belong together"
    if not set(row.objects) <= {kind for _, kind in load().kinds}:
        return "objects are of the kinds in [kinds]"
    return ""


def test_rows_are_complete() -> None:
    assert len(ROWS) == len(SPELLINGS), "two rows have the same id"
    assert {
        row.id: problem for row in SPELLINGS if (problem := what_is_wrong_with(row))
    } == {}
    # In the order of the appendix's tables.
    steps = [STEPS.index(row.step) for row in SPELLINGS]
    assert steps == sorted(steps)
    assert set(steps) == set(range(len(STEPS)))


def test_no_pattern_reaches_into_v3() -> None:
    table = load()
    for package in V3_PACKAGES:
        assert table.by_name(f"sagemaker.{package}") is None
        assert table.by_name(f"sagemaker.{package}.processing.Processor") is None
    assert table.by_name("sagemaker") is None
    assert table.by_name("sklearn.pipeline") is None


def test_the_most_particular_row_is_taken() -> None:
    table = load()
    names = {
        "sagemaker.predictor.csv_serializer": "csv-serializer",
        "sagemaker.predictor.Predictor": "predictor",
        "sagemaker.amazon.amazon_estimator.get_image_uri": "get-image-uri",
        "sagemaker.amazon.kmeans.KMeans": "algorithm-classes",
        "sagemaker.sklearn.processing.SKLearnProcessor": "processing",
        "sagemaker.sklearn.estimator.SKLearn": "framework-classes",
        "sagemaker.tuner.IntegerParameter": "parameter-ranges",
        "sagemaker.something_that_never_was": "anything-else",
    }
    assert {name: table.by_name(name).id for name in names} == names
