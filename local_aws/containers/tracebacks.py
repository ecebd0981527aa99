"""A traceback as a container shows it: with no folder of this machine and no name of
the project around it.

File names begin at one of three folders: container (the images' programs),
site-packages (libraries), python (what comes with it).
"""

import sysconfig
import traceback
from pathlib import Path

_PACKAGE = __name__.rpartition(".")[0]
_FOLDERS = {
    # The more special first: site-packages lies in Python's own folder as a rule.
    "container": Path(__file__).parent,
    "site-packages": Path(sysconfig.get_path("purelib")),
    "python": Path(sysconfig.get_path("stdlib")),
}


def text(error: Exception, longest: int | None = None) -> str:
    """The traceback. longest: outer frames are left out until it has no more characters
    than that, or has no frame.
    """
    frames = [
        traceback.FrameSummary(
            _short_name(frame.filename), frame.lineno, frame.name, line=frame.line
        )
        for frame in traceback.extract_tb(error.__traceback__)
    ]
    last = "".join(traceback.format_exception_only(error))
    while True:
        head = "Traceback (most recent call last):\n"
        whole = head + "".join(traceback.format_list(frames)) + last
        whole = whole.replace(f"{_PACKAGE}.", "container.")
        if longest is None or len(whole) <= longest or not frames:
            return whole
        del frames[0]


def _short_name(filename: str) -> str:
    path = Path(filename)
    for name, folder in _FOLDERS.items():
        if path.is_relative_to(folder):
            return f"{name}/{path.relative_to(folder).as_posix()}"
    _, found, below = path.as_posix().rpartition("site-packages/")
    return found + below if found else path.name
