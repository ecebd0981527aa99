"""The first code of a container's process: `MODULE COMMAND` are its arguments.

Standard input is a pipe whose other end only the stand-in holds. When the stand-in
dies, however it dies, the pipe closes and this process ends itself together with
all that it has started; that is why each container leads a process group.
"""

import os
import runpy
import signal
import sys
import threading


def _end_with_the_stand_in(pipe: int) -> None:
    os.read(pipe, 1)  # nothing is ever written: this returns when the pipe closes
    os.killpg(os.getpgrp(), signal.SIGKILL)


def main() -> None:
    """Watch the pipe, then become the container's program."""
    module, command = sys.argv[1:3]
    pipe = os.dup(0)
    with open(os.devnull, "rb") as nothing:
        os.dup2(nothing.fileno(), 0)
    threading.Thread(target=_end_with_the_stand_in, args=(pipe,), daemon=True).start()
    sys.argv = [module, command]
    runpy.run_module(module, run_name="__main__", alter_sys=True)


if __name__ == "__main__":
    main()
