"""What the benchmarks found, and how it is shown."""

import os
import platform
from collections.abc import Iterable
from dataclasses import dataclass
from importlib.metadata import version

from rich.box import SIMPLE
from rich.console import Console
from rich.table import Table

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


def table(figures: Iterable[Figure]) -> Table:
    """All figures, those that miss their target in red."""
    made = Table("", "what", "against", box=SIMPLE)
    for name in ("ours", "floor or peer", "", "ratio", "target", ""):
        made.add_column(name, justify="right")
    for figure in figures:
        made.add_row(
            str(figure.line),
            figure.what,
            figure.floor_is,
            number(figure.ours),
            number(figure.floor),
            figure.unit,
            f"{figure.ratio:.2f}",
            figure.target_text,
            figure.verdict,
            style="bold red" if figure.met is False else None,
        )
    return made


def make_console() -> Console:
    """A console: colours on a terminal, plain lines of full length elsewhere."""
    console = Console(highlight=False)
    return console if console.is_terminal else Console(highlight=False, width=180)


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
