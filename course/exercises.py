"""The exercises: their form, and the students' copies that nbgrader makes of them.

A source, exercises/source/NN_name/NN_name.ipynb, holds solutions and checks. Its copy
without solutions is exercises/NN_name.ipynb. exercises/README.md describes the form.
"""

from __future__ import annotations

import copy
import re
import shutil
import tempfile
import tomllib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from nbformat import NotebookNode

from course import lessons
from course.install import ROOT

EXERCISES = ROOT / "exercises"
# The marks in a solution; the students' copies and the solved pages have none of them.
SOLUTION = re.compile(r"^\s*### (?P<mark>BEGIN|END) SOLUTION\s*$")
# What a student replaces, in a line of its own.
DOTS = re.compile(r"^\s*\w+ = \.\.\.\s*(#.*)?$")
EFFORT = re.compile(r"\d+ minutes.*Cost on AWS.*estimate", re.DOTALL)


@dataclass(frozen=True)
class Task:
    """One task: its answer cell and, unless it is graded by hand, its check cell.

    `name` is the answer cell's grade id; the cells are counted from 0.
    """

    name: str
    answer: int
    check: int | None
    points: int


@dataclass(frozen=True)
class WrongAnswer:
    """What a student may plausibly write, and a part of the sentence that tells so."""

    task: str
    answer: str
    told: str


def find_sources(names: Sequence[str] = (), folder: Path = EXERCISES) -> list[Path]:
    """Return the sources in order: those named (a number, a stem or a path), or all.

    Raises lessons.NoSuchLesson.
    """
    every = sorted((folder / "source").glob("*/*.ipynb"))
    if not names:
        return every
    by_stem = {path.stem: path for path in every}
    known = [Path(f"{stem}.ipynb") for stem in by_stem]
    chosen = []
    for name in names:
        stem = Path(name).stem if name.endswith(".ipynb") else name
        found = [p.stem for p in known if stem in (p.stem, lessons.lesson_number(p))]
        if not found:
            numbers = ", ".join(map(lessons.lesson_number, known)) or "none yet"
            raise lessons.NoSuchLesson(
                f"There are no exercises {name!r}. Exercises: {numbers}."
            )
        chosen += [by_stem[stem] for stem in found if by_stem[stem] not in chosen]
    return chosen


def is_source(path: Path) -> bool:
    """Say whether a notebook is a source of exercises (not a lesson, not a copy)."""
    # Two names, since a clone of the course may be called `source` itself.
    return path.parent.parent.name == "source" and path.parent.name == path.stem


def copy_of(source: Path) -> Path:
    """Return the path of a source's copy for students."""
    return source.parents[2] / source.name


def tasks(notebook: NotebookNode) -> list[Task]:
    """Return a notebook's tasks in order."""
    found: list[Task] = []
    for index, cell in enumerate(notebook.cells):
        marks = cell.metadata.get("nbgrader", {})
        points = int(marks.get("points", 0))
        if marks.get("solution"):
            found.append(Task(marks["grade_id"], index, None, points))
        elif marks.get("grade") and found and found[-1].check is None:
            task = found.pop()
            found.append(Task(task.name, task.answer, index, points))
    return found


def wrong_answers(source: Path) -> list[WrongAnswer]:
    """Return the wrong answers that stand in exercises/wrong_answers/NN_name.toml."""
    file = source.parents[2] / "wrong_answers" / f"{source.stem}.toml"
    if not file.exists():
        return []
    rows = tomllib.loads(file.read_text(encoding="utf-8")).get("wrong", [])
    return [WrongAnswer(**row) for row in rows]


def students_copy(source: Path) -> str:
    """Return the text of the copy for students, as nbgrader generates it.

    With the settings of exercises/nbgrader_config.py, in a folder that is thrown away
    and without a gradebook. Raises nbgrader's NbGraderException.
    """
    # Two seconds for its import, and only this function needs it.
    from nbgrader.converters import GenerateAssignment
    from nbgrader.coursedir import CourseDirectory
    from traitlets.config import Config, PyFileConfigLoader

    settings = Config({"SaveCells": {"enabled": False}})
    settings.GenerateAssignment.no_database = True
    config_file = source.parents[2] / "nbgrader_config.py"
    if config_file.exists():
        settings.merge(PyFileConfigLoader(str(config_file)).load_config())
    with tempfile.TemporaryDirectory() as folder:
        root = Path(folder).resolve()
        shutil.copytree(source.parent, root / "source" / source.stem)
        course = CourseDirectory(
            root=str(root), assignment_id=source.stem, config=settings
        )
        GenerateAssignment(coursedir=course, config=settings).start()
        text = (root / "release" / source.stem / source.name).read_text("utf-8")
    return text.rstrip("\n") + "\n"


def bring_up_to_date(source: Path) -> str:
    """Write the students' copy if it differs; return "written" or "unchanged"."""
    text, file = students_copy(source), copy_of(source)
    if file.exists() and file.read_text(encoding="utf-8") == text:
        return "unchanged"
    file.write_text(text, encoding="utf-8")
    return "written"


