"""Each row of the table of old spellings holds today."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from conftest import StandIn
from nbformat import NotebookNode

from course import lessons
from course.install import ROOT
from course.lessons import NOTEBOOKS
from course.migration import SPELLINGS, STEPS, table
from course.migration.spellings import FILE, V3_PACKAGES, Spelling, load, with_tables

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
        "waiter": {"boto3": "# the waiter training_job_done"},
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
    kinds = {kind for _, kind in load().kinds} | set(load().holds.values())
    if not set(row.objects) <= kinds:
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
    rows = load()
    for package in V3_PACKAGES:
        assert rows.by_name(f"sagemaker.{package}") is None
        assert rows.by_name(f"sagemaker.{package}.processing.Processor") is None
    assert rows.by_name("sagemaker") is None
    assert rows.by_name("sklearn.pipeline") is None


def test_the_most_particular_row_is_taken() -> None:
    rows = load()
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
    assert {name: rows.by_name(name).id for name in names} == names


# --- the appendix ---------------------------------------------------------------------

APPENDIX = NOTEBOOKS / "A_from_v1_and_v2_to_v3.ipynb"


def tables_out_of_step(notebook: NotebookNode) -> list[str]:
    """List the steps whose table in the appendix is not that of the data."""
    stored = {cell.id: cell.source for cell in notebook.cells}
    return [step for step in STEPS if stored.get(f"table-{step}") != table(step)]


def test_the_appendix_has_the_tables_of_the_data() -> None:
    notebook = lessons.read(APPENDIX)
    assert tables_out_of_step(notebook) == [], "make outputs LESSONS=A"
    # A changed word would be seen, and `course outputs` puts it right.
    cell = next(cell for cell in notebook.cells if cell.id == "table-tune")
    cell.source = cell.source.replace("tuner.tune(", "tuner.fitted(", 1)
    assert tables_out_of_step(notebook) == ["tune"]
    assert tables_out_of_step(with_tables(notebook)) == []


def test_the_errors_of_the_appendix_are_those_of_the_table() -> None:
    """What its cells have caught is what the rows say, but for some more mistakes."""
    notebook = lessons.read(APPENDIX)
    known = [row.today for row in SPELLINGS]
    caught = [
        line
        for cell in notebook.cells
        if cell.cell_type == "code" and "\nexcept " in cell.source
        for line in cell.outputs[0].text.splitlines()
    ]
    others = [line for line in caught if not any(line in text for text in known)]
    assert len(caught) - len(others) >= 8
    assert [line.split(".")[0] for line in others] == [
        "`sagemaker",  # the long message, once v3 is imported, in three lines
        "Docs: https://sagemaker",
        "See https://github",
        "('train_instance_type',) Extra inputs are not permitted",
        "Input should be a valid list",
        "HyperparameterTuner",  # has no argument `estimator`
    ]
