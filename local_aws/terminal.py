"""Text for a terminal: lines are broken between words and nowhere else."""

from __future__ import annotations

import os
import sys
import textwrap
from typing import TextIO


def say(
    text: str = "", indent: int = 0, file: TextIO | None = None, end: str = "\n"
) -> None:
    """Print text; on a terminal, lines that are too long for it go on below.

    What goes on is moved to the right by `indent`. A word that is longer than a line
    (an address, a path) stays whole, to be copied.
    """
    file = file or sys.stdout
    lines = text.splitlines() or [""]
    if width := columns(file):
        lines = [part for line in lines for part in broken(line, width, indent)]
    print("\n".join(lines), file=file, end=end, flush=True)


def columns(file: TextIO) -> int | None:
    """How wide the terminal is that this goes to; None where it is no terminal."""
    if not file.isatty():
        return None
    try:
        return os.get_terminal_size(file.fileno()).columns or 80
    except (OSError, ValueError):  # one without a size, or without a descriptor
        return 80


def broken(line: str, width: int, indent: int = 0) -> list[str]:
    """Break a line between words into lines of at most `width`."""
    return textwrap.wrap(
        line,
        width,
        subsequent_indent=" " * indent,
        break_long_words=False,
        break_on_hyphens=False,
    ) or [""]
