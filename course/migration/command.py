"""`python -m course migrate`: print the old spellings in somebody's files."""

from __future__ import annotations

import os
import re
import sys
from collections.abc import Sequence
from pathlib import Path

from course.migration.cells import Cell, Unreadable, read
from course.migration.finding import Finding, Found, find
from course.migration.moved import import_today
from course.migration.spellings import V3_PACKAGES
from local_aws.terminal import broken, columns, say

LABELS = 7  # columns for "v3", "boto3", "why" and "error"
WIDEST = 72  # of the code that is shown
ANY = "anything-else"  # the row for what no other row is about
PAGE = 88  # columns of a line where it is no terminal's


def migrate(names: Sequence[str]) -> int:
    """Print what is old in each file and what is written today; return the exit code.

    0: nothing is old. 1: something is. 2: a file could not be read.
    """
    codes = [_tell(Path(name)) for name in names]
    return max(codes, default=0)


def _tell(path: Path) -> int:
    try:
        cells = read(path)
    except Unreadable as error:
        say(f"{_shown(path)} {error}.", file=sys.stderr)
        return 2
    found = find(cells)
    say(f"{_shown(path)}: {_summary(found)}")
    for cell, lines in found.unread:
        say(f"  {_unread(cell, lines)}", indent=4)
    explained: dict[str, Finding] = {}
    for finding in found.findings:
        _tell_one(finding, explained)
    return 1 if found.findings else 0


def _tell_one(finding: Finding, explained: dict[str, Finding]) -> None:
    """Print one place; a spelling is explained where it first comes."""
    row = finding.spelling
    code = (
        finding.code if len(finding.code) <= WIDEST else f"{finding.code[:WIDEST]}..."
    )
    where = finding.cell.place(finding.line)
    moved = _moved(finding)
    if row.id in explained:
        before = explained[row.id]
        say(f"\n  {where}: {code}")
        if moved and code.startswith(("from ", "import ")):
            _say_labelled("v3", moved)
        _say_labelled("see", before.cell.place(before.line))
        return
    explained[row.id] = finding
    say(f"\n  {where}: {code}    [{', '.join(row.versions)}]", indent=4)
    today = [*row.imports.splitlines(), row.v3.removeprefix("# ")]
    if moved or row.id == ANY:
        today = [moved or "nothing of this name"]
    for number, line in enumerate(today):
        _say_labelled("" if number else "v3", line)
    _say_labelled("boto3", row.boto3.removeprefix("# "))
    _say_labelled("why", row.why.replace("`", ""))
    if row.today and row.id != ANY:
        _say_labelled("error", error_of(finding))


def _moved(finding: Finding) -> str:
    """Give today's import of a name that has moved, if its row gives another one's."""
    _, _, last = finding.name.rpartition(".")
    if not finding.spelling.moved or re.search(
        rf"\b{last}\b", finding.spelling.imports
    ):
        return ""
    return import_today(finding.name)


def error_of(finding: Finding) -> str:
    """Give the error of this place: the row's, with the name that is missing here.

    One row is about several modules, methods or arguments. All that an old program
    imports is missing right under `sagemaker`, unless v3 has a package of this name.
    """
    code, today = finding.code, finding.spelling.today
    if not finding.name:
        what, _, _ = code.rpartition(".")[2].partition("=")
        return re.sub(r"(?<= attribute )'\w+'$", f"'{what}'", today).replace(
            f"{today.partition(': ')[2].partition(': Extra inputs')[0]}: Extra",
            f"{what}: Extra",
        )
    first, _, rest = finding.name.removeprefix("sagemaker.").partition(".")
    if not finding.name.startswith("sagemaker."):
        return today
    if first in V3_PACKAGES:
        if code == f"from sagemaker.{first} import {rest}":
            return f"ImportError: cannot import name '{rest}' from 'sagemaker.{first}'"
        return today
    if code.startswith("from sagemaker import "):
        return f"ImportError: cannot import name '{first}' from 'sagemaker'"
    if code.startswith(("from ", "import ")):
        return f"ModuleNotFoundError: No module named 'sagemaker.{first}'"
    if code.startswith(f"sagemaker.{first}"):
        return f"AttributeError: module 'sagemaker' has no attribute '{first}'"
    return today


def _say_labelled(label: str, text: str) -> None:
    """Print a text to the right of a label, in lines that a page can hold."""
    indent = 4 + LABELS
    lines = broken(text, (columns(sys.stdout) or PAGE) - indent, 0)
    head = f"    {label:{LABELS}}"
    print(f"{head}{lines[0]}", *[" " * indent + line for line in lines[1:]], sep="\n")


def _summary(found: Found) -> str:
    """Say in a line how much there is, and of which version of the SDK."""
    if not found.findings:
        return "no old spelling found"
    spellings = {item.spelling.id: item.spelling for item in found.findings}
    alone = {row.versions[0] for row in spellings.values() if len(row.versions) == 1}
    version = " and ".join(sorted(alone)) or "v1 or v2"
    kinds = _counted(len(spellings), "old spelling")
    return f"SDK {version}, {kinds} in {_counted(len(found.findings), 'place')}"


def _counted(number: int, what: str) -> str:
    return f"{number} {what}" + ("" if number == 1 else "s")


def _unread(cell: Cell, lines: list[int]) -> str:
    where = "the file" if cell.number is None else f"cell {cell.number}"
    if len(lines) >= cell.source.count("\n") + 1:
        return f"({where} is no Python 3 and was left out)"
    named = ", ".join(map(str, lines))
    word = "line" if len(lines) == 1 else "lines"
    return f"({where}: {word} {named} can't be read as Python 3; the rest was)"


def _shown(path: Path) -> str:
    """Name a file as short as it goes, without the folders of one machine."""
    full = path.absolute()
    here = Path(os.getcwd())
    return str(full.relative_to(here)) if full.is_relative_to(here) else str(path)
