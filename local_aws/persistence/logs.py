"""CloudWatch Logs: groups, streams and, append only, events."""

from collections.abc import Callable
from datetime import datetime
from sqlite3 import Connection
from typing import Any

from local_aws.installation import ACCOUNT_ID
from local_aws.persistence import pickles as records
from local_aws.persistence.database import Database
from local_aws.persistence.keeper import Entities, Request

READING = ("Describe", "Get", "List", "Filter", "StartQuery", "StopQuery", "Test")
COLLECTIONS = (
    "resource_policies",
    "destinations",
    "delivery_destinations",
    "delivery_sources",
    "deliveries",
    "export_tasks",
)
SINGLES = ("filters", "tagger")


class LogsKeeper:
    """Keeps CloudWatch Logs."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._entities = Entities(database, "logs", COLLECTIONS, SINGLES)
        # By Region: each group's record, each stream's row.
        self._groups: dict[str, dict[str, bytes]] = {}
        self._streams: dict[str, dict[tuple[str, str], int]] = {}

    def refill(self) -> None:
        """Fill moto with what is stored. Raises StateFileError."""
        from moto.logs.models import LogEvent

        from local_aws.persistence import logs_models

        logs_models.install()
        for region in self._entities.regions():
            self._entities.load(region, self._backend(region))
        regions = self._database.rows("SELECT DISTINCT region FROM log_groups")
        for (region,) in regions:
            self._load_groups(region)
        [(last,)] = self._database.rows("SELECT max(id) FROM log_events")
        LogEvent._event_id = (last or 0) + 1

    def _load_groups(self, region: str) -> None:
        from moto.logs.models import LogGroup

        from local_aws.persistence import logs_models

        backend = self._backend(region)
        backend.groups.clear()
        self._groups[region] = {}
        self._streams[region] = {}
        for name, record in self._database.rows(
            "SELECT name, record FROM log_groups WHERE region=? ORDER BY id", (region,)
        ):
            group = LogGroup.__new__(LogGroup)
            vars(group).update(records.load(record), streams={})
            backend.groups[name] = group
            self._groups[region][name] = record
        for row, group_name, name, *values in self._database.rows(
            "SELECT id, log_group, name, created, stored_bytes, token, ingested "
            "FROM log_streams WHERE region=? ORDER BY id",
            (region,),
        ):
            group = backend.groups[group_name]
            stream = logs_models.KeptLogStream(group, name)
            stream.row = row
            stream.load_events = self._events_of(row)
            created, stored_bytes, token, ingested = values
            stream.stored_bytes = stored_bytes
            stream.upload_sequence_token = token
            stream.creation_time = datetime.fromisoformat(created)
            if ingested:
                stream.last_ingestion_time = datetime.fromisoformat(ingested)
            group.streams[name] = stream
            self._streams[region][group_name, name] = row

    def _events_of(self, row: int) -> Callable[[], list[Any]]:
        def load() -> list[Any]:
            from moto.logs.models import LogEvent

            events = []
            for event_id, timestamp, ingestion_time, message in self._database.rows(
                "SELECT id, timestamp, ingestion_time, message FROM log_events "
                "WHERE stream=? ORDER BY id",
                (row,),
            ):
                event = object.__new__(LogEvent)
                event.event_id = event_id
                event.timestamp = timestamp
                event.ingestion_time = ingestion_time
                event.message = message
                events.append(event)
            return events

        return load

    def is_change(self, request: Request) -> bool:
        """Whether the answer has to wait for `keep`."""
        return not request.operation.startswith(READING)

    def keep(self, request: Request) -> None:
        """Store what is new. Raises sqlite3.Error."""
        from moto.logs.models import LogEvent

        from local_aws.persistence import logs_models

        touched = logs_models.touched
        only_events = request.operation == "PutLogEvents" and all(
            stream.row is not None for stream in touched
        )
        done: list[Callable[[], None]] = []
        with self._database.transaction() as connection:
            if not only_events:
                self._keep_groups(connection, request.region, done)
            for stream in touched:
                _keep_events(connection, stream)
        for action in done:
            action()
        for stream in touched:
            stream.kept_events = len(stream.events)
        touched.clear()
        LogEvent.instances_tracked.clear()  # moto would remember them for ever

    def _keep_groups(
        self, connection: Connection, region: str, done: list[Callable[[], None]]
    ) -> None:
        """Groups, streams and all but the events; `done` gets what follows a commit."""
        backend = self._backend(region)
        stored_groups = self._groups.get(region, {})
        stored_streams = self._streams.get(region, {})
        groups: dict[str, bytes] = {}
        streams: dict[tuple[str, str], int] = {}
        for name, group in backend.groups.items():
            state = {k: v for k, v in vars(group).items() if k != "streams"}
            groups[name] = records.dump(state)
            if groups[name] != stored_groups.get(name):
                connection.execute(
                    "INSERT INTO log_groups (region, name, record) VALUES (?, ?, ?) "
                    "ON CONFLICT (region, name) DO UPDATE SET record=excluded.record",
                    (region, name, groups[name]),
                )
        for name in stored_groups.keys() - groups.keys():
            connection.execute(
                "DELETE FROM log_groups WHERE region=? AND name=?", (region, name)
            )
        present = [
            (group.name, name, stream)
            for group in backend.groups.values()
            for name, stream in group.streams.items()
        ]
        kept = {stream.row for _, _, stream in present}
        for row in stored_streams.values():
            if row not in kept:
                connection.execute("DELETE FROM log_events WHERE stream=?", (row,))
                connection.execute("DELETE FROM log_streams WHERE id=?", (row,))
        for group_name, name, stream in present:
            row = stream.row
            if row is None:
                row = connection.execute(
                    "INSERT INTO log_streams (region, log_group, name, created, "
                    "stored_bytes, token) VALUES (?, ?, ?, ?, 0, 0)",
                    (region, group_name, name, stream.creation_time.isoformat()),
                ).lastrowid
                done.append(lambda stream=stream, row=row: setattr(stream, "row", row))
            streams[group_name, name] = row
        entities = self._entities.save(connection, region, backend)
        done.append(lambda: self._groups.__setitem__(region, groups))
        done.append(lambda: self._streams.__setitem__(region, streams))
        done.append(lambda: self._entities.saved(region, entities))

    def restore(self, request: Request) -> None:
        """Go back to what is stored."""
        from local_aws.persistence import logs_models

        logs_models.touched.clear()
        self._load_groups(request.region)
        self._entities.load(request.region, self._backend(request.region))

    def refused(self, request: Request) -> None:
        """Nothing to do."""

    def passed(self, request: Request) -> None:
        """Nothing to do."""

    @staticmethod
    def _backend(region: str) -> Any:
        from moto.logs.models import logs_backends

        return logs_backends[ACCOUNT_ID][region]


def _keep_events(connection: Connection, stream: Any) -> None:
    new = stream.events[stream.kept_events :]
    if stream.row is None or not new:
        return
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
