"""A traceback as a container shows it: with no folder of this machine and no name of
the project around it.

File names begin at one of three folders: container (the images' programs),
site-packages (libraries), python (what comes with it). Those of the user's, below the
folder that stands for /opt/ml, are left to the platform.
"""

import os
import re
import sysconfig
import traceback
from collections.abc import Callable
from pathlib import Path

_PACKAGE = __name__.rpartition(".")[0]
_FOLDERS = {
    # The more special first: site-packages lies in Python's own folder as a rule.
    "container": Path(__file__).parent,
    "site-packages": Path(sysconfig.get_path("purelib")),
    "python": Path(sysconfig.get_path("stdlib")),
}

# The file of a native stack's frame, which xgboost writes as
# `[bt] (0) file(function+offset) [address]`.
_NATIVE_FRAME = re.compile(r"(\[bt\] \(\d+\) )(/.*?\.(?:so|dylib)[.\d]*|/.*?)(?=\()")


def text(error: Exception, longest: int | None = None) -> str:
    """The traceback. longest: outer frames are left out until it has no more characters
    than that, or has no frame.
    """
    frames = _short_frames(traceback.extract_tb(error.__traceback__))
    last = "".join(traceback.format_exception_only(error))
    while True:
        head = "Traceback (most recent call last):\n"
        whole = head + "".join(traceback.format_list(frames)) + last
        whole = whole.replace(f"{_PACKAGE}.", "container.")
        if longest is None or len(whole) <= longest or not frames:
            return whole
        del frames[0]


def with_causes(
    error: BaseException, is_left_out: Callable[[str], bool] = lambda filename: False
) -> str:
    """The traceback, after those of the errors that led to it.

    is_left_out: whether the frames of a file are.
    """
    whole = part = traceback.TracebackException.from_exception(error)
    while part is not None:
        shown = [frame for frame in part.stack if not is_left_out(frame.filename)]
        part.stack = traceback.StackSummary.from_list(_short_frames(shown))
        part = part.__cause__ or part.__context__
    return "".join(whole.format()).replace(f"{_PACKAGE}.", "container.")


def native(text: str) -> str:
    """A message of a native library, with its stack's files by their short names."""
    return _NATIVE_FRAME.sub(lambda found: found[1] + _short_name(found[2]), text)


def _short_frames(stack: list[traceback.FrameSummary]) -> list[traceback.FrameSummary]:
    return [
        traceback.FrameSummary(
            _short_name(frame.filename), frame.lineno, frame.name, line=frame.line
        )
        for frame in stack
    ]


def _short_name(filename: str) -> str:
    path = Path(filename)
    for name, folder in _FOLDERS.items():
        if path.is_relative_to(folder):
            return f"{name}/{path.relative_to(folder).as_posix()}"
    _, found, below = path.as_posix().rpartition("site-packages/")
    if found:
        return found + below
    folder = os.environ.get("SAGEMAKER_BASE_DIR")
    return filename if folder and path.is_relative_to(folder) else path.name
