"""The old spellings as objects, and as tables in Markdown."""

from __future__ import annotations

import re
import tomllib
from dataclasses import dataclass, field
from fnmatch import fnmatchcase
from functools import cache
from pathlib import Path

from nbformat import NotebookNode

FILE = Path(__file__).with_name("spellings.toml")
# What is right under `sagemaker` in v3.
V3_PACKAGES = frozenset({"core", "train", "serve", "mlops", "lineage", "ai_registry"})
STEPS = ("session", "data", "train", "deploy", "use", "tune", "clean-up", "elsewhere")


@dataclass(frozen=True)
class Spelling:
    """A row of spellings.toml, which says what the fields are."""

    id: str
    step: str
    versions: tuple[str, ...]
    old: str
    v3: str
    boto3: str
    why: str
    imports: str = ""
    tried: str = ""
    today: str = ""
    names: tuple[str, ...] = ()
    objects: tuple[str, ...] = ()
    attributes: frozenset[str] = frozenset()
    arguments: frozenset[str] = frozenset()
    values: tuple[str, ...] = ()
    packages: tuple[str, ...] = ()
    anywhere: bool = False
    making: bool = False
    moved: bool = False


@dataclass(frozen=True)
class Table:
    """All rows, and how the things are told apart that they speak of.

    kinds: (pattern of a class's name, kind), the longest pattern first. returns: the
    kind of what a method gives back, by (kind, method). holds: of what an attribute is.
    """

    rows: tuple[Spelling, ...]
    kinds: tuple[tuple[str, str], ...]
    returns: dict[tuple[str, str], str] = field(default_factory=dict)
    holds: dict[tuple[str, str], str] = field(default_factory=dict)

    def by_name(self, name: str) -> Spelling | None:
        """Find what is old about a name such as sagemaker.estimator.Estimator."""
        matching = [
            (pattern == name, len(pattern.replace("*", "")), row)
            for row in self.rows
            for pattern in row.names
            if _fits(name, pattern)
        ]
        return max(matching, key=lambda item: item[:2])[2] if matching else None

    def by_attribute(self, kind: str | None, name: str) -> Spelling | None:
        """Find what is old about an attribute; kind is None where it isn't known."""
        rows = [row for row in self.rows if name in row.attributes]
        return _of_kind(rows, kind)

    def by_argument(
        self, kind: str | None, name: str, makes: bool = False
    ) -> Spelling | None:
        """Find what is old about a keyword argument of a call.

        makes: whether it is the call that makes an object of this kind.
        """
        rows = [row for row in self.rows if name in row.arguments]
        return _of_kind([row for row in rows if makes or not row.making], kind)

    def by_value(self, kind: str, argument: str, value: object) -> Spelling | None:
        """Find what is old about the value of an argument that is an instance type."""
        if not argument.endswith("instance_type"):
            return None
        rows = (row for row in self.rows if kind in row.objects)
        return next((row for row in rows if value in row.values), None)

    def by_package(self, major: str) -> Spelling | None:
        """Find what is old about a version of the package that pip is to install."""
        return next((row for row in self.rows if major in row.packages), None)

    def kind_of_class(self, name: str) -> str | None:
        """Say what a call of this class makes, if it is one of those in [kinds]."""
        return next((kind for p, kind in self.kinds if _fits(name, p)), None)


def _fits(name: str, pattern: str) -> bool:
    """Compare a name with a pattern; a name of v3 fits what speaks of its package."""
    package = ".".join(name.split(".")[:2])
    if package.removeprefix("sagemaker.") in V3_PACKAGES:
        return pattern.startswith(f"{package}.") and fnmatchcase(name, pattern)
    return fnmatchcase(name, pattern)


def _of_kind(rows: list[Spelling], kind: str | None) -> Spelling | None:
    if kind is None:
        return next((row for row in rows if row.anywhere), None)
    return next((row for row in rows if kind in row.objects), None)


@cache
def load(path: Path = FILE) -> Table:
    """Read the table. KeyError and TypeError for a row that lacks something."""
    data = tomllib.loads(path.read_text(encoding="utf-8"))
    sets = ("attributes", "arguments")
    rows = []
    for raw in data["spelling"]:
        row = {k: tuple(v) if isinstance(v, list) else v for k, v in raw.items()}
        row |= {key: frozenset(row[key]) for key in sets if key in row}
        rows.append(Spelling(**row))
    kinds = [(p, kind) for kind, patterns in data["kinds"].items() for p in patterns]
    kinds.sort(key=lambda pair: ("*" in pair[0], -len(pair[0])))
    returns, holds = (
        {tuple(key.split(".")): kind for key, kind in data.get(part, {}).items()}
        for part in ("returns", "holds")
    )
    return Table(tuple(rows), tuple(kinds), returns, holds)


SPELLINGS = load().rows


def table(step: str) -> str:
    """Return the rows of one step as a table in Markdown."""
    lines = [
        "| old, its error today, and why it has changed | today: SDK v3, then boto3 |",
        "|---|---|",
    ]
    for row in SPELLINGS:
        if row.step == step:
            old = [f"**{_code(row.old)}** ({', '.join(row.versions)})"]
            old += [f"*{_code(row.today)}*"] if row.today else []
            first, *more = [*row.imports.splitlines(), row.v3]
            new = [f"v3: {_code(first)}", *map(_code, more)]
            new += [f"boto3: {_code(row.boto3)}"]
            lines.append(f"| {'<br>'.join([*old, row.why])} | {'<br>'.join(new)} |")
    return "\n".join(lines)


def _code(text: str) -> str:
    """Set a text as code; one that begins with # is a remark."""
    if text.startswith("# "):
        code = r"\bpip install .*|(?<=the waiter )\w+"
        return re.sub(code, lambda match: f"`{match[0]}`", text[2:])
    return f"`{text}`"


def with_tables(notebook: NotebookNode) -> NotebookNode:
    """Write the tables into appendix A: the cells whose ids are "table-" and a step."""
    for cell in notebook.cells:
        name, _, step = cell.get("id", "").partition("-")
        if name == "table" and step in STEPS:
            cell.source = table(step)
    return notebook
