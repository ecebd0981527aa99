"""The xgboost library, imported without scikit-learn, and its errors in plain words."""

import re
import sys
from types import ModuleType

_PREFIX = re.compile(r"^\[\d\d:\d\d:\d\d\] (?:(?:WARNING|ERROR|INFO): )?\S+:\d+: ")


# xgboost.plotting brings xgboost's scikit-learn wrappers and with them scipy.special.
_BLOCKED = ("sklearn", "xgboost.plotting")


def load() -> ModuleType:
    """Import xgboost and return it.

    xgboost imports scikit-learn whenever that is installed, which multiplies the
    start-up time of a job by four and its memory by three. A name that is None in
    sys.modules can't be imported; xgboost then goes on without what needs it. The
    block lasts for this one import only. In a process that has xgboost or
    scikit-learn already nothing is blocked.
    """
    if "xgboost" in sys.modules or "sklearn" in sys.modules:
        import xgboost

        return xgboost
    for name in _BLOCKED:
        sys.modules[name] = None  # type: ignore[assignment]
    try:
        import xgboost
    finally:
        for name in _BLOCKED:
            del sys.modules[name]
    return xgboost


def plain_message(error: Exception | str) -> str:
    """What a message of xgboost's native part says.

    Without the time and source line in front of it and the native stack after it:
    a reader can use neither, and both differ from run to run.
    """
    return _PREFIX.sub("", str(error).split("\nStack trace:")[0]).strip()
