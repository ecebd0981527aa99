"""moto's log stream with its events read when they are first wanted."""

from collections.abc import Callable
from typing import Any

from moto.logs import models
from moto.logs.models import LogEvent, LogGroup, LogStream

# Streams that got events and are not stored yet.
touched: list["KeptLogStream"] = []


def install() -> None:
    """Let moto use the class below."""
    models.LogStream = KeptLogStream


class KeptLogStream(LogStream):
    """A log stream. `row` is its row in the database, None before it has one."""

    def __init__(self, log_group: LogGroup, name: str) -> None:
        self.row: int | None = None
        self.kept_events = 0  # how many of the events are stored
        self.load_events: Callable[[], list[LogEvent]] | None = None
        super().__init__(log_group, name)

    @property
    def events(self) -> list[LogEvent]:
        if self.load_events is not None:
            self._events = self.load_events()
            self.kept_events = len(self._events)
            self.load_events = None
        return self._events

    @events.setter
    def events(self, events: list[LogEvent]) -> None:
        self._events = events

    def put_log_events(self, log_events: list[dict[str, Any]]) -> str:
        token = super().put_log_events(log_events)
        touched.append(self)
        return token
