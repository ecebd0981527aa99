"""A traceback that is the same on every machine and holds nobody's home folder."""

import os
import traceback
from pathlib import Path

_PROJECT = str(Path(__file__).parents[2]) + os.sep


def text(error: Exception) -> str:
    """The traceback with file names from the project's or a library's own folder."""
    frames = [
        traceback.FrameSummary(
            _short_name(frame.filename), frame.lineno, frame.name, line=frame.line
        )
        for frame in traceback.extract_tb(error.__traceback__)
    ]
    return "".join(
        ["Traceback (most recent call last):\n"]
        + traceback.format_list(frames)
        + traceback.format_exception_only(error)
    )


def _short_name(filename: str) -> str:
    _, found, below = filename.rpartition(f"site-packages{os.sep}")
    return below if found else filename.removeprefix(_PROJECT)
