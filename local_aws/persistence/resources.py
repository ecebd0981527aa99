"""SageMaker's resources and their tags: one SQLite file.

A resource has a record, a JSON object under (region, kind, name): what its Describe
operation shows, with times as epoch seconds, and our own notes under keys that begin
with an underscore. Every change is committed before the caller goes on, so an
acknowledged request survives the death of the process.
"""

import json
import time
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from sqlite3 import Connection
from types import MappingProxyType

from local_aws.errors import StorageError
from local_aws.persistence import MOTO_DATABASE
from local_aws.persistence.database import UNREADABLE, Database

SCHEMA = """
CREATE TABLE resources (
    region TEXT NOT NULL,
    kind TEXT NOT NULL,
    name TEXT NOT NULL,
    record TEXT NOT NULL,
    arn TEXT NOT NULL DEFAULT '',
    PRIMARY KEY (region, kind, name)
) WITHOUT ROWID;
CREATE INDEX resources_by_arn ON resources (arn);
CREATE TABLE tags (
    arn TEXT NOT NULL,
    key TEXT NOT NULL,
    value TEXT NOT NULL,
    PRIMARY KEY (arn, key)
) WITHOUT ROWID;
"""
# The first edition had the ARN inside the record only.
MIGRATIONS = [
    """
ALTER TABLE resources ADD COLUMN arn TEXT NOT NULL DEFAULT '';
UPDATE resources
    SET arn = json_extract(record, '$._arn'), record = json_remove(record, '$._arn');
CREATE INDEX resources_by_arn ON resources (arn)
"""
]


class AlreadyExists(Exception):
    """A resource of this kind and name, or ARN, is there already; `record` is it."""

    def __init__(self, record: dict) -> None:
        super().__init__("already exists")
        self.record = record


class NotFound(Exception):
    """No resource of this kind and name."""


def touch(record: dict) -> float:
    """Note that a record changes now; returns that time.

    It is never earlier than the last change, even if the clock has been set back.
    """
    now = max(time.time(), record.get("LastModifiedTime", 0.0))
    record["LastModifiedTime"] = now
    return now