def solution_lines(cell: NotebookNode) -> list[str]:
    """Return the lines of an answer cell that a student must not see.

    A code cell's are those between its marks, without comments and without what stands
    outside of the marks too. A text is a solution as a whole.
    """
    inside, outside, within = [], set(), cell.cell_type == "markdown"
    for line in cell.source.splitlines():
        if mark := SOLUTION.match(line):
            within = mark["mark"] == "BEGIN"
        elif within:
            inside.append(line.strip())
        else:
            outside.add(line.strip())
    return [line for line in inside if line and line not in outside]


def leaks(source: NotebookNode, handed_out: NotebookNode) -> list[str]:
    """Return the lines of solutions that stand in a students' copy."""
    copied = {
        cell.metadata["nbgrader"]["grade_id"]: cell.source
        for cell in handed_out.cells
        if cell.metadata.get("nbgrader", {}).get("solution")
    }
    found = []
    for task in tasks(source):
        lines = [line.strip() for line in copied.get(task.name, "").splitlines()]
        secret = solution_lines(source.cells[task.answer])
        found += [f"{task.name}: {line}" for line in secret if line in lines]
    return found


def solved(notebook: NotebookNode) -> NotebookNode:
    """Return a source as a student writes it: no marks, nor the dots' lines."""
    notebook = copy.deepcopy(notebook)
    for task in tasks(notebook):
        cell = notebook.cells[task.answer]
        lines = [
            line
            for line in cell.source.split("\n")
            if not SOLUTION.match(line) and not DOTS.match(line)
        ]
        cell.source = "\n".join(lines)
    return notebook


def form_problems(source: Path) -> list[str]:
    """Return in what a source departs from the form that exercises/README.md gives."""
    notebook = lessons.read(source)
    problems = list(_head_problems(notebook, lessons.lesson_number(source)))
    for index, cell in enumerate(notebook.cells):
        if cell.get("outputs") or cell.get("execution_count"):
            problems.append(f"cell {index + 1} holds outputs")
        if "HIDDEN TESTS" in cell.source:
            problems.append(f"cell {index + 1} hides tests: students get the same ones")
    every = tasks(notebook)
    if not 3 <= len(every) <= 5:
        problems.append(f"there are {len(every)} tasks, not 3 to 5")
    told = {wrong.task for wrong in wrong_answers(source)}
    for number, task in enumerate(every, start=1):
        problems += [
            f"{task.name}: {text}" for text in _task_problems(notebook, task, number)
        ]
        if task.check is not None and task.name not in told:
            problems.append(f"{task.name}: no wrong answer is given for it")
    for name in sorted(told - {task.name for task in every if task.check is not None}):
        problems.append(f"{name}: has wrong answers, and there is no such checked task")
    if "left_over(course)" not in notebook.cells[-1].source:
        problems.append("the last cell does not show that nothing is left over")
    return problems


def _head_problems(notebook: NotebookNode, number: str) -> Iterator[str]:
    head = notebook.cells[0].source
    if not head.startswith(f"# Exercises {number} "):
        yield f'the title does not begin with "# Exercises {number} "'
    if not re.search(rf"\]\(\.\./notebooks/{number}_\w+\.ipynb\)", head):
        yield "the first cell has no link to the lesson"
    if not EFFORT.search(head):
        yield "the first cell does not tell minutes and the estimated cost on AWS"


def _task_problems(notebook: NotebookNode, task: Task, number: int) -> Iterator[str]:
    answer = notebook.cells[task.answer]
    if task.name != f"task-{number}":
        yield f"its grade id should be task-{number}"
    if not lessons.heading_of(notebook, task.answer).startswith(f"{number}. "):
        yield f'its heading does not begin with "{number}. "'
    if not solution_lines(answer):
        yield "there is nothing between ### BEGIN SOLUTION and ### END SOLUTION"
    if task.points < 1:
        yield "it gives no points"
    if task.check is None:
        if answer.cell_type != "markdown":
            yield "the cell after it is no check"
        return
    marks = {"grade_id": f"{task.name}-check", "solution": False, "locked": True}
    first = f"# Run this cell to check task {number}."
    if not notebook.cells[task.check].source.startswith(f"{first}\n"):
        yield f'its check does not begin with "{first}"'  # all that is seen of it
    check = notebook.cells[task.check].metadata
    for key, value in marks.items():
        if check["nbgrader"].get(key) != value:
            yield f"its check's {key} should be {value}"
    if not check.get("jupyter", {}).get("source_hidden"):
        yield "its check is not folded (source_hidden in the metadata)"


def strays(folder: Path = EXERCISES) -> list[Path]:
    """Return the students' copies of which there is no source."""
    sources = {source.name for source in find_sources((), folder)}
    return [path for path in sorted(folder.glob("*.ipynb")) if path.name not in sources]
