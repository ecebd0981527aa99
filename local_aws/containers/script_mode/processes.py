"""Commands that a container's first process runs, and their ends."""

import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator, Sequence
from pathlib import Path

LOOK_SECONDS = 0.05

READ_SIZE = 65536
REMEMBERED_BYTES = 65536
LEFT_OPEN_SECONDS = 1.0

# Set once the platform has asked the container to end.
_asked_to_end = False


def run(
    command: Sequence[str],
    folder: Path | None = None,
    stderr: int | None = None,
) -> int:
    """Run a command to its end; returns its exit code, of a signal as a shell says it.

    The platform's SIGTERM goes to the whole process group. A shell, or a Python that
    waits for a script, ends of it at once, and the script may want to save its work: so
    this waits for all that the command has started. The platform doesn't wait for ever.
    """
    signal.signal(signal.SIGTERM, _note_end)
    child = subprocess.Popen(command, cwd=folder, stderr=stderr)
    return _wait(child)


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
    while data:
        data = data[os.write(descriptor, data) :]


def _note_end(*_: object) -> None:
    global _asked_to_end
    _asked_to_end = True


def _wait(child: subprocess.Popen) -> int:
    code = child.wait()
    while _asked_to_end and any(_others()):
        time.sleep(LOOK_SECONDS)
    return 128 - code if code < 0 else code


def _others() -> Iterator[int]:
    """The living processes of this process's group but for itself."""
    own, group = os.getpid(), os.getpgrp()
    for pid, its_group, status in _processes():
        if its_group == group and pid != own and not status.startswith("Z"):
            yield pid


def _processes() -> Iterator[tuple[int, int, str]]:
    """(id, group, status) of each process on this machine."""
    if sys.platform != "linux":
        command = ["/bin/ps", "-ax", "-o", "pid=,pgid=,stat="]
        with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as listing:
            for line in listing.stdout:
                pid, group, status = line.split(maxsplit=2)
                if int(pid) != listing.pid:
                    yield int(pid), int(group), status
        return
    for entry in os.listdir("/proc"):
        if entry.isdigit():
            try:
                status = Path("/proc", entry, "stat").read_bytes()
            except OSError:  # it has ended
                continue
            # The name, in brackets, may hold anything.
            state, _, group = status.rpartition(b")")[2].split()[:3]
            yield int(entry), int(group), state.decode()
