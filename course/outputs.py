"""Run lessons and store what they print in notebooks/, the same bytes each time."""

from __future__ import annotations

import base64
import re
import struct
from collections.abc import Mapping, Sequence
from pathlib import Path

import nbformat
from nbformat import NotebookNode

from course import lessons, metadata
from course.bank_data import why_made_up
from course.diagrams import IMAGES
from course.execution import Execution
from course.migration.spellings import with_tables
from course.runner import (
    Progress,
    default_workers,
    run_all,
    stand_in_environment,
)
from course.sanitize import patterns, sanitize
from course.terminal import make_console, say
from course.writable import require_writable, require_writable_files, write_text


def normalise(notebook: NotebookNode, before: NotebookNode) -> NotebookNode:
    """Bring an executed notebook into the form that is stored (changed in place).

    No metadata of a single run, pictures without the name of the program that drew
    them, the cells' ids as they were. Where an output differs from `before`, the
    notebook as it was stored, in nothing but what the sanitise file allows, the old
    output stays, so that running again changes no bytes. What differs gets the run id
    of what stays: a reader meets one in a lesson.
    """
    metadata.tidy(notebook, metadata.OF_LESSONS)
    notebook.nbformat, notebook.nbformat_minor = 4, 5
    if (new_id := run_id_of(notebook)) and (old_id := run_id_of(before)):
        for cell in notebook.cells:
            if cell.cell_type == "code":
                cell.outputs = _replaced(cell.outputs, new_id, old_id)
    old = {cell.get("id"): cell for cell in before.cells}
    for position, cell in enumerate(notebook.cells):
        cell.setdefault("id", f"cell-{position:02d}")
        if cell.cell_type != "code":
            continue
        for output in cell.outputs:
            if "image/png" in output.get("data", {}):
                png = base64.b64decode(output.data["image/png"])
                text = base64.b64encode(without_texts(png)).decode()
                output.data["image/png"] = text
        stored = old.get(cell.id, {}).get("outputs", [])
        if _comparable(cell.outputs) == _comparable(stored):
            cell.outputs = stored
    return notebook


def run_id_of(notebook: NotebookNode) -> str | None:
    """Return the run id that a lesson has printed first."""
    for cell in notebook.cells:
        for output in cell.get("outputs", []):
            if found := re.search(r"Run id: (\w{6})\b", output.get("text", "")):
                return found[1]
    return None


def _replaced(value: object, old: str, new: str) -> object:
    """Return outputs with one word in the place of another; pictures stay."""
    if isinstance(value, str):
        return re.sub(rf"\b{old}\b", new, value)
    if isinstance(value, list):
        return [_replaced(item, old, new) for item in value]
    if isinstance(value, dict):
        items = {
            key: item if key.startswith("image/") else _replaced(item, old, new)
            for key, item in value.items()
        }
        return NotebookNode(items)
    return value


def without_texts(png: bytes) -> bytes:
    """Return the PNG without its text chunks, which name matplotlib's version."""
    signature, position = png[:8], 8
    parts = [signature]
    while position < len(png):
        (length,) = struct.unpack(">I", png[position : position + 4])
        end = position + 12 + length  # length, type, data, checksum
        if png[position + 4 : position + 8] not in (b"tEXt", b"zTXt", b"iTXt", b"tIME"):
            parts.append(png[position:end])
        position = end
    return b"".join(parts)


def _comparable(outputs: list[NotebookNode]) -> list[object]:
    """Return the outputs with every text sanitised, in a form that can be compared."""
    pairs = patterns()

    def without_time(value: object) -> object:
        if isinstance(value, str):
            return sanitize(value, pairs)
        if isinstance(value, dict):
            return {key: without_time(item) for key, item in value.items()}
        return value

    return [without_time(dict(output)) for output in outputs]


def store_lessons(
    names: Sequence[str] = (),
    workers: int | None = None,
    folder: Path = lessons.NOTEBOOKS,
    environment: Mapping[str, str] | None = None,
) -> int:
    """Run lessons with their default parameters and store their outputs.

    A lesson that fails is left as it was. Nothing is stored of lessons on bank
    marketing where the real data can't be had. Returns 0, 1 if something was not
    stored, 2 if there is nothing to run.
    """
    console = make_console()
    try:
        paths = lessons.find_lessons(names, folder)
    except lessons.NoSuchLesson as error:
        say(console, str(error))
        return 2
    if not paths:
        say(console, f"There are no notebooks in {folder}.")
        return 2
    if reason := why_made_up(paths):
        say(console, f"Nothing is stored: it would be of made-up data. {reason}")
        return 1
    require_writable_files([path for path in paths if path.exists()])
    if environment is None:
        require_writable(folder / "scratch", IMAGES)
        environment = stand_in_environment()
    progress = Progress(paths, console)
    executions = run_all(paths, environment, workers or default_workers(), progress)
    for item in executions:
        say(console, f"{item.path.name}: {_store(item)}")
    return 1 if any(item.failure for item in executions) else 0


def _store(item: Execution) -> str:
    if item.failure:
        return f"failed at {item.failure}; nothing stored"
    before = item.path.read_text(encoding="utf-8")
    normalise(with_tables(item.notebook), lessons.read(item.path))
    nbformat.validate(item.notebook)
    text = metadata.text_of(item.notebook)
    if text == before:
        return "unchanged"
    write_text(item.path, text)
    return "stored"
