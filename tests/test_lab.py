"""The course in JupyterLab: stored notebooks, working copies, settings, mistakes."""

from pathlib import Path

import pytest
from lesson_fixture import good_lesson

from course import exercises, lessons, metadata

NOTEBOOKS = [
    *lessons.find_lessons(),
    *exercises.find_sources(),
    *map(exercises.copy_of, exercises.find_sources()),
]


# --- what is stored -------------------------------------------------------------------


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lessons.place)
def test_jupyterlab_has_nothing_to_add_to_what_is_stored(path: Path) -> None:
    """Or opening a notebook marks it as changed, and `git pull` meets a change."""
    notebook = lessons.read(path)
    assert notebook.metadata == metadata.stored()
    assert not [cell.id for cell in notebook.cells if "execution" in cell.metadata]
    assert path.read_text(encoding="utf-8") == metadata.text_of(notebook)


def test_the_description_is_that_of_the_kernel() -> None:
    from ipykernel.ipkernel import IPythonKernel
    from jupyter_client.kernelspec import KernelSpecManager

    described = IPythonKernel.language_info
    assert metadata.stored(described["version"]).language_info == described
    spec = KernelSpecManager().get_kernel_spec("python3")
    assert metadata.KERNEL["display_name"] == spec.display_name
    assert metadata.KERNEL["language"] == spec.language


def test_tidying_keeps_what_nbgrader_needs_and_nothing_of_a_run() -> None:
    notebook = good_lesson()
    notebook.metadata["papermill"] = {"duration": 1}
    notebook.cells[0].metadata = {
        "execution": {"iopub.status.busy": "2026-01-01"},
        "nbgrader": {"grade_id": "a"},
        "deletable": False,
        "tags": [],
    }
    metadata.tidy(notebook, metadata.OF_EXERCISES)
    assert set(notebook.metadata) == {"kernelspec", "language_info"}
    kept = {"nbgrader": {"grade_id": "a"}, "deletable": False}
    assert notebook.cells[0].metadata == kept
    metadata.tidy(notebook, metadata.OF_LESSONS)
    assert notebook.cells[0].metadata == {}
