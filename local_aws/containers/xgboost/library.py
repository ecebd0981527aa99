"""The xgboost library, imported without scikit-learn, and its errors in plain words."""

import re
import sys
from types import ModuleType

_PREFIX = re.compile(r"^\[\d\d:\d\d:\d\d\] (?:(?:WARNING|ERROR|INFO): )?\S+:\d+: ")


def load() -> ModuleType:
    """Import xgboost and return it.

    xgboost imports scikit-learn whenever that is installed, which multiplies the
    start-up time of a job by four and its memory by three. A name that is None in
    sys.modules can't be imported; xgboost then goes on without its scikit-learn
    wrappers. The block lasts for this one import only. In a process that has
    xgboost or scikit-learn already nothing is blocked.
    """
    if "xgboost" not in sys.modules and "sklearn" not in sys.modules:
        sys.modules["sklearn"] = None  # type: ignore[assignment]
        try:
            import xgboost
        finally:
            del sys.modules["sklearn"]
    else:
        import xgboost
    return xgboost


def plain_message(error: Exception | str) -> str:
    """What a message of xgboost's native part says.

    Without the time and source line in front of it and the native stack after it:
    a reader can use neither, and both differ from run to run.
    """
    return _PREFIX.sub("", str(error).split("\nStack trace:")[0]).strip()
