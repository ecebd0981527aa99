"""A stand-in whose new servers wait for as long as a gate is closed.

They have loaded their models and said so by then, and do not listen yet.
"""

import contextlib
import os
import sys
import time
import uuid
from collections.abc import Iterator
from pathlib import Path

from local_aws.__main__ import main
from local_aws.containers import asgi

VARIABLE = "TEST_GATE"
REACHED = "At the gate."


class Gate:
    """A folder, which is there while the gate is closed.

    In it is a file for each process that waits.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    @contextlib.contextmanager
    def closed(self) -> Iterator[None]:
        """From now on new servers wait, until the end or until `open`."""
        self._folder.mkdir()
        try:
            yield
        finally:
            self.open()

    def open(self) -> None:
        """Let go on all that wait."""
        with contextlib.suppress(FileNotFoundError):
            self._folder.rename(self._folder.with_name(f"gate-{uuid.uuid4().hex}"))

    def wait_for(self, count: int) -> None:
        """Return when so many wait, or have waited since the gate was closed."""
        deadline = time.monotonic() + 180
        while len(list(self._folder.iterdir())) < count:
            assert time.monotonic() < deadline
            time.sleep(0.01)

    def pass_through(self) -> None:
        """Return when the gate is open."""
        print(REACHED, flush=True)
        mark = self._folder / str(os.getpid())
        with contextlib.suppress(FileNotFoundError):
            mark.touch()
            while mark.exists():
                time.sleep(0.01)


if __name__ == "__main__":
    sys.exit(main([]))
if __name__ == "__mp_main__":
    # multiprocessing runs the main module in a new process before anything else.
    gate, serve = Gate(Path(os.environ[VARIABLE])), asgi.serve

    def serve_later(*arguments: object) -> None:
        gate.pass_through()
        serve(*arguments)

    asgi.serve = serve_later
