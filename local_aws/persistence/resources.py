"""Where SageMaker's resources and tags are kept: one SQLite file.

A resource is a JSON object under (region, kind, name): what its Describe
operation answers, with times as epoch seconds, and our own notes under keys that
begin with an underscore. Every change is committed before the caller goes on, so
an acknowledged request survives the death of the process.
"""

import json
import sqlite3
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from local_aws.installation import InstallationError

# A state file of another version is refused, never converted silently.
SCHEMA_VERSION = 1

SCHEMA = """
CREATE TABLE IF NOT EXISTS resources (
    region TEXT NOT NULL,
    kind TEXT NOT NULL,
    name TEXT NOT NULL,
    record TEXT NOT NULL,
    PRIMARY KEY (region, kind, name)
) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS tags (
    arn TEXT NOT NULL,
    key TEXT NOT NULL,
    value TEXT NOT NULL,
    PRIMARY KEY (arn, key)
) WITHOUT ROWID;
"""


class StateFileError(InstallationError):
    """The state file can't be used; the text says which, why and what to do."""


class AlreadyExists(Exception):
    """A resource of this kind and name is there already; `record` is it."""

    def __init__(self, record: dict) -> None:
        super().__init__("already exists")
        self.record = record


class NotFound(Exception):
    """No resource of this kind and name."""


