"""A container's output on its way to CloudWatch Logs."""

import contextlib
import time
from collections.abc import Callable
from pathlib import Path

# PutLogEvents: at most 10,000 events and 1 MiB in a request, each event counted with 26
# bytes more. An event may have 1 MB by today's botocore logs service model, 256 KB by
# earlier ones; what AWS's log agent makes of longer lines is not documented.
MAX_EVENTS = 10_000
MAX_BATCH_BYTES = 1_048_576
MAX_EVENT_BYTES = 256 * 1024
EVENT_OVERHEAD_BYTES = 26

# A longer line comes in pieces: a TAB becomes four bytes, any other byte three at most.
PIECE_BYTES = MAX_EVENT_BYTES // 4 - EVENT_OVERHEAD_BYTES


class LogStream:
    """Bytes in, log events out: a line is sent as soon as it is whole.

    A TAB becomes `#011` as AWS's log agent writes it, and the job's folder becomes
    /opt/ml, which is what it stands for.
    """

    def __init__(
        self,
        logs: object,
        group: str,
        stream: str,
        root: Path | None = None,
        on_line: Callable[[str], None] = lambda line: None,
        outside: Callable[[str], str] = lambda line: line,
    ) -> None:
        """Create the stream, and the group if need be; `on_line` sees each line as it
        is sent, and `outside` says how a line is to be sent.
        """
        self._logs = logs
        self._group = group
        self._stream = stream
        self._root = str(root) if root else None
        self._on_line = on_line
        self._outside = outside
        self._rest = b""
        names = {"logGroupName": group, "logStreamName": stream}
        try:
            logs.create_log_stream(**names)
        except logs.exceptions.ResourceNotFoundException:
            with contextlib.suppress(logs.exceptions.ResourceAlreadyExistsException):
                logs.create_log_group(logGroupName=group)
            logs.create_log_stream(**names)

    def write(self, chunk: bytes) -> None:
        """Take output as it was read; an unfinished line waits for its end."""
        *whole, self._rest = (self._rest + chunk).split(b"\n")
        pieces = [piece for line in whole for piece in _pieces(line)]
        *begun, self._rest = _pieces(self._rest)
        self._send([self._text(piece) for piece in pieces + begun])

    def close(self) -> None:
        """Send what is left of a last line without an end."""
        rest, self._rest = self._rest, b""
        if rest:
            self._send([self._text(rest)])

    def write_line(self, line: str) -> None:
        """Send one line of the platform's own."""
        self._send([line])

    def _text(self, line: bytes) -> str:
        text = line.decode("utf-8", errors="replace").rstrip("\r").replace("\t", "#011")
        text = self._outside(text)
        return text.replace(self._root, "/opt/ml") if self._root else text

    def _send(self, lines: list[str]) -> None:
        batch, size = [], 0
        # One time for all: within a request none may be earlier than the one before.
        now = int(time.time() * 1000)
        for line in lines:
            self._on_line(line)
            if not line:
                continue  # CloudWatch Logs takes no empty event
            cost = len(line.encode()) + EVENT_OVERHEAD_BYTES
            if len(batch) == MAX_EVENTS or size + cost > MAX_BATCH_BYTES:
                self._put(batch)
                batch, size = [], 0
            batch.append({"timestamp": now, "message": line})
            size += cost
        if batch:
            self._put(batch)

    def _put(self, events: list[dict]) -> None:
        self._logs.put_log_events(
            logGroupName=self._group, logStreamName=self._stream, logEvents=events
        )


def _pieces(line: bytes) -> list[bytes]:
    """The line, or what it is cut into, never inside of a character."""
    pieces, start = [], 0
    while len(line) - start > PIECE_BYTES:
        end = _start_of_character(line, start + PIECE_BYTES)
        pieces.append(line[start:end])
        start = end
    return [*pieces, line[start:]]


def _start_of_character(text: bytes, place: int) -> int:
    """Where the character begins that has a byte at `place`, if it is UTF-8."""
    for start in range(place, place - 4, -1):
        if text[start] & 0b1100_0000 != 0b1000_0000:  # a byte that continues none
            return start
    return place


def epoch_seconds() -> int:
    """The number at the end of a stream's name."""
    return int(time.time())
