"""Processes that somebody's program has started and that have left its process group.

On AWS nothing outlives the container that it was started in. Here a program may become
a session of its own; it is known by a variable that it has inherited, which names the
folder of its container, where the system tells.
"""

import contextlib
import os
import time
from pathlib import Path

import psutil

BASE_FOLDER = "SAGEMAKER_BASE_DIR"

# What is killed may start another process meanwhile.
PASSES = 10

# While a process becomes another program (exec), it shows no variables for a moment: of
# one that is as young as this, it may be the moment.
YOUNG_S = 2.0
LOOK_AGAIN_S = 0.01


def end(variable: str, folder: str | Path) -> None:
    """Kill all processes in which the variable names the folder, or one in it, but for
    those of this process's own group.
    """
    passes, last_look = 0, time.monotonic() + YOUNG_S
    while passes < PASSES:
        found, is_unclear = _end_once(variable, folder)
        if found:
            passes += 1
        elif is_unclear and time.monotonic() < last_look:
            time.sleep(LOOK_AGAIN_S)
        else:
            return


def _end_once(variable: str, folder: str | Path) -> tuple[bool, bool]:
    """Whether there was any, and whether another one may be."""
    found = is_unclear = False
    for pid in psutil.pids():
        # It has ended, or is somebody else's.
        with contextlib.suppress(OSError, psutil.Error):
            process = psutil.Process(pid)
            variables = process.environ()
            if os.getpgid(pid) == os.getpgrp():
                continue
            if Path(variables.get(variable, "")).is_relative_to(folder):
                process.kill()
                found = True
            elif not variables:
                is_unclear |= _may_be_about_to_show_some(process)
    return found, is_unclear


def _may_be_about_to_show_some(process: psutil.Process) -> bool:
    """Whether it is young, and neither over nor a part of the system."""
    is_young = time.time() - process.create_time() < YOUNG_S
    return is_young and bool(process.exe())
