"""Processes that a container has started and that have left its process group.

In a container of AWS nothing outlives the first process. Here a program may become a
session of its own; it is found by the variable of its environment that names the
container's folder, where the system tells (Linux).
"""

import contextlib
import os
import signal
from pathlib import Path

BASE_FOLDER = "SAGEMAKER_BASE_DIR"

# What is killed may start another process meanwhile.
PASSES = 10


def end(root: str) -> None:
    """Kill all processes of the container whose folder this is, but for those of this
    process's own group.
    """
    wanted = os.fsencode(f"{BASE_FOLDER}={root}")
    for _ in range(PASSES):
        if not _end_once(wanted):
            return


def _end_once(wanted: bytes) -> bool:
    """Whether there was any."""
    found = False
    for path in Path("/proc").glob("[0-9]*/environ"):
        pid = int(path.parts[2])
        # It has ended, or is somebody else's.
        with contextlib.suppress(OSError):
            outside = os.getpgid(pid) != os.getpgrp()
            if outside and wanted in path.read_bytes().split(b"\0"):
                os.kill(pid, signal.SIGKILL)
                found = True
    return found
