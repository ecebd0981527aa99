"""Commands that a container's first process runs, and their ends."""

import contextlib
import os
import select
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator, Sequence
from pathlib import Path

import psutil

LOOK_SECONDS = 0.05

READ_SIZE = 65536
REMEMBERED_BYTES = 65536
LEFT_OPEN_SECONDS = 1.0

# What the SDK sends to start a script is called by its path, which holds this.
DRIVERS = "/input/data/sm_drivers/"

# Of a process that has ended by SIGTERM, as a shell says it.
TERMINATED = 128 + signal.SIGTERM

# Set once the platform has asked the container to end.
_asked_to_end = False


def run(
    command: Sequence[str],
    folder: Path | None = None,
    stderr: int | None = None,
) -> int:
    """Run a command to its end; returns its exit code, of a signal as a shell says it.

    The platform's SIGTERM comes to this process alone. It is handed on to the script
    and what that has started, but not to the SDK's drivers, which carry the script's
    output: it may have something to say, and to save, before it ends. The platform
    doesn't wait for ever.
    """
    signal.signal(signal.SIGTERM, _hand_on)
    child = subprocess.Popen(command, cwd=folder, stderr=stderr)
    if _asked_to_end:  # before there was something to end
        _hand_on()
    code = child.wait()
    while _asked_to_end and any(_others()):
        time.sleep(LOOK_SECONDS)
    if _asked_to_end:
        return TERMINATED
    return 128 - code if code < 0 else code


def run_and_remember(command: Sequence[str], folder: Path) -> tuple[int, str]:
    """Run a command likewise; returns with its exit code how its standard error ends,
    which is printed as ever.
    """
    reader, writer = os.pipe()
    tail = bytearray()

    def pass_on() -> None:
        while chunk := os.read(reader, READ_SIZE):
            _write_all(sys.stderr.fileno(), chunk)
            tail.extend(chunk)
            del tail[:-REMEMBERED_BYTES]
        os.close(reader)

    thread = threading.Thread(target=pass_on, daemon=True)
    thread.start()
    try:
        code = run(command, folder, writer)
    finally:
        os.close(writer)
    # What the command has left running may hold it open.
    thread.join(LEFT_OPEN_SECONDS)
    return code, tail.decode("utf-8", errors="replace")


def _write_all(descriptor: int, data: bytes) -> None:
    """In pieces that a pipe takes whole, so that what the command prints to standard
    output at the same time is not in the middle of a line.
    """
    while data:
        end = data.rfind(b"\n", 0, select.PIPE_BUF) + 1 or select.PIPE_BUF
        data = data[os.write(descriptor, data[:end]) :]


def _hand_on(*_: object) -> None:
    global _asked_to_end
    _asked_to_end = True
    others = list(_others())
    scripts = [pid for pid, command in others if DRIVERS not in command]
    # Without a script there is nothing to save, and none is to be started.
    for pid in scripts or [pid for pid, _ in others]:
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, signal.SIGTERM)


def _others() -> Iterator[tuple[int, str]]:
    """(id, command) of the living processes of this process's group but for itself."""
    group = os.getpgrp()
    # macOS lists the kernel as 0, which getpgid takes for the caller.
    for pid in set(psutil.pids()) - {0, os.getpid()}:
        try:
            if os.getpgid(pid) != group:
                continue
            process = psutil.Process(pid)
            status, command = process.status(), " ".join(process.cmdline())
        except (OSError, psutil.Error):  # it has ended
            continue
        if status != psutil.STATUS_ZOMBIE:
            yield pid, command
