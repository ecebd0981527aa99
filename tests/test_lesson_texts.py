"""What the lessons say: complete where they claim to be, and the twins alike."""

import os
import subprocess
import sys
from pathlib import Path

import boto3
import nbformat
import pytest
from nbformat import NotebookNode

import utils

NOTEBOOKS = Path(__file__).resolve().parent.parent / "notebooks"
# The outputs that lessons 01 and 02 have in common, by the ids of their cells.
ALIKE = (
    "get-code",
    "prepare-code",
    "split-code",
    "files-code",
    "image",
    "curve",
    "download",
    "rmse",
    "plot",
    "cost",
    "cleanup-proof",
)


def lesson(number: str) -> NotebookNode:
    (path,) = NOTEBOOKS.glob(f"{number}_*.ipynb")
    return nbformat.read(path, 4)


def prose(notebook: NotebookNode) -> str:
    cells = [cell.source for cell in notebook.cells if cell.cell_type == "markdown"]
    return "\n".join(cells)


def stored_text(notebook: NotebookNode, cell_id: str) -> list[str]:
    (cell,) = [cell for cell in notebook.cells if cell.id == cell_id]
    texts = [output.get("text", "") for output in cell.outputs]
    return texts + [output.get("data", {}).get("text/plain") for output in cell.outputs]


@pytest.mark.parametrize("operation", ["CreateTrainingJob", "CreateTransformJob"])
def test_lesson_02_names_every_part_of_its_requests(operation):
    client = boto3.client("sagemaker", region_name="us-east-1")
    shape = client.meta.service_model.operation_model(operation).input_shape
    text = prose(lesson("02"))
    # `Part` on its own or with a part of its own: `TransformInput.SplitType`.
    missing = [
        part
        for part in shape.members
        if f"`{part}`" not in text and f"`{part}." not in text
    ]
    assert missing == []


def test_lesson_02_names_every_part_of_a_transform_jobs_input_and_output():
    client = boto3.client("sagemaker", region_name="us-east-1")
    model = client.meta.service_model
    shape = model.operation_model("CreateTransformJob").input_shape
    text = prose(lesson("02"))
    for name in ("TransformInput", "TransformOutput"):
        parts = shape.members[name].members
        assert [part for part in parts if f"`{name}.{part}`" not in text] == []


@pytest.mark.parametrize("cell_id", ALIKE)
def test_the_twins_show_the_same(cell_id):
    high, low = (stored_text(lesson(number), cell_id) for number in ("01", "02"))
    assert any(high), "nothing is stored"
    assert high == low


def test_the_twins_would_be_told_apart():
    assert stored_text(lesson("01"), "upload-code") != stored_text(
        lesson("02"), "upload-code"
    )


def run_first_cell(number: str, folder: Path, course_home: str) -> str:
    """Run a lesson's first code cell in a folder; return what it prints, or its error.

    The Python is told that it stands elsewhere, or its own folder would show the way.
    """
    notebook = lesson(number)
    cell = next(cell for cell in notebook.cells if cell.cell_type == "code")
    done = subprocess.run(
        [sys.executable, "-c", "import sys; sys.prefix = '/'\n" + cell.source],
        cwd=folder,
        env=os.environ | {"COURSE_HOME": course_home},
        capture_output=True,
        text=True,
        timeout=60,
    )
    return done.stdout + done.stderr


@pytest.mark.parametrize("number", ["00", "01", "02"])
def test_the_first_cell_finds_the_course(number, tmp_path):
    assert "Ready: " in run_first_cell(number, NOTEBOOKS, "")
    assert "Ready: " in run_first_cell(number, tmp_path, str(NOTEBOOKS.parent))


def test_the_first_cell_says_what_to_do_if_it_finds_nothing(tmp_path):
    printed = run_first_cell("01", tmp_path, "")
    assert "AssertionError" in printed
    assert "COURSE_HOME" in printed


def test_lesson_00_installs_what_the_first_cell_checks():
    quoted = " ".join(
        f'"{package}{bounds}"' for package, bounds in utils.NEEDED.items()
    )
    assert f"%pip install {quoted}\n" in prose(lesson("00"))
