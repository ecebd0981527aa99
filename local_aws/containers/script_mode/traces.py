"""What a script's error looks like in the log: its own frames, and its libraries'."""

import importlib
from pathlib import Path

from local_aws.containers import contract, tracebacks

_OURS = Path(contract.__file__).parent
_IMPORTS = Path(importlib.__file__).parent


def trace(error: BaseException) -> str:
    """The traceback, with the errors that led to it."""
    return tracebacks.with_causes(error, _is_left_out).rstrip()


def _is_left_out(filename: str) -> bool:
    """Whether it is the machinery that has called the script."""
    path = Path(filename)
    return (
        filename.startswith("<frozen importlib")
        or path.name == "_opt_ml_notice.py"
        or path.is_relative_to(_OURS)
        or path.is_relative_to(_IMPORTS)
    )