class Resources:
    """Thread-safe: one connection, one transaction at a time."""

    def __init__(self, path: Path) -> None:
        """Open or create the file at `path`.

        Raises StateFileError when it is not ours, newer than this code, or
        damaged.
        """
        self._lock = threading.RLock()
        self._listeners: list[Callable[[str, str, str], None]] = []
        try:
            self._connection = sqlite3.connect(
                path, check_same_thread=False, isolation_level=None
            )
            self._open(path)
        except sqlite3.DatabaseError as error:
            raise StateFileError(
                f"The state file {path} can't be read ({error}). Move it away to "
                "start afresh; nothing in it has been changed."
            ) from error
        path.chmod(0o600)

    def _open(self, path: Path) -> None:
        (version,) = self._connection.execute("PRAGMA user_version").fetchone()
        if version not in (0, SCHEMA_VERSION):
            raise StateFileError(
                f"The state file {path} has version {version}, this code knows "
                f"version {SCHEMA_VERSION}. Use the code that wrote it, or move the "
                "file away to start afresh."
            )
        self._connection.execute("PRAGMA journal_mode=WAL")
        # FULL: a commit reaches the disk before it is acknowledged.
        self._connection.execute("PRAGMA synchronous=FULL")
        self._connection.executescript(SCHEMA)
        self._connection.execute(f"PRAGMA user_version={SCHEMA_VERSION}")

    def close(self) -> None:
        """Close the file; it can't be used afterwards."""
        with self._lock:
            self._connection.close()

    @contextmanager
    def _transaction(self) -> Iterator[sqlite3.Connection]:
        with self._lock:
            self._connection.execute("BEGIN IMMEDIATE")
            try:
                yield self._connection
                self._connection.execute("COMMIT")
            except BaseException:
                # A COMMIT that the disk had no room for may have ended it already.
                if self._connection.in_transaction:
                    self._connection.execute("ROLLBACK")
                raise

    def on_change(self, listener: Callable[[str, str, str], None]) -> None:
        """Call `listener(region, kind, name)` after each commit to a resource.

        It is called on the thread that committed, outside of the lock; it must be quick
        and must not raise.
        """
        self._listeners.append(listener)

    def _announce(self, region: str, kind: str, name: str) -> None:
        for listener in self._listeners:
            listener(region, kind, name)

    def create(
        self,
        region: str,
        kind: str,
        name: str,
        record: dict,
        arn: str | None = None,
        tags: dict[str, str] | None = None,
    ) -> None:
        """Keep a new resource and its tags; raises AlreadyExists."""
        with self._transaction() as connection:
            existing = self._read(connection, region, kind, name)
            if existing is not None:
                raise AlreadyExists(existing)
            connection.execute(
                "INSERT INTO resources VALUES (?, ?, ?, ?)",
                (region, kind, name, json.dumps(record)),
            )
            if arn and tags:
                self._put_tags(connection, arn, tags)
        self._announce(region, kind, name)

    def get(self, region: str, kind: str, name: str) -> dict:
        """The resource's record; raises NotFound."""
        with self._lock:
            record = self._read(self._connection, region, kind, name)
        if record is None:
            raise NotFound(name)
        return record

    def update(
        self, region: str, kind: str, name: str, change: Callable[[dict], None]
    ) -> dict:
        """Apply `change` to the record in one transaction and return the result.

        Raises NotFound; whatever `change` raises leaves the record as it was.
        """
        with self._transaction() as connection:
            record = self._read(connection, region, kind, name)
            if record is None:
                raise NotFound(name)
            change(record)
            connection.execute(
                "UPDATE resources SET record=? WHERE region=? AND kind=? AND name=?",
                (json.dumps(record), region, kind, name),
            )
        self._announce(region, kind, name)
        return record

    def delete(
        self,
        region: str,
        kind: str,
        name: str,
        arn: str,
        check: Callable[[dict], None] | None = None,
    ) -> None:
        """Delete a resource and its tags; raises NotFound or what `check` raises."""
        with self._transaction() as connection:
            record = self._read(connection, region, kind, name)
            if record is None:
                raise NotFound(name)
            if check is not None:
                check(record)
            connection.execute(
                "DELETE FROM resources WHERE region=? AND kind=? AND name=?",
                (region, kind, name),
            )
            connection.execute("DELETE FROM tags WHERE arn=?", (arn,))
        self._announce(region, kind, name)

    def records(self, region: str, kind: str) -> list[dict]:
        """All records of a kind in a Region, by name."""
        with self._lock:
            rows = self._connection.execute(
                "SELECT record FROM resources WHERE region=? AND kind=? ORDER BY name",
                (region, kind),
            ).fetchall()
        return [json.loads(record) for (record,) in rows]

    def all_records(self, kind: str) -> list[tuple[str, str, dict]]:
        """(region, name, record) of every resource of a kind."""
        with self._lock:
            rows = self._connection.execute(
                "SELECT region, name, record FROM resources WHERE kind=?", (kind,)
            ).fetchall()
        return [(region, name, json.loads(record)) for region, name, record in rows]

    @staticmethod
    def _read(
        connection: sqlite3.Connection, region: str, kind: str, name: str
    ) -> dict | None:
        row = connection.execute(
            "SELECT record FROM resources WHERE region=? AND kind=? AND name=?",
            (region, kind, name),
        ).fetchone()
        return json.loads(row[0]) if row else None

    def tags(self, arn: str) -> dict[str, str]:
        """A resource's tags, by key."""
        with self._lock:
            rows = self._connection.execute(
                "SELECT key, value FROM tags WHERE arn=? ORDER BY key", (arn,)
            ).fetchall()
        return dict(rows)

    def put_tags(
        self,
        arn: str,
        tags: dict[str, str],
        check: Callable[[dict[str, str]], None],
    ) -> dict[str, str]:
        """Add or overwrite tags; `check` sees the result and may raise."""
        with self._transaction() as connection:
            self._put_tags(connection, arn, tags)
            result = self.tags(arn)
            check(result)
            return result

    @staticmethod
    def _put_tags(
        connection: sqlite3.Connection, arn: str, tags: dict[str, str]
    ) -> None:
        connection.executemany(
            "INSERT OR REPLACE INTO tags VALUES (?, ?, ?)",
            [(arn, key, value) for key, value in tags.items()],
        )

    def delete_tags(self, arn: str, keys: list[str]) -> None:
        """Delete these tags; keys that are not there are passed over, as on AWS."""
        with self._transaction() as connection:
            connection.executemany(
                "DELETE FROM tags WHERE arn=? AND key=?", [(arn, key) for key in keys]
            )
