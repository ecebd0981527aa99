"""moto's log stream with its events read when they are first needed."""

from collections.abc import Callable
from typing import Any

from moto.logs.models import LogEvent, LogGroup, LogStream


class LazyLogStream(LogStream):
    """A log stream. `row` is its row in the database, None before it has one."""

    def __init__(self, log_group: LogGroup, name: str) -> None:
        self.row: int | None = None
        self.dirty = False  # whether it has got events since it was persisted
        self.persisted_events = 0
        self.load_events: Callable[[], list[LogEvent]] | None = None
        super().__init__(log_group, name)

    @property
    def events(self) -> list[LogEvent]:
        if self.load_events is not None:
            self._events = self.load_events()
            self.persisted_events = len(self._events)
            self.load_events = None
        return self._events

    @events.setter
    def events(self, events: list[LogEvent]) -> None:
        self._events = events

    def put_log_events(self, log_events: list[dict[str, Any]]) -> str:
        self.dirty = True
        return super().put_log_events(log_events)
