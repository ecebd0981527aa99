"""An SQLite file of ours: opened, checked, and changed in transactions."""

import re
import sqlite3
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from local_aws.installation import InstallationError


class StateFileError(InstallationError):
    """The state file can't be used; the text says which, why and what to do."""


class StorageError(Exception):
    """A change can't be persisted, or what was persisted can't be read."""


class Database:
    """Thread-safe: one connection, one transaction at a time."""

    def __init__(self, path: Path, schema: str, migrations: Sequence[str] = ()) -> None:
        """Open or create the file at `path`.

        The n-th of the `migrations` leads from version n to the next one; `schema` is
        that of the last version. Raises StateFileError when the file is damaged, newer
        than this code or not ours, and leaves it as it was then.
        """
        self.path = path
        self._lock = threading.RLock()
        try:
            self._connection = sqlite3.connect(
                path, check_same_thread=False, isolation_level=None
            )
            self._open(schema, migrations)
        except (sqlite3.Error, StorageError) as error:
            raise self.unusable(f"can't be read ({error})") from error
        path.chmod(0o600)

    def _open(self, schema: str, migrations: Sequence[str]) -> None:
        current = len(migrations) + 1
        [(version,)] = self.rows("PRAGMA user_version")
        if version > current:
            raise self.unusable(
                f"has version {version}, this code knows versions up to {current}: use "
                "the code that wrote it"
            )
        [(found,)] = self.rows("PRAGMA quick_check(1)")
        if found != "ok":
            raise self.unusable(f"can't be read ({found})")
        tables = self.rows("SELECT name FROM sqlite_master WHERE type='table'")
        ours = re.findall(r"CREATE TABLE (\w+)", schema)
        is_ours = any((name,) in tables for name in ours) if version else not tables
        if not is_ours:
            raise self.unusable("holds something else than the stand-in's state")
        self._connection.execute("PRAGMA journal_mode=WAL")
        # FULL: a commit waits until it is on the disk. macOS needs fullfsync for that.
        self._connection.execute("PRAGMA synchronous=FULL")
        self._connection.execute("PRAGMA fullfsync=1")
        if version == current:
            return
        with self.transaction() as connection:
            for step in migrations[version - 1 :] if version else [schema]:
                for statement in step.split(";\n"):
                    connection.execute(statement)
            connection.execute(f"PRAGMA user_version={current}")

    def unusable(self, reason: str) -> StateFileError:
        """The error that refuses this file."""
        return StateFileError(
            f"The state file {self.path} {reason}. Nothing in it has been changed. "
            "Start afresh with `python -m local_aws reset`, which removes all state; "
            "copy the folder before if you may need it."
        )

    @contextmanager
    def transaction(self) -> Iterator[sqlite3.Connection]:
        """All or nothing; committed, and on the disk, when the block has ended.

        Raises StorageError when that fails (a full disk, for example); nothing has
        been changed then.
        """
        with self._lock:
            try:
                self._connection.execute("BEGIN IMMEDIATE")
                yield self._connection
                self._connection.execute("COMMIT")
            except BaseException as error:
                # SQLite may have rolled back by itself.
                if self._connection.in_transaction:
                    self._connection.execute("ROLLBACK")
                if isinstance(error, sqlite3.Error):
                    raise StorageError(str(error)) from error
                raise

    def rows(self, statement: str, parameters: tuple = ()) -> list[tuple[Any, ...]]:
        """All rows of a query. Raises StorageError."""
        try:
            with self._lock:
                return self._connection.execute(statement, parameters).fetchall()
        except sqlite3.Error as error:
            raise StorageError(str(error)) from error

    def close(self) -> None:
        """Close the file; it can't be used afterwards."""
        with self._lock:
            self._connection.close()
