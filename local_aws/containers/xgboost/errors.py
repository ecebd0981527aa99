"""The errors of the algorithm, and the text that a failed job leaves behind."""

import os
import traceback
from pathlib import Path

_PROJECT = str(Path(__file__).parents[3]) + os.sep


class ToolkitError(Exception):
    """Base of the three kinds of failure that the image tells apart.

    The message ends with "(caused by <class>)" when another error led to it.
    """

    # The traceback in a failure file names the class with its module. Readers look
    # for the name that the official image prints.
    __module__ = "sagemaker_algorithm_toolkit.exceptions"

    def __init__(self, message: str, caused_by: Exception | None = None) -> None:
        if caused_by is not None:
            message += f" (caused by {type(caused_by).__name__})"
        super().__init__(message)


class UserError(ToolkitError):
    """The request or the data is wrong; its author can put it right."""

    __module__ = ToolkitError.__module__


class AlgorithmError(ToolkitError):
    """The algorithm failed for a reason that it did not foresee."""

    __module__ = ToolkitError.__module__


class PlatformError(ToolkitError):
    """Something that the platform promises is missing."""

    __module__ = ToolkitError.__module__


def failure_text(error: Exception) -> str:
    """The text of output/failure: the toolkit's form, a traceback and the message.

    File names are given from the project's (or the library's) own folder, so that
    the text is the same on every machine and holds nobody's home folder. The platform
    shows the first 1024 characters.
    """
    frames = [
        traceback.FrameSummary(
            _short_name(frame.filename), frame.lineno, frame.name, line=frame.line
        )
        for frame in traceback.extract_tb(error.__traceback__)
    ]
    report = "".join(
        ["Traceback (most recent call last):\n"]
        + traceback.format_list(frames)
        + traceback.format_exception_only(error)
    )
    return f"framework error: \n{report}\n{error}"


def _short_name(filename: str) -> str:
    _, found, below = filename.rpartition(f"site-packages{os.sep}")
    return below if found else filename.removeprefix(_PROJECT)
