"""The SQLite file that holds what moto's services keep."""

import importlib.metadata
import logging
import os
import sqlite3
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from local_aws.persistence.resources import StateFileError
from local_aws.persistence.syncing import full_fsync

logger = logging.getLogger(__name__)

# SQLite begins the log anew when it has reached 1,000 pages of 4 kB, each with a header
# (sqlite.org, "PRAGMA wal_autocheckpoint").
LOG_BYTES = 1100 * (4096 + 24)

# A state file of another version is refused, never converted silently.
SCHEMA_VERSION = 1

# The tables of S3 and Logs keep rowids: their order is the order of creation.
SCHEMA = """
CREATE TABLE about (name TEXT PRIMARY KEY, value TEXT NOT NULL) WITHOUT ROWID;

-- Bytes of objects. data is NULL where they are in the file s3/<name>. refs counts
-- how often objects and parts name it: copies share their bytes.
CREATE TABLE blobs (name TEXT PRIMARY KEY, refs INTEGER NOT NULL, data BLOB);
CREATE TABLE buckets (
    id INTEGER PRIMARY KEY, name TEXT NOT NULL UNIQUE, record BLOB NOT NULL);
-- One row for each version of an object and each delete marker (content NULL).
CREATE TABLE objects (
    id INTEGER PRIMARY KEY, bucket TEXT NOT NULL, key TEXT NOT NULL,
    version TEXT NOT NULL, size INTEGER NOT NULL, content TEXT, record BLOB NOT NULL,
    UNIQUE (bucket, key, version));
CREATE TABLE uploads (
    id INTEGER PRIMARY KEY, bucket TEXT NOT NULL, upload TEXT NOT NULL,
    record BLOB NOT NULL, UNIQUE (bucket, upload));
CREATE TABLE parts (
    bucket TEXT NOT NULL, upload TEXT NOT NULL, number INTEGER NOT NULL,
    content TEXT NOT NULL, record BLOB NOT NULL,
    PRIMARY KEY (bucket, upload, number)) WITHOUT ROWID;

-- Anything small: one row for each member of a collection of a service in a Region.
CREATE TABLE entities (
    id INTEGER PRIMARY KEY, service TEXT NOT NULL, region TEXT NOT NULL,
    collection TEXT NOT NULL, name TEXT NOT NULL, record BLOB NOT NULL,
    UNIQUE (service, region, collection, name));

CREATE TABLE log_groups (
    id INTEGER PRIMARY KEY, region TEXT NOT NULL, name TEXT NOT NULL,
    record BLOB NOT NULL, UNIQUE (region, name));
CREATE TABLE log_streams (
    id INTEGER PRIMARY KEY, region TEXT NOT NULL, log_group TEXT NOT NULL,
    name TEXT NOT NULL, created TEXT NOT NULL, stored_bytes INTEGER NOT NULL,
    token INTEGER NOT NULL, ingested TEXT, UNIQUE (region, log_group, name));
-- Append only. id is the event's id in CloudWatch Logs.
CREATE TABLE log_events (
    id INTEGER PRIMARY KEY, stream INTEGER NOT NULL, timestamp INTEGER NOT NULL,
    ingestion_time INTEGER NOT NULL, message TEXT NOT NULL);
CREATE INDEX log_events_of_stream ON log_events (stream, id);

-- One row for each PutMetricData.
CREATE TABLE metric_data (
    id INTEGER PRIMARY KEY, region TEXT NOT NULL, record BLOB NOT NULL);
"""


class Database:
    """Thread-safe: one connection, one transaction at a time."""

    def __init__(self, path: Path) -> None:
        """Open or create the file at `path`.

        Raises StateFileError when it is damaged, newer than this code, or written
        with another version of moto.
        """
        self.path = path
        self._lock = threading.RLock()
        try:
            self._connection = sqlite3.connect(
                path, check_same_thread=False, isolation_level=None
            )
            self._open()
        except sqlite3.DatabaseError as error:
            raise unreadable(path, error) from error
        path.chmod(0o600)

    def _open(self) -> None:
        (version,) = self._connection.execute("PRAGMA user_version").fetchone()
        if version not in (0, SCHEMA_VERSION):
            raise StateFileError(
                f"The state file {self.path} has version {version}, this code knows "
                f"version {SCHEMA_VERSION}. Use the code that wrote it, or start "
                "afresh with `python -m local_aws reset`."
            )
        (found,) = self._connection.execute("PRAGMA quick_check(1)").fetchone()
        if found != "ok":
            raise unreadable(self.path, found)
        self._connection.execute("PRAGMA journal_mode=WAL")
        # FULL: a commit reaches the disk before it is acknowledged. On macOS that
        # needs more than fsync.
        self._connection.execute("PRAGMA synchronous=FULL")
        self._connection.execute("PRAGMA fullfsync=1")
        if version == 0:
            self._create()
        self._check_moto()
        self._lengthen_log()

    def _create(self) -> None:
        with self.transaction() as connection:
            for statement in SCHEMA.split(";\n"):
                connection.execute(statement)
            connection.execute(
                "INSERT INTO about VALUES ('moto', ?)",
                (importlib.metadata.version("moto"),),
            )
            connection.execute(f"PRAGMA user_version={SCHEMA_VERSION}")

    def _check_moto(self) -> None:
        # Records are moto's own objects, and those change from version to version.
        (wrote,) = self._connection.execute(
            "SELECT value FROM about WHERE name='moto'"
        ).fetchone()
        installed = importlib.metadata.version("moto")
        if wrote != installed:
            raise StateFileError(
                f"The state file {self.path} was written with moto {wrote}, and moto "
                f"{installed} is installed. Install moto=={wrote} to go on with what "
                "is in it, or start afresh with `python -m local_aws reset`. Nothing "
                "in it has been changed."
            )

    def _lengthen_log(self) -> None:
        """Let the write-ahead log have its usual length from the start.

        To wait for the disk takes many times as long when a file has grown as when it
        has been overwritten. SQLite stops reading the log at the first frame that is
        not its own (sqlite.org, "WAL-mode File Format"), and writes over the zeros.
        """
        log = self.path.with_name(f"{self.path.name}-wal")
        try:
            with log.open("r+b") as file:
                length = file.seek(0, os.SEEK_END)
                file.write(bytes(max(0, LOG_BYTES - length)))
                full_fsync(file.fileno())
        except OSError as error:
            logger.warning("%s could not be lengthened: %s", log, error)

    @contextmanager
    def transaction(self) -> Iterator[sqlite3.Connection]:
        """All or nothing; committed, and on the disk, when the block has ended.

        Raises sqlite3.Error when that fails (a full disk, for example); nothing has
        been changed then.
        """
        with self._lock:
            self._connection.execute("BEGIN IMMEDIATE")
            try:
                yield self._connection
                self._connection.execute("COMMIT")
            except BaseException:
                # SQLite may have rolled back by itself.
                if self._connection.in_transaction:
                    self._connection.execute("ROLLBACK")
                raise

    def rows(self, statement: str, parameters: tuple = ()) -> list[tuple[Any, ...]]:
        """All rows of a query."""
        with self._lock:
            return self._connection.execute(statement, parameters).fetchall()

    def close(self) -> None:
        """Close the file; it can't be used afterwards."""
        with self._lock:
            self._connection.close()


def unreadable(path: Path, reason: object) -> StateFileError:
    """The error for a file that is damaged or no state file at all."""
    return StateFileError(
        f"The state file {path} can't be read ({reason}). Nothing in it has been "
        "changed. Move it away to look into it, or start afresh with `python -m "
        "local_aws reset`."
    )