class Resources:
    """SageMaker's resources; thread-safe, one transaction at a time."""

    def __init__(self, path: Path) -> None:
        """Open or create the file at `path`. Raises StateFileError."""
        self._database = Database(path, SCHEMA, MIGRATIONS, made_later=MOTO_DATABASE)
        self._listeners: list[Callable[[str, str, str], None]] = []

    @contextmanager
    def must_be_readable(self) -> Iterator[None]:
        """Raise StateFileError where a record is not what it must be."""
        try:
            yield
        except (StorageError, *UNREADABLE) as error:
            raise self._database.unreadable(error) from error

    def close(self) -> None:
        """Close the file; it can't be used afterwards."""
        self._database.close()

    def on_change(self, listener: Callable[[str, str, str], None]) -> None:
        """Call `listener(region, kind, name)` after each commit to a resource.

        It is called on the thread that committed, outside of the lock; it must be quick
        and must not raise.
        """
        self._listeners.append(listener)

    @contextmanager
    def _change(self, region: str, kind: str, name: str) -> Iterator[Connection]:
        """A transaction that the listeners hear of when it has been committed."""
        with self._database.transaction() as connection:
            yield connection
        for listener in self._listeners:
            listener(region, kind, name)

    def create(
        self,
        region: str,
        kind: str,
        name: str,
        record: dict,
        arn: str = "",
        tags: Mapping[str, str] = MappingProxyType({}),
    ) -> None:
        """Add a resource and its tags.

        Raises AlreadyExists when the name is taken, or the ARN: in state of an earlier
        edition, which lower-cased names in it, it may be that of another name.
        """
        with self._change(region, kind, name) as connection:
            existing = self._read(region, kind, name)
            if existing is None and arn:
                with suppress(NotFound):
                    existing = self.find(arn)
            if existing is not None:
                raise AlreadyExists(existing)
            connection.execute(
                "INSERT INTO resources (region, kind, name, record, arn) "
                "VALUES (?, ?, ?, ?, ?)",
                (region, kind, name, json.dumps(record), arn),
            )
            _put_tags(connection, arn, tags)

    def get(self, region: str, kind: str, name: str) -> dict:
        """The resource's record; raises NotFound."""
        record = self._read(region, kind, name)
        if record is None:
            raise NotFound(name)
        return record

    def update(
        self, region: str, kind: str, name: str, change: Callable[[dict], None]
    ) -> dict:
        """Apply `change` to the record in one transaction and return the result.

        Raises NotFound; whatever `change` raises leaves the record as it was.
        """
        with self._change(region, kind, name) as connection:
            record = self.get(region, kind, name)
            change(record)
            connection.execute(
                "UPDATE resources SET record=? WHERE region=? AND kind=? AND name=?",
                (json.dumps(record), region, kind, name),
            )
        return record

    def delete(
        self,
        region: str,
        kind: str,
        name: str,
        check: Callable[[dict], None] | None = None,
    ) -> None:
        """Delete a resource and its tags; raises NotFound or what `check` raises."""
        with self._change(region, kind, name) as connection:
            record = self.get(region, kind, name)
            if check is not None:
                check(record)
            [(arn,)] = connection.execute(
                "DELETE FROM resources WHERE region=? AND kind=? AND name=? "
                "RETURNING arn",
                (region, kind, name),
            ).fetchall()
            connection.execute("DELETE FROM tags WHERE arn=?", (arn,))

    def find(self, arn: str) -> dict:
        """The record of the resource with this ARN; raises NotFound."""
        rows = self._database.rows("SELECT record FROM resources WHERE arn=?", (arn,))
        if not rows:
            raise NotFound(arn)
        return json.loads(rows[0][0])

    def list(self, region: str, kind: str, members: Collection[str]) -> Iterator[dict]:
        """The records of a kind in a Region by name, cut down to two members or more.

        SQLite cuts them, in a third of the time that it takes to read whole jobs.
        """
        paths = [f"$.{member}" for member in members]
        marks = ", ".join("?" * len(paths))
        # With several paths it makes an array, in which numbers are as they were.
        for (cut,) in self._database.rows(
            f"SELECT json_extract(record, {marks}) "  # noqa: S608 - question marks only
            "FROM resources WHERE region=? AND kind=? ORDER BY name",
            (*paths, region, kind),
        ):
            values = zip(members, json.loads(cut), strict=True)
            yield {member: value for member, value in values if value is not None}

    def with_value(
        self, kind: str, member: str, values: Collection[str]
    ) -> Iterator[tuple[str, str]]:
        """(region, name) of the resources of a kind whose member is one of these."""
        marks = ", ".join("?" * len(values))
        yield from self._database.rows(
            "SELECT region, name FROM resources WHERE kind=? "  # noqa: S608 - as above
            f"AND json_extract(record, ?) IN ({marks})",
            (kind, f"$.{member}", *values),
        )

    def all_records(self, kind: str) -> Iterator[tuple[str, str, dict]]:
        """(region, name, record) of every resource of a kind."""
        for region, name, record in self._database.rows(
            "SELECT region, name, record FROM resources WHERE kind=?", (kind,)
        ):
            yield region, name, json.loads(record)

    def _read(self, region: str, kind: str, name: str) -> dict | None:
        rows = self._database.rows(
            "SELECT record FROM resources WHERE region=? AND kind=? AND name=?",
            (region, kind, name),
        )
        return json.loads(rows[0][0]) if rows else None

    def tags(self, arn: str) -> dict[str, str]:
        """A resource's tags, by key."""
        return dict(
            self._database.rows(
                "SELECT key, value FROM tags WHERE arn=? ORDER BY key", (arn,)
            )
        )

    def put_tags(
        self,
        arn: str,
        tags: Mapping[str, str],
        check: Callable[[dict[str, str]], None],
    ) -> dict[str, str]:
        """Add or overwrite tags; `check` sees the result and may raise."""
        with self._database.transaction() as connection:
            _put_tags(connection, arn, tags)
            result = self.tags(arn)
            check(result)
        return result

    def delete_tags(self, arn: str, keys: Iterable[str]) -> None:
        """Delete these tags; keys that are not there are passed over, as on AWS."""
        with self._database.transaction() as connection:
            connection.executemany(
                "DELETE FROM tags WHERE arn=? AND key=?", [(arn, key) for key in keys]
            )


def _put_tags(connection: Connection, arn: str, tags: Mapping[str, str]) -> None:
    connection.executemany(
        "INSERT OR REPLACE INTO tags VALUES (?, ?, ?)",
        [(arn, key, value) for key, value in tags.items()],
    )
