"""The first code of a container's process: it becomes the container's program."""

import importlib
import os
import resource
import signal
import sys
import threading
from collections.abc import Mapping, Sequence
from multiprocessing.connection import Connection

from local_aws.runtime import left_behind


def run_container(
    module: str,
    arguments: Sequence[str],
    root: str,
    environment: Mapping[str, str],
    output: Connection,
    life: Connection,
) -> None:
    """Become `python -m MODULE ARGUMENTS` in the folder `root`; ends with SystemExit.

    Standard output and error go to `output`. The other end of `life` is held by the
    stand-in alone: when the stand-in dies, however it dies, the pipe closes and this
    process ends itself with all that it has started; for that it leads a process
    group.
    """
    os.setsid()
    # A container that crashes leaves no core file in the learner's folders.
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    with open(os.devnull, "rb") as nothing:
        os.dup2(nothing.fileno(), 0)
    for descriptor in (1, 2):
        os.dup2(output.fileno(), descriptor)
    output.close()
    os.environ.clear()
    os.environ.update(environment)
    os.chdir(root)
    signal.signal(signal.SIGINT, signal.SIG_DFL)  # the fork server ignores it
    threading.Thread(
        target=_end_with_the_stand_in, args=(life, root), daemon=True
    ).start()
    program = importlib.import_module(f"{module}.__main__")
    sys.argv = [module, *arguments]
    sys.exit(program.main([*arguments]))


def _end_with_the_stand_in(life: Connection, root: str) -> None:
    os.read(life.fileno(), 1)  # nothing is ever written: it returns at the end
    left_behind.end(left_behind.BASE_FOLDER, root)
    os.killpg(os.getpgrp(), signal.SIGKILL)
