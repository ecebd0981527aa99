"""The code cells of a notebook, or a Python file as one cell, ready to be parsed."""

from __future__ import annotations

import json
import re
import tokenize
import warnings
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import nbformat
from IPython.core.inputtransformer2 import TransformerManager

from course.lessons import NO_NOTEBOOK

# Cell magics whose text is Python that runs here, as it is.
SAME_NAMES = {"time", "timeit", "capture", "prun", "matplotlib", "local"}
# And those whose text becomes a file or runs in another process.
OWN_NAMES = {"writefile", "file", "python", "python3", "pypy", "script"}

# And those whose text is for the shell, where it may install packages.
SHELLS = {"bash", "sh"}


class Unreadable(Exception):
    """A file holds no Python that can be read; the text says why, without its name."""


@dataclass(frozen=True)
class Cell:
    """Some code.

    number: of the cell in the notebook, from 1, texts counted; None in a file of
    Python. executed: the number that Jupyter shows at its left. first_line: the line
    with which the code begins. apart: it is none of the notebook's own, as in a file
    that the cell writes.
    """

    source: str
    number: int | None = None
    executed: int | None = None
    first_line: int = 1
    apart: bool = False

    def place(self, line: int) -> str:
        """Say where a line is."""
        if self.number is None:
            return f"line {line}"
        shown = f" (In [{self.executed}])" if self.executed else ""
        return f"cell {self.number}{shown}, line {line}"


def read(path: Path) -> list[Cell]:
    """Read the code of a notebook or of a Python file. Raises Unreadable."""
    if path.suffix not in {".ipynb", ".py"}:
        raise Unreadable("is neither a notebook (.ipynb) nor a Python file (.py)")
    if path.suffix == ".py":
        return [Cell(_text(path))]
    return list(_code_cells(_notebook(_text(path))))


def _text(path: Path) -> str:
    """Read a file; one of Python may say in its first lines how it is encoded."""
    encoding = "utf-8-sig"
    try:
        if path.suffix == ".py":
            with path.open("rb") as file:
                encoding, _ = tokenize.detect_encoding(file.readline)
        return path.read_text(encoding=encoding)
    except OSError as error:
        raise Unreadable(f"can't be opened ({error.strerror})") from error
    except (UnicodeDecodeError, SyntaxError) as error:
        raise Unreadable(f"is not text in {encoding[:5].upper()}") from error


def _notebook(text: str) -> nbformat.NotebookNode:
    try:
        parts = json.loads(text)
    except json.JSONDecodeError as error:
        raise Unreadable(f"is not JSON ({error.msg}, line {error.lineno})") from error
    except RecursionError as error:
        raise Unreadable("is not a notebook (its JSON is nested too deeply)") from error
    if not isinstance(parts, dict) or not {"cells", "worksheets"} & set(parts):
        raise Unreadable("is not a notebook (it has no cells)")
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of old notebooks, that they are old
            notebook = nbformat.reads(text, as_version=4)
    except NO_NOTEBOOK as error:
        told = str(error).startswith("Unsupported nbformat version")
        reason = error if told else "its JSON has not the form of one"
        raise Unreadable(f"is not a notebook ({reason})") from error
    kernel = notebook.metadata.get("kernelspec") or {}
    language = str(kernel.get("language") or "python")
    if not language.lower().startswith(("python", "ipython")):
        raise Unreadable(f"is a notebook in {language}, and this command reads Python")
    return notebook


def _code_cells(notebook: nbformat.NotebookNode) -> Iterator[Cell]:
    for number, cell in enumerate(notebook.get("cells", []), start=1):
        if cell.get("cell_type") == "code":
            source = "".join(cell.get("source") or "")
            yield from _of_python(source, number, cell.get("execution_count"))


def _of_python(source: str, number: int, executed: int | None) -> Iterator[Cell]:
    """Yield a cell as it is, or what is Python in one that begins with a cell magic."""
    lines = source.split("\n")
    start = next((i for i, line in enumerate(lines) if line.strip()), len(lines))
    magic = re.match(r"%%(\w+)(.*)", lines[start]) if start < len(lines) else None
    if magic is None:
        yield Cell(source, number, executed)
        return
    if magic[1] in SHELLS:
        commands = [f"!{line}" if "pip" in line else "" for line in lines[start + 1 :]]
        yield Cell("\n".join(commands), number, executed, start + 2)
        return
    is_file = magic[1] in {"writefile", "file"}
    is_python = not is_file or magic[2].strip().strip("\"'").endswith(".py")
    is_python &= magic[1] != "script" or "python" in magic[2]
    if magic[1] in SAME_NAMES | OWN_NAMES and is_python:
        body = "\n".join(lines[start + 1 :])
        apart = magic[1] in OWN_NAMES
        yield Cell(body, number, executed, start + 2, apart)


class _KeepingLines(TransformerManager):
    """IPython's translation of `%` and `!` lines, with as many lines as before."""

    def do_one_token_transform(self, lines: list[str]) -> tuple[bool, list[str]]:
        changed, new = super().do_one_token_transform(lines)
        if missing := len(lines) - len(new):
            same = next(
                (
                    i
                    for i, pair in enumerate(zip(lines, new, strict=False))
                    if pair[0] != pair[1]
                ),
                len(new),
            )
            new = new[: same + 1] + ["\n"] * missing + new[same + 1 :]
        return changed, new


def as_python(cell: Cell) -> str:
    """Translate the lines that IPython adds to Python; line numbers stay as they are.

    Raises SyntaxError where IPython can't read it.
    """
    if cell.number is None:
        return cell.source
    stripped = cell.source.lstrip("\n \t\r")
    skipped = cell.source[: len(cell.source) - len(stripped)]
    first = skipped.rpartition("\n")[2] + stripped  # with its indentation
    return "\n" * skipped.count("\n") + _KeepingLines().transform_cell(first)
