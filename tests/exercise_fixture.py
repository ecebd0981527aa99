"""A small course folder with exercises of three tasks, to be broken on purpose."""

import shutil
from pathlib import Path

import nbformat
from lesson_fixture import good_lesson
from nbformat import NotebookNode
from nbformat.v4 import new_code_cell, new_markdown_cell, new_notebook

from course.exercises import EXERCISES

HEAD = """# Exercises 01 Rivers

About [lesson 01](../notebooks/01_rivers.ipynb).

About 10 minutes. Cost on AWS: nothing, an estimate
(price list of September 2026)."""

SET_UP = """from utils.checks import check

connect = dict
course = connect(lesson="01")"""

TASKS = {
    1: (
        "length = ...\n### BEGIN SOLUTION\nlength = 1230\n### END SOLUTION",
        'check(isinstance(length, int), "Task 1 needs a number.")\n'
        'check(length > 1000, "The Rhine is longer than that.")',
    ),
    2: (
        "def mouth(river):\n"
        "    answer = ...\n"
        "    ### BEGIN SOLUTION\n"
        '    answer = {"Rhine": "North Sea"}[river]\n'
        "    ### END SOLUTION\n"
        "    return answer",
        'check(mouth("Rhine") == "North Sea", "The Rhine ends in another sea.")',
    ),
}

WRONG = """
[[wrong]]
task = "task-1"
answer = "length = 12"
told = "longer"

[[wrong]]
task = "task-2"
answer = '''
def mouth(river):
    return "Baltic Sea"
'''
told = "another sea"
"""


def marks(name: str, *, solution: bool, points: int | None) -> dict:
    """Return a cell's metadata as nbgrader's JupyterLab extension writes it."""
    found = {"grade_id": name, "solution": solution, "locked": not solution}
    found |= {"grade": points is not None, "schema_version": 3, "task": False}
    return {"nbgrader": found | ({} if points is None else {"points": points})}


def good_exercises() -> NotebookNode:
    """Return exercises without a fault."""
    cells = [
        new_markdown_cell(HEAD, id="title"),
        new_code_cell(SET_UP, id="set-up"),
    ]
    for number, (answer, check) in TASKS.items():
        name = f"task-{number}"
        first = f"# Run this cell to check task {number}."
        last = f'print("Task {number} is correct.")'
        check = f"{first}\n{check}\n{last}"
        folded = {"jupyter": {"source_hidden": True}}
        graded = marks(f"{name}-check", solution=False, points=1)
        cells += [
            new_markdown_cell(f"## {number}. A river", id=f"{name}-question"),
            new_code_cell(
                answer, id=name, metadata=marks(name, solution=True, points=None)
            ),
            new_code_cell(check, id=f"{name}-check", metadata=graded | folded),
        ]
    cells += [
        new_markdown_cell("## 3. Why do rivers bend?", id="task-3-question"),
        new_markdown_cell(
            "They carry sand away on one side. **Rubric** (2 points): the sand.",
            id="task-3",
            metadata=marks("task-3", solution=True, points=2),
        ),
        new_code_cell(
            "left_over = lambda course: []\nassert left_over(course) == []",
            id="clean-up",
        ),
    ]
    return new_notebook(cells=cells, metadata=good_lesson().metadata)


def cell_of(notebook: NotebookNode, name: str) -> NotebookNode:
    """Return the cell of an id."""
    return next(cell for cell in notebook.cells if cell.id == name)


def write_exercises(
    folder: Path, notebook: NotebookNode | None = None, wrong: str = WRONG
) -> Path:
    """Write exercises, wrong answers and nbgrader settings; return the source."""
    source = folder / "exercises" / "source" / "01_rivers" / "01_rivers.ipynb"
    source.parent.mkdir(parents=True)
    nbformat.write(notebook or good_exercises(), source)
    answers = folder / "exercises" / "wrong_answers" / "01_rivers.toml"
    answers.parent.mkdir()
    answers.write_text(wrong, encoding="utf-8")
    shutil.copy(EXERCISES / "nbgrader_config.py", folder / "exercises")
    return source
