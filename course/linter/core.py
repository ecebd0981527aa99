"""What a lesson is to the linter, the table of its rules, and how they are applied."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import nbformat
from nbformat import NotebookNode

from course import lessons
from course.lessons import Heading
from local_aws.terminal import say


@dataclass(frozen=True)
class Problem:
    """One place in one lesson that breaks one rule."""

    path: Path
    cell: int | None
    code: str
    message: str

    def __str__(self) -> str:
        place = f"{self.path.name}"
        if self.cell is not None:
            place += f": cell {self.cell + 1}"
        return f"{place}: {self.code} {self.message}"


@dataclass
class Lesson:
    """One notebook, with the parts that several rules ask for."""

    path: Path
    notebook: NotebookNode
    headings: list[Heading] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.headings = lessons.headings(self.notebook)

    @property
    def number(self) -> str:
        """The lesson's number as in its file name."""
        return lessons.lesson_number(self.path)

    @property
    def cells(self) -> list[NotebookNode]:
        """All cells in order."""
        return self.notebook.cells

    def code(self) -> Iterator[tuple[int, NotebookNode]]:
        """Yield (index, cell) of the code cells that hold something."""
        for index, cell in enumerate(self.cells):
            if cell.cell_type == "code" and cell.source.strip():
                yield index, cell

    def markdown(self) -> Iterator[tuple[int, NotebookNode]]:
        """Yield (index, cell) of the markdown cells."""
        for index, cell in enumerate(self.cells):
            if cell.cell_type == "markdown":
                yield index, cell

    def head(self) -> str:
        """Return the markdown before the first heading of level 2."""
        second = [item.cell for item in self.headings if item.level == 2]
        last = second[0] if second else len(self.cells)
        text = "\n\n".join(
            cell.source for index, cell in self.markdown() if index <= last
        )
        return re.split(r"^## ", text, maxsplit=1, flags=re.MULTILINE)[0]

    def section(self, pattern: str) -> tuple[int, int, str] | None:
        """Return the first section whose heading matches, or None."""
        return next(self.sections(pattern), None)

    def sections(self, pattern: str) -> Iterator[tuple[int, int, str]]:
        """Yield the sections whose heading matches: (first cell, end cell, markdown).

        A section reaches to the next heading of its level or above. The markdown
        leaves out the heading itself.
        """
        for position, item in enumerate(self.headings):
            if item.level > 1 and re.match(pattern, item.text, re.IGNORECASE):
                rest = self.headings[position + 1 :]
                after = next((h for h in rest if h.level <= item.level), None)
                end = after.cell if after else len(self.cells)
                text = "\n\n".join(
                    cell.source
                    for index, cell in self.markdown()
                    if item.cell <= index <= end
                )
                text = text.split(f"{'#' * item.level} {item.text}", 1)[-1]
                if after:
                    text = text.split(f"{'#' * after.level} {after.text}", 1)[0]
                yield item.cell, end, text


Check = Callable[[Lesson, Sequence[Path]], Iterable[tuple[int | None, str]]]


RULES: dict[str, tuple[str, Check]] = {}


def rule(code: str, text: str) -> Callable[[Check], Check]:
    """Enter a check into the table under a code; `text` says what must hold."""

    def enter(check: Check) -> Check:
        if code in RULES:
            raise ValueError(f"two rules have the code {code}")
        RULES[code] = (text, check)
        return check

    return enter


def lint(path: Path, every: Sequence[Path]) -> list[Problem]:
    """Return all problems of one lesson; `every` holds all lessons of the course."""
    try:
        notebook = lessons.read(path)
    except lessons.UnreadableNotebook as error:
        return [Problem(path, None, "L001", str(error))]
    try:
        # As it is stored: reading repairs some of what is wrong.
        nbformat.validate(json.loads(path.read_text(encoding="utf-8")))
    except (nbformat.ValidationError, ImportError) as error:
        # ImportError: nbformat imports a module for each version, whatever it is.
        reason = str(error).splitlines()[0]
        message = f"is not a valid notebook ({reason}); save it again in Jupyter"
        return [Problem(path, None, "L001", message)]
    lesson = Lesson(path, notebook)
    return [
        Problem(path, cell, code, message)
        for code, (_, check) in RULES.items()
        for cell, message in check(lesson, every)
    ]


def lint_lessons(names: Sequence[str] = (), folder: Path = lessons.NOTEBOOKS) -> int:
    """Check lessons, print every problem; return 0 if there is none, else 1 or 2."""
    try:
        paths = lessons.find_lessons(names, folder)
    except lessons.NoSuchLesson as error:
        say(str(error))
        return 2
    every = lessons.find_lessons((), folder)
    problems = [problem for path in paths for problem in lint(path, every)]
    for problem in problems:
        say(str(problem), indent=4)
    count, lessons_text = len(problems), f"{len(paths)} lessons"
    say(f"{lessons_text}: {count} problems" if count else f"{lessons_text}: good")
    return 1 if problems else 0


def rules_table() -> str:
    """Return the codes and what each demands, one a line."""
    return "\n".join(f"{code}  {text}" for code, (text, _) in sorted(RULES.items()))
