"""CloudWatch Logs: groups, streams and, append only, events."""

from collections.abc import Callable, Iterator
from datetime import datetime
from sqlite3 import Connection
from typing import Any

from moto.logs.models import LogEvent, LogGroup, logs_backends

from local_aws.installation import ACCOUNT_ID
from local_aws.persistence import moto_patches, pickles
from local_aws.persistence.database import Database
from local_aws.persistence.logs_models import LazyLogStream
from local_aws.persistence.service import Change, Entities, ServicePersistence

COLLECTIONS = (
    "resource_policies",
    "destinations",
    "delivery_destinations",
    "delivery_sources",
    "deliveries",
    "export_tasks",
)
SINGLES = ("filters", "tagger")


class LogsPersistence(ServicePersistence):
    """CloudWatch Logs on disk."""

    reading = ("Describe", "Get", "List", "Filter", "StartQuery", "StopQuery", "Test")

    def __init__(self, database: Database) -> None:
        super().__init__(database)
        self._entities = Entities(database, "logs", COLLECTIONS, SINGLES)
        # By Region: each group's record, each stream's row.
        self._groups: dict[str, dict[str, bytes]] = {}
        self._streams: dict[str, dict[tuple[str, str], int]] = {}

    def load(self) -> None:
        [(last,)] = self._database.rows("SELECT max(id) FROM log_events")
        moto_patches.patch_logs(next_event=(last or 0) + 1)
        for region in self._entities.regions():
            self._entities.load(region, _backend(region))
        regions = self._database.rows("SELECT DISTINCT region FROM log_groups")
        for (region,) in regions:
            self._load_groups(region)

    def _load_groups(self, region: str) -> None:
        backend = _backend(region)
        backend.groups.clear()
        self._groups[region] = {}
        self._streams[region] = {}
        for name, record in self._database.rows(
            "SELECT name, record FROM log_groups WHERE region=? ORDER BY id", (region,)
        ):
            state = pickles.load(record)
            backend.groups[name] = pickles.rebuild(LogGroup, {**state, "streams": {}})
            self._groups[region][name] = record
        for row, group_name, name, *values in self._database.rows(
            "SELECT id, log_group, name, created, stored_bytes, token, ingested "
            "FROM log_streams WHERE region=? ORDER BY id",
            (region,),
        ):
            group = backend.groups[group_name]
            stream = LazyLogStream(group, name)
            stream.row = row
            stream.load_events = self._events_of(row)
            created, stream.stored_bytes, token, ingested = values
            stream.upload_sequence_token = token
            stream.creation_time = datetime.fromisoformat(created)
            if ingested:
                stream.last_ingestion_time = datetime.fromisoformat(ingested)
            group.streams[name] = stream
            self._streams[region][group_name, name] = row

    def _events_of(self, row: int) -> Callable[[], list[LogEvent]]:
        def load() -> list[LogEvent]:
            rows = self._database.rows(
                "SELECT id, timestamp, ingestion_time, message FROM log_events "
                "WHERE stream=? ORDER BY id",
                (row,),
            )
            names = ("event_id", "timestamp", "ingestion_time", "message")
            return [
                pickles.rebuild(LogEvent, dict(zip(names, values, strict=True)))
                for values in rows
            ]

        return load

    def persist(self, change: Change) -> None:
        region = change.region
        dirty = [stream for _, stream in _streams(region) if stream.dirty]
        only_events = change.operation == "PutLogEvents" and all(
            stream.row is not None for stream in dirty
        )
        with self._database.transaction() as connection:
            if not only_events:
                self._write_groups(connection, region)
            for stream in dirty:
                _write_events(connection, stream)
        for stream in dirty:
            stream.persisted_events = len(stream.events)
            stream.dirty = False
        moto_patches.forget_log_events()

    def _write_groups(self, connection: Connection, region: str) -> None:
        """Groups, streams and all but the events."""
        backend = _backend(region)
        old_groups = self._groups.get(region, {})
        old_streams = self._streams.get(region, {})
        groups: dict[str, bytes] = {}
        streams: dict[tuple[str, str], int] = {}
        for name, group in backend.groups.items():
            state = {k: v for k, v in vars(group).items() if k != "streams"}
            groups[name] = pickles.dump(state)
            if groups[name] != old_groups.get(name):
                connection.execute(
                    "INSERT INTO log_groups (region, name, record) VALUES (?, ?, ?) "
                    "ON CONFLICT (region, name) DO UPDATE SET record=excluded.record",
                    (region, name, groups[name]),
                )
        for name in old_groups.keys() - groups.keys():
            connection.execute(
                "DELETE FROM log_groups WHERE region=? AND name=?", (region, name)
            )
        present = list(_streams(region))
        rows = {stream.row for _, stream in present}
        for row in old_streams.values():
            if row not in rows:
                connection.execute("DELETE FROM log_events WHERE stream=?", (row,))
                connection.execute("DELETE FROM log_streams WHERE id=?", (row,))
        for key, stream in present:
            if stream.row is None:
                stream.row = connection.execute(
                    "INSERT INTO log_streams (region, log_group, name, created, "
                    "stored_bytes, token) VALUES (?, ?, ?, ?, 0, 0)",
                    (region, *key, stream.creation_time.isoformat()),
                ).lastrowid
            streams[key] = stream.row
        self._entities.write(connection, region, backend)
        self._groups[region] = groups
        self._streams[region] = streams

    def roll_back(self, change: Change) -> None:
        self._load_groups(change.region)
        self._entities.load(change.region, _backend(change.region))


def _backend(region: str) -> Any:
    return logs_backends[ACCOUNT_ID][region]


def _streams(region: str) -> Iterator[tuple[tuple[str, str], LazyLogStream]]:
    """All streams of a Region, with the names of their group and their own."""
    for group in _backend(region).groups.values():
        for name, stream in group.streams.items():
            yield (group.name, name), stream


def _write_events(connection: Connection, stream: LazyLogStream) -> None:
    new = stream.events[stream.persisted_events :]
    connection.executemany(
        "INSERT INTO log_events VALUES (?, ?, ?, ?, ?)",
        [
            (e.event_id, stream.row, e.timestamp, e.ingestion_time, e.message)
            for e in new
        ],
    )
    connection.execute(
        "UPDATE log_streams SET stored_bytes=?, token=?, ingested=? WHERE id=?",
        (
            stream.stored_bytes,
            stream.upload_sequence_token,
            stream.last_ingestion_time.isoformat(),
            stream.row,
        ),
    )
