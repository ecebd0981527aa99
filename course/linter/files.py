"""L0: the file, its name and its metadata."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from pathlib import Path

from course import lessons, metadata
from course.linter.core import Lesson, rule

CELL_KEYS = {"tags"}

NOTEBOOK_KEYS = {"kernelspec", "language_info"}


@rule("L001", "the file is a valid notebook of format 4.5 or newer")
def _valid(lesson: Lesson, every: Sequence[Path]) -> Iterator:
    stored = json.loads(lesson.path.read_text(encoding="utf-8"))
    version = (stored.get("nbformat"), stored.get("nbformat_minor"))
    if version < (4, 5):
        yield None, f"has format {version[0]}.{version[1]}; save it in JupyterLab 4"


@rule("L002", "the file is named NN_short_name.ipynb: ASCII, no spaces, lower case")
def _file_name(lesson: Lesson, every: Sequence[Path]) -> Iterator:
    if not lessons.FILE_NAME.fullmatch(lesson.path.name):
        yield None, "file name is not of the form 01_short_name.ipynb; rename it"


@rule("L003", "the kernel is named python3")
def _kernel(lesson: Lesson, every: Sequence[Path]) -> Iterator:
    name = lesson.notebook.metadata.get("kernelspec", {}).get("name")
    if name != "python3":
        yield None, f"kernel is {name!r}, not 'python3'; run `make outputs`"


@rule("L004", "metadata describes the kernel, and no single run or Python version")
def _metadata(lesson: Lesson, every: Sequence[Path]) -> Iterator:
    found = lesson.notebook.metadata
    extra = sorted(set(found) - NOTEBOOK_KEYS)
    if "version" in found.get("language_info", {}):
        extra.append("language_info.version")
    if extra:
        yield None, f"metadata has {', '.join(extra)}; run `make outputs`"
    elif found.get("language_info") != metadata.stored().language_info:
        # JupyterLab would complete it, and so mark the lesson as changed.
        yield None, "metadata does not describe the kernel in full; run `make outputs`"
    for index, cell in enumerate(lesson.cells):
        extra = sorted(set(cell.metadata) - CELL_KEYS)
        if extra:
            yield index, f"metadata has {', '.join(extra)}; run `make outputs`"


@rule("L005", "no other lesson has the same number")
def _own_number(lesson: Lesson, every: Sequence[Path]) -> Iterator:
    others = [path for path in every if path.name != lesson.path.name]
    for path in others:
        if lessons.lesson_number(path) == lesson.number:
            yield None, f"has the number of {path.name}; give one of them another"
