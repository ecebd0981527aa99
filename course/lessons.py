"""Find the lessons and read their parts: title, promise, headings, figures."""

from __future__ import annotations

import base64
import binascii
import json
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import nbformat
from nbformat import NotebookNode

from course.install import ROOT

NOTEBOOKS = ROOT / "notebooks"
FILE_NAME = re.compile(r"(?P<number>\d\d|[A-Z])_[a-z0-9]+(_[a-z0-9]+)*\.ipynb")
HEADING = re.compile(r"^(?P<marks>#{1,6}) +(?P<text>.*?)\s*$", re.MULTILINE)
FENCE = re.compile(r"^(```|~~~).*?^\1\s*$", re.MULTILINE | re.DOTALL)
CONFLICT = re.compile(r"^<{7}( |$)", re.MULTILINE)
# What nbformat raises where the JSON is no notebook depends on what is missing.
NO_NOTEBOOK = (
    nbformat.ValidationError,
    AssertionError,
    AttributeError,
    KeyError,
    TypeError,
    UnboundLocalError,
    ValueError,
)


class NoSuchLesson(Exception):
    """A lesson that was asked for by name does not exist."""


class UnreadableNotebook(Exception):
    """A file is no notebook; the text says why and what to do, without its name."""


@dataclass(frozen=True)
class Heading:
    """A heading of a markdown cell: its level (1 to 6), text and cell (from 0)."""

    level: int
    text: str
    cell: int


def find_lessons(names: Sequence[str] = (), folder: Path = NOTEBOOKS) -> list[Path]:
    """Return the lessons' files in order: those named, or all.

    A name is a number ("01"), a file's stem or a path. Raises NoSuchLesson.
    """
    every = sorted(folder.glob("*.ipynb"))
    if not names:
        return every
    chosen = []
    for name in names:
        # A name of the folder's own comes first: `01` must not mean a file elsewhere.
        matches = [
            path
            for path in every
            if name in (lesson_number(path), path.stem, path.name)
        ]
        if not matches and Path(name).suffix == ".ipynb" and Path(name).is_file():
            matches = [Path(name).resolve()]
        if not matches:
            known = ", ".join(lesson_number(path) for path in every) or "none yet"
            raise NoSuchLesson(f"There is no lesson {name!r}. Lessons: {known}.")
        chosen += [path for path in matches if path not in chosen]
    return chosen


def lesson_number(path: Path) -> str:
    """Return the part of a lesson's file name before the first underscore."""
    return path.stem.partition("_")[0]


def place(path: Path) -> str:
    """Return a file's path as git takes it in the course's folder."""
    if path.is_relative_to(ROOT):
        return path.relative_to(ROOT).as_posix()
    return f"{path.parent.name}/{path.name}"


def read(path: Path) -> NotebookNode:
    """Read a notebook as format 4. Raises UnreadableNotebook."""
    file = place(path)
    remedy = (
        "undo the last edit, or get back what was last committed with "
        f"`git checkout HEAD -- {file}`"
    )
    try:
        text = path.read_text(encoding="utf-8")
    except OSError as error:
        raise UnreadableNotebook(f"can't be opened ({error.strerror})") from error
    except UnicodeDecodeError as error:
        raise UnreadableNotebook(f"is not text in UTF-8; {remedy}") from error
    try:
        json.loads(text)
    except json.JSONDecodeError as error:
        if conflict := CONFLICT.search(text):
            line = text.count("\n", 0, conflict.start()) + 1
            raise UnreadableNotebook(
                f"holds a merge conflict (line {line}); take one side whole, with "
                f"`git checkout --ours {file}` or `git checkout --theirs {file}`"
            ) from error
        where = f"{error.msg}, line {error.lineno}"
        raise UnreadableNotebook(f"is not JSON ({where}); {remedy}") from error
    try:
        notebook = nbformat.reads(text, as_version=4)
        nbformat.validate(notebook)
    except NO_NOTEBOOK as error:
        reason = (str(error) or type(error).__name__).splitlines()[0]
        raise UnreadableNotebook(
            f"is not a valid notebook ({reason}); {remedy}"
        ) from error
    return notebook


def headings(notebook: NotebookNode) -> list[Heading]:
    """Return all headings in order; lines in fenced code are none."""
    found = []
    for index, cell in enumerate(notebook.cells):
        if cell.cell_type == "markdown":
            for match in HEADING.finditer(FENCE.sub("", cell.source)):
                heading = Heading(len(match["marks"]), match["text"], index)
                found.append(heading)
    return found


def heading_of(notebook: NotebookNode, index: int) -> str:
    """Return the text of the last heading at or before a cell, or ""."""
    before = [item.text for item in headings(notebook) if item.cell <= index]
    return before[-1] if before else ""


def title(notebook: NotebookNode) -> str:
    """Return the text of the first heading of level 1, or ""."""
    return next((item.text for item in headings(notebook) if item.level == 1), "")


def promise(notebook: NotebookNode) -> str:
    """Return the first paragraph after the title, or ""."""
    for cell in notebook.cells[:1]:
        paragraphs = [part.strip() for part in cell.source.split("\n\n")]
        for part in paragraphs:
            text = "\n".join(
                line for line in part.splitlines() if not line.startswith("#")
            )
            if text.strip():
                return " ".join(text.split())
    return ""


def effort(notebook: NotebookNode) -> str:
    """Return what the first cells say of the minutes that a lesson takes, or ""."""
    for cell in notebook.cells[:2]:
        for paragraph in cell.source.split("\n\n"):
            text = " ".join(paragraph.split())
            if re.search(r"\bminutes?\b", text, re.IGNORECASE):
                return re.split(r"\s*(?:\*\*)?Cost\b", text, maxsplit=1)[0]
    return ""


def figures(notebook: NotebookNode) -> Iterator[tuple[int, bytes]]:
    """Yield (cell index, PNG bytes) of every stored figure in order.

    No bytes for one that is not stored in base64.
    """
    for index, cell in enumerate(notebook.cells):
        for output in cell.get("outputs", []):
            png = output.get("data", {}).get("image/png")
            if png:
                yield index, _decoded(png)


def alternative_texts(notebook: NotebookNode) -> Iterator[tuple[int, str]]:
    """Yield (cell index, what it shows) of every stored figure in order.

    The text is in the output's metadata, under the picture's type; "" without one.
    """
    for index, cell in enumerate(notebook.cells):
        for output in cell.get("outputs", []):
            if "image/png" in output.get("data", {}):
                yield index, output.metadata.get("image/png", {}).get("alt", "")


def _decoded(text: str) -> bytes:
    try:
        return base64.b64decode(text)
    except binascii.Error:
        return b""
