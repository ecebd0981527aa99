"""Processes that somebody's program has started and that have left its process group.

On AWS nothing outlives the container that it was started in. Here a program may become
a session of its own; it is known by a variable that it has inherited, which names the
folder of its container, where the system tells.
"""

import contextlib
import os
from pathlib import Path

import psutil

BASE_FOLDER = "SAGEMAKER_BASE_DIR"

# What is killed may start another process meanwhile.
PASSES = 10


def end(variable: str, folder: str | Path) -> None:
    """Kill all processes in which the variable names the folder, or one in it, but for
    those of this process's own group.
    """
    for _ in range(PASSES):
        if not _end_once(variable, folder):
            return


def _end_once(variable: str, folder: str | Path) -> bool:
    """Whether there was any."""
    found = False
    for pid in psutil.pids():
        # It has ended, or is somebody else's.
        with contextlib.suppress(OSError, psutil.Error):
            process = psutil.Process(pid)
            named = Path(process.environ().get(variable, ""))
            if os.getpgid(pid) != os.getpgrp() and named.is_relative_to(folder):
                process.kill()
                found = True
    return found
