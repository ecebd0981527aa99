"""What functions print on its way to CloudWatch Logs.

One thread writes for all functions, a little after the fact, so that nobody waits for
it: as on AWS, lines arrive a moment after the response.

A function's lines are written by right of its role, and only if that may: without
logs:CreateLogGroup, CreateLogStream and PutLogEvents there is no log.
"""

import logging
import re
import threading
import time
from collections import defaultdict
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from local_aws.clients import Clients
from local_aws.functions.bootstrap import INNER_BREAK
from local_aws.installation import ACCOUNT_ID
from local_aws.runtime.log_stream import (
    EVENT_OVERHEAD_BYTES,
    MAX_BATCH_BYTES,
    MAX_EVENT_BYTES,
    MAX_EVENTS,
)

log = logging.getLogger(__name__)

# Lines that come close to one another travel together.
GATHER_SECONDS = 0.05
PATIENCE_SECONDS = 10.0
# So much may wait to be written; a function that prints more is held up.
MOST_WAITING_BYTES = 4 * 2**20
# What LogType=Tail shows ("Invoke", Lambda API Reference).
TAIL_BYTES = 4096
_LINE_END = re.compile(rb"(?<!\0)\n")


@dataclass(frozen=True)
class Destination:
    """Where a function's lines go, and by right of which role."""

    region: str
    group: str
    stream: str
    role_arn: str

    def arn(self, stream: str) -> str:
        where = f"arn:aws:logs:{self.region}:{ACCOUNT_ID}"
        return f"{where}:log-group:{self.group}:log-stream:{stream}"


@dataclass(frozen=True)
class Line:
    """One event."""

    millis: int
    text: str


class LogWriter:
    """The thread that writes; started with the first line."""

    def __init__(self, clients: Clients) -> None:
        self._clients = clients
        self._waiting: dict[Destination, list[Line]] = defaultdict(list)
        self._waiting_bytes = 0
        self._has_work = threading.Condition()
        self._forgotten: set[str] = set()
        self._is_busy = False
        self._thread: threading.Thread | None = None

    def write(self, destination: Destination, lines: list[Line]) -> None:
        """Take lines; returns at once, unless very many wait already."""
        with self._has_work:
            self._has_work.wait_for(
                lambda: self._waiting_bytes < MOST_WAITING_BYTES, PATIENCE_SECONDS
            )
            if destination.stream in self._forgotten:
                return
            self._waiting[destination] += lines
            self._waiting_bytes += sum(len(line.text) for line in lines)
            if self._thread is None:
                self._thread = threading.Thread(
                    target=self._run, daemon=True, name="function logs"
                )
                self._thread.start()
            self._has_work.notify_all()

    def forget(self, streams: list[str]) -> None:
        """Take no more lines for these."""
        with self._has_work:
            self._forgotten.update(streams)

    def flush(self) -> None:
        """Return once all lines have been written, or after some seconds."""
        with self._has_work:
            self._has_work.wait_for(
                lambda: not self._waiting and not self._is_busy, PATIENCE_SECONDS
            )

    def _run(self) -> None:
        while True:
            with self._has_work:
                self._has_work.wait_for(lambda: self._waiting)
            time.sleep(GATHER_SECONDS)
            with self._has_work:
                taken, self._waiting = self._waiting, defaultdict(list)
                self._waiting_bytes = 0
                self._is_busy = True
                self._has_work.notify_all()
            for destination, lines in taken.items():
                try:
                    self._put(destination, lines)
                except Exception:  # the other functions' lines are written all the same
                    log.exception("can't write to %s", destination.group)
            with self._has_work:
                self._is_busy = False
                self._has_work.notify_all()

    def _put(self, destination: Destination, lines: list[Line]) -> None:
        role = self._clients.find_role(destination.role_arn)
        if not role.may("logs:PutLogEvents", destination.arn(destination.stream)):
            return
        logs = self._clients.logs(destination.region)
        for batch in _batches(lines):
            names = {
                "logGroupName": destination.group,
                "logStreamName": destination.stream,
            }
            try:
                logs.put_log_events(**names, logEvents=batch)
            except logs.exceptions.ResourceNotFoundException:
                if not self._create(logs, destination, names, role.may):
                    return
                logs.put_log_events(**names, logEvents=batch)

    def _create(
        self,
        logs: Any,
        destination: Destination,
        names: dict[str, str],
        may: Callable[[str, str], bool],
    ) -> bool:
        """Make the stream, and the group if need be; whether the role may."""
        if not may("logs:CreateLogStream", destination.arn(destination.stream)):
            return False
        try:
            logs.create_log_stream(**names)
        except logs.exceptions.ResourceNotFoundException:
            if not may("logs:CreateLogGroup", destination.arn("")):
                return False
            # Another process of the function may be quicker.
            with suppress(logs.exceptions.ResourceAlreadyExistsException):
                logs.create_log_group(logGroupName=destination.group)
            logs.create_log_stream(**names)
        return True


def _batches(lines: list[Line]) -> list[list[dict[str, Any]]]:
    """Events for PutLogEvents, each batch within its limits and in order of time."""
    batches: list[list[dict[str, Any]]] = []
    size = MAX_BATCH_BYTES
    for line in sorted(lines, key=lambda line: line.millis):
        cost = len(line.text.encode()) + EVENT_OVERHEAD_BYTES
        if size + cost > MAX_BATCH_BYTES or len(batches[-1]) == MAX_EVENTS:
            batches.append([])
            size = 0
        batches[-1].append({"timestamp": line.millis, "message": line.text})
        size += cost
    return batches


class InvocationLog:
    """What is printed in one invocation: its lines, and their last 4 KB."""

    def __init__(
        self, writer: LogWriter, destination: Destination, folders: Mapping[Path, str]
    ) -> None:
        """`folders` are ours, which are called otherwise on AWS."""
        self._writer = writer
        self._destination = destination
        self._folders = folders
        self._rest = b""
        self.tail = b""

    def say(self, text: str) -> None:
        """A line of the platform's own."""
        self._send([text])

    def say_of_start(self, text: str) -> None:
        """One that is no part of the invocation."""
        self._send([text])
        self.tail = b""

    def output(self, data: bytes) -> None:
        """What the function prints, as it was read."""
        *whole, self._rest = _LINE_END.split(self._rest + data)
        if len(self._rest) > MAX_EVENT_BYTES:
            whole.append(self._rest)
            self._rest = b""
        self._send([self._text(line) for line in whole])

    def end_output(self) -> None:
        """What was printed last had no end."""
        rest, self._rest = self._rest, b""
        if rest:
            self._send([self._text(rest)])

    def _text(self, line: bytes) -> str:
        text = line.decode("utf-8", "replace").replace(INNER_BREAK, "\n")
        for folder, name in self._folders.items():
            text = text.replace(str(folder), name)
        return text

    def _send(self, texts: list[str]) -> None:
        now = int(time.time() * 1000)
        lines = [Line(now, piece) for text in texts for piece in _pieces(f"{text}\n")]
        if lines:
            said = "".join(line.text for line in lines).encode()
            self.tail = (self.tail + said)[-TAIL_BYTES:]
            self._writer.write(self._destination, lines)


def _pieces(text: str) -> list[str]:
    """The text in parts that an event can hold."""
    length = MAX_EVENT_BYTES // 4 - EVENT_OVERHEAD_BYTES
    return [text[start : start + length] for start in range(0, len(text), length)]
