"""What the benchmarks found, and how it is shown."""

import os
import platform
from collections.abc import Iterable
from dataclasses import dataclass
from importlib.metadata import version

from rich.table import Table
from rich.text import Text

from course.terminal import GAP, Column
from local_aws.terminal import broken

# Windows in which the table has all columns, or not even the floors.
WIDE, NARROW = 110, 80
PACKAGES = ("xgboost-cpu", "xgboost", "numpy", "boto3", "moto", "uvicorn", "starlette")


@dataclass(frozen=True)
class Figure:
    """Ours next to a floor or a peer, both in `unit`.

    `target` bounds ours / floor: from above for what should be small (times, memory),
    from below for rates (`more_is_better`). None: there is no target, it is only shown.
    """

    line: int
    what: str
    ours: float
    floor: float
    floor_is: str
    unit: str
    target: float | None = None
    more_is_better: bool = False

    @property
    def ratio(self) -> float:
        return self.ours / self.floor

    @property
    def met(self) -> bool | None:
        """Whether the target is met; None without a target."""
        if self.target is None:
            return None
        if self.more_is_better:
            return self.ratio >= self.target
        return self.ratio <= self.target

    @property
    def target_text(self) -> str:
        if self.target is None:
            return "-"
        return f"{'>=' if self.more_is_better else '<='} {self.target:g}"

    @property
    def verdict(self) -> str:
        return {None: "-", True: "met", False: "MISSED"}[self.met]

    def plain(self) -> str:
        """One line of text."""
        target = "" if self.target is None else f" (target {self.target_text})"
        verdict = "" if self.met is None else f": {self.verdict}"
        return (
            f"({self.line}) {self.what}: {number(self.ours)} {self.unit}; "
            f"{self.floor_is}: {number(self.floor)} {self.unit}; "
            f"ratio {self.ratio:.2f}{target}{verdict}"
        )


def number(value: float) -> str:
    """Three digits that count, or all before the point."""
    return f"{value:,.0f}" if abs(value) >= 100 else f"{value:.3g}"


def table(figures: Iterable[Figure], width: int) -> Table:
    """All figures, those that miss their target in red.

    In a narrow window, without what they were measured against: each has been printed
    as a line of text before.
    """
    figures = list(figures)
    gap = " " if width >= WIDE else "\n"
    columns = [
        Column("ours", [f"{number(f.ours)}{gap}{f.unit}" for f in figures]),
        Column("floor or peer", [f"{number(f.floor)}{gap}{f.unit}" for f in figures]),
        Column("ratio", [f"{f.ratio:.2f}" for f in figures]),
        Column("target", [f.target_text for f in figures]),
        Column("", [f.verdict for f in figures]),
    ]
    if width < NARROW:
        del columns[1]
    room = width - sum(column.width + GAP for column in columns)
    rooms = [room * 3 // 5, room * 2 // 5 - GAP] if width >= WIDE else [room]
    made = Table(box=None, padding=(0, GAP, 0, 0), pad_edge=False)
    for name, wide in zip(("what", "against"), rooms, strict=False):
        made.add_column(name, width=wide)
    for column in columns:
        made.add_column(column.header, justify="right", width=column.width)
    for row, figure in enumerate(figures):
        texts = (f"({figure.line}) {figure.what}", figure.floor_is)
        cells = [
            "\n".join(broken(text, wide))
            for text, wide in zip(texts, rooms, strict=False)
        ]
        cells += [column.cells[row] for column in columns]
        style = "bold red" if figure.met is False else None
        made.add_row(*map(Text, cells), style=style)
    return made


def machine() -> str:
    """The machine and the versions that the figures belong to."""
    found = []
    for package in PACKAGES:
        try:
            found.append(f"{package} {version(package)}")
        except ModuleNotFoundError:
            continue
    load = os.getloadavg()[0]
    return (
        f"{platform.system()} {platform.machine()}, {os.cpu_count()} cores, load "
        f"{load:.1f} at the start, Python {platform.python_version()}, "
        + ", ".join(found)
    )
