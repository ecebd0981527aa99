"""What the commands print: whole words in any window, colours only where wanted."""

from __future__ import annotations

import os
import textwrap
from collections.abc import Sequence
from dataclasses import dataclass

from rich.console import Console
from rich.table import Table
from rich.text import Text

from local_aws.terminal import broken

GAP = 2  # between two columns


def make_console(width: int = 120) -> Console:
    """Return a console: as wide as the terminal, or `width` where there is none."""
    console = Console(highlight=False)
    return console if console.is_terminal else Console(highlight=False, width=width)


def shows_live(console: Console) -> bool:
    """Say whether a table may be drawn over and over: on a terminal with colours."""
    plain = console.no_color or console.is_dumb_terminal or os.environ.get("CI")
    return console.is_terminal and not plain


def say(console: Console, text: str) -> None:
    """Print text as it is; on a terminal, long lines go on below, word by word.

    A word that is longer than a line (a path) stays whole, to be copied.
    """
    lines = text.splitlines()
    if console.is_terminal:
        lines = [part for line in lines for part in broken(line, console.width)]
    console.print(Text("\n".join(lines)), soft_wrap=True)


@dataclass(frozen=True)
class Column:
    """A column beside the names: its header and its cells."""

    header: str
    cells: Sequence[str]
    is_number: bool = False

    @property
    def width(self) -> int:
        """Return what it takes; the header may take two lines."""
        lines = [line for cell in self.cells for line in cell.splitlines()]
        return max(map(len, ["", *self.header.split(), *lines]))


def table_of(
    width: int,
    header: str,
    names: Sequence[str],
    columns: Sequence[Column],
    wrong: Sequence[int] = (),
) -> Table:
    """Return a table of notebooks, their names shortened to what `width` leaves.

    `wrong` are the rows, counted from 0, that are shown in red.
    """
    room = width - sum(column.width + GAP for column in columns)
    room = max(min(room, max(map(len, [header, *names]))), len(header))
    table = Table(box=None, padding=(0, GAP, 0, 0), pad_edge=False)
    table.add_column(header, width=room, no_wrap=True)
    for column in columns:
        justify = "right" if column.is_number else "left"
        table.add_column(column.header, justify=justify, width=column.width)
    for row, name in enumerate(names):
        cells = [column.cells[row] for column in columns]
        style = "bold red" if row in wrong else None
        table.add_row(*map(Text, [shortened(name, room), *cells]), style=style)
    return table


def shortened(name: str, width: int) -> str:
    """Shorten a notebook's name to `width`, word by word, from the middle.

    Its number tells lessons apart, and the last two words tell twins apart.
    """
    if len(name) <= width:
        return name
    words = name.split("_")
    found = [
        (
            last <= len(words) - 2,
            first > 1,
            "_".join([*words[:first], "…", *words[last:]]),
        )
        for first in range(1, len(words))
        for last in range(first + 1, len(words) + 1)
    ]
    fitting = [item for item in found if len(item[-1]) <= width]
    best = max(
        fitting, key=lambda item: (*item[:2], len(item[-1])), default=(words[0],)
    )
    return best[-1]


def first_words(text: str, width: int) -> str:
    """Return as much of a text as fits into one line."""
    return textwrap.shorten(text, max(width, 3), placeholder=" …")
