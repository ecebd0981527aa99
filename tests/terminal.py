"""A program on a terminal of a given width: what is typed, what is printed."""

import fcntl
import os
import pty
import re
import select
import struct
import subprocess
import termios
import time
from collections.abc import Mapping, Sequence
from pathlib import Path

CHECKOUT = Path(__file__).resolve().parent.parent
PATIENCE_S = 120
# Colours, cursor movements, and a link's address.
ESCAPES = re.compile(r"\x1b\[[0-9;?]*[A-Za-z]|\x1b\][^\x1b\x07]*(\x07|\x1b\\\\)")


class Terminal:
    """Runs a command on a pseudo terminal, as its controlling one."""

    def __init__(
        self, command: Sequence[str], environment: Mapping[str, str], columns: int = 80
    ) -> None:
        self._ours, theirs = pty.openpty()
        size = struct.pack("HHHH", 50, columns, 0, 0)
        fcntl.ioctl(theirs, termios.TIOCSWINSZ, size)
        hidden = {"COLUMNS", "LINES", "CI", "NO_COLOR", "FORCE_COLOR"}
        seen = {k: v for k, v in environment.items() if k not in hidden}
        self._process = subprocess.Popen(
            ["/bin/sh", "-c", 'exec "$0" "$@" < "$(tty)"', *command],
            cwd=CHECKOUT,
            env={"TERM": "xterm-256color"} | seen,
            stdin=theirs,
            stdout=theirs,
            stderr=theirs,
            start_new_session=True,
        )
        os.close(theirs)
        self._text = ""
        self.code: int | None = None

    def __enter__(self) -> "Terminal":
        return self

    def __exit__(self, *_: object) -> None:
        self._process.kill()
        self._process.wait()
        os.close(self._ours)

    def write(self, text: str) -> None:
        """Type text; "\\x03" is Ctrl-C."""
        os.write(self._ours, text.encode())

    def repeat(self, text: str) -> None:
        """Type it again each second until the program has ended."""
        deadline = time.monotonic() + PATIENCE_S
        while self._process.poll() is None and time.monotonic() < deadline:
            time.sleep(1)
            self.write(text)

    def read_until(self, text: str) -> None:
        """Wait until this has been printed."""
        deadline = time.monotonic() + PATIENCE_S
        while text not in self._plain():
            assert time.monotonic() < deadline, self._text
            assert self._more(), self._text

    def read(self) -> str:
        """Wait for the end; return all that was printed, without colours."""
        while self._more():
            pass
        self.code = self._process.wait(PATIENCE_S)
        return self._plain()

    def _more(self) -> bool:
        ready, _, _ = select.select([self._ours], [], [], PATIENCE_S)
        assert ready, self._text
        try:
            read = os.read(self._ours, 65536)
        except OSError:  # Linux's way of saying that nobody is there any more
            return False
        self._text += read.decode(errors="replace")
        return bool(read)

    def _plain(self) -> str:
        return ESCAPES.sub("", self._text).replace("\r\n", "\n")


def too_long(text: str, columns: int) -> list[str]:
    """The lines that the terminal has to break, but for single words."""
    lines = [part for line in text.split("\n") for part in line.split("\r")]
    return [line for line in lines if len(line) > columns and " " in line.strip()]
