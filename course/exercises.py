"""The exercises: their parts, and the students' copies that nbgrader makes of them.

A source, exercises/source/NN_name/NN_name.ipynb, holds solutions and checks. Its copy
without solutions is exercises/NN_name.ipynb. exercises/README.md describes the form.
"""

from __future__ import annotations

import copy
import io
import logging
import re
import shutil
import tempfile
import tomllib
from collections.abc import Sequence
from dataclasses import dataclass, fields
from pathlib import Path
from typing import TYPE_CHECKING

from nbformat import NotebookNode

from course import lessons, metadata
from course.install import ROOT
from course.writable import write_text

if TYPE_CHECKING:
    from traitlets.config import Config

EXERCISES = ROOT / "exercises"
# The marks in a solution; the students' copies and the solved pages have none of them.
SOLUTION = re.compile(r"^\s*### (?P<mark>BEGIN|END) SOLUTION\s*$")
# What a student replaces, in a line of its own.
DOTS = re.compile(r"^\s*\w+ = \.\.\.\s*(#.*)?$")
# The first line of an error in a traceback; nbgrader writes tracebacks into its log.
RAISED = re.compile(r"^(?:\w+\.)*\w*(?:Error|Exception): (.+)$", re.MULTILINE)


class UnusableExercises(Exception):
    """Exercises that can't be handed out; the text says why and what to do."""


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
        points = marks.get("points")
        points = int(points) if isinstance(points, (int, float)) else 0
        if marks.get("solution"):
            found.append(Task(marks.get("grade_id", ""), index, None, points))
        elif marks.get("grade") and found and found[-1].check is None:
            task = found.pop()
            found.append(Task(task.name, task.answer, index, points))
    return found


def wrong_answers(source: Path) -> list[WrongAnswer]:
    """Return the wrong answers that stand in exercises/wrong_answers/NN_name.toml.

    Raises UnusableExercises.
    """
    file = source.parents[2] / "wrong_answers" / f"{source.stem}.toml"
    if not file.exists():
        return []
    name = f"{file.parent.name}/{file.name}"
    try:
        rows = tomllib.loads(file.read_text(encoding="utf-8")).get("wrong", [])
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise UnusableExercises(
            f"{name} is not TOML ({error}); mend it there, or, if it is a merge "
            "conflict, take one side whole"
        ) from error
    wanted = [field.name for field in fields(WrongAnswer)]
    for number, row in enumerate(rows if isinstance(rows, list) else [rows], start=1):
        texts = isinstance(row, dict) and all(isinstance(v, str) for v in row.values())
        if not isinstance(rows, list) or not texts or sorted(row) != sorted(wanted):
            raise UnusableExercises(
                f"{name}: entry {number} has to be a [[wrong]] with three texts, "
                f"{', '.join(wanted)}, and nothing else"
            )
    return [WrongAnswer(**row) for row in rows]


def students_copy(source: Path) -> str:
    """Return the text of the copy for students, as nbgrader generates it.

    With the settings of exercises/nbgrader_config.py, in a folder that is thrown away
    and without a gradebook. Raises UnusableExercises.
    """
    # Two seconds for its import, and only this function needs it.
    from nbgrader.converters import GenerateAssignment
    from nbgrader.converters.base import NbGraderException
    from nbgrader.coursedir import CourseDirectory

    settings = _settings(source.parents[2] / "nbgrader_config.py")
    said = io.StringIO()
    log = logging.Logger("nbgrader")  # of its own: the reason stands nowhere else
    log.addHandler(logging.StreamHandler(said))
    with tempfile.TemporaryDirectory() as folder:
        root = Path(folder).resolve()
        shutil.copytree(source.parent, root / "source" / source.stem)
        course = CourseDirectory(
            root=str(root), assignment_id=source.stem, config=settings
        )
        try:
            GenerateAssignment(coursedir=course, config=settings, log=log).start()
        except NbGraderException as error:
            reason = next(iter(RAISED.findall(said.getvalue())), str(error))
            raise UnusableExercises(
                f"nbgrader makes no students' copy of it: {' '.join(reason.split())}"
            ) from error
        text = (root / "release" / source.stem / source.name).read_text("utf-8")
    return text.rstrip("\n") + "\n"


def _settings(file: Path) -> Config:
    """Return nbgrader's settings for a students' copy, those of a file included."""
    from traitlets.config import Config, PyFileConfigLoader

    settings = Config({"SaveCells": {"enabled": False}})
    settings.GenerateAssignment.no_database = True
    if file.exists():
        try:
            settings.merge(PyFileConfigLoader(str(file)).load_config())
        except Exception as error:  # the file is code: it may raise anything
            reason = f"{type(error).__name__}: {error}"
            raise UnusableExercises(f"{file.name} can't be run ({reason})") from error
    return settings


def bring_up_to_date(source: Path) -> str:
    """Write the students' copy if it differs; return "written" or "unchanged".

    Before, leave in the source's metadata only what is stored. Raises
    UnusableExercises.
    """
    notebook = lessons.read(source)
    metadata.tidy(notebook, metadata.OF_EXERCISES)
    tidied = metadata.text_of(notebook)
    if source.read_text(encoding="utf-8") != tidied:
        source.write_text(tidied, encoding="utf-8")
    text, file = students_copy(source), copy_of(source)
    if file.exists() and file.read_text(encoding="utf-8") == text:
        return "unchanged"
    write_text(file, text)
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


def named(cell: NotebookNode, index: int) -> str:
    """Name a cell as a reader counts, from 1: "cell 5 (task-1-check)"."""
    return f"cell {index + 1} ({cell.id})"


def strays(folder: Path = EXERCISES) -> list[Path]:
    """Return the students' copies of which there is no source."""
    sources = {source.name for source in find_sources((), folder)}
    return [path for path in sorted(folder.glob("*.ipynb")) if path.name not in sources]
