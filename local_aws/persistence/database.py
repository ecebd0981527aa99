"""An SQLite file of ours: opened, checked, and changed in transactions."""

import errno
import os
import re
import shlex
import sqlite3
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from local_aws.errors import StorageError
from local_aws.installation import InstallationError, plain_errors, what_helps


class StateFileError(InstallationError):
    """The state file can't be used; the text says which, why and what to do."""


# What records can raise that were not written by this code, or have been damaged.
UNREADABLE = (AttributeError, ImportError, LookupError, TypeError, ValueError)
# SQLite's own words for what the system would say with these.
_ERRNO = {
    sqlite3.SQLITE_READONLY: errno.EACCES,
    sqlite3.SQLITE_CANTOPEN: errno.EACCES,
    sqlite3.SQLITE_FULL: errno.ENOSPC,
}


class Database:
    """Thread-safe: one connection, one transaction at a time."""

    def __init__(
        self,
        path: Path,
        schema: str,
        migrations: Sequence[str] = (),
        made_later: str = "",
    ) -> None:
        """Open the file at `path`, or create it.

        The n-th of the `migrations` leads from version n to the next one; `schema` is
        that of the last version. `made_later` is what is never there before this file.
        Raises InstallationError when the file is missing though it has been there,
        damaged, newer than this code or not ours, and leaves all as it was then.
        """
        self.path = path
        self._lock = threading.RLock()
        # Whether it must be there, since what is made later is.
        self._is_due = bool(made_later) and path.with_name(made_later).exists()
        self._require_files()
        try:
            self._connection = sqlite3.connect(
                path, check_same_thread=False, isolation_level=None
            )
            self._open(schema, migrations)
        except sqlite3.Error as error:
            raise StateFileError(str(self._storage_error(error))) from error
        except StorageError as error:
            raise StateFileError(str(error)) from error

    def _require_files(self) -> None:
        """Refuse what SQLite would take for a file without the last changes."""
        log = self.path.with_name(f"{self.path.name}-wal")
        index = self.path.with_name(f"{self.path.name}-shm")
        if index.exists() and not log.exists():
            raise StateFileError(
                f"The state file {log} is missing; it held the last changes. Put it "
                f"back, or go on without them: `rm {shlex.quote(str(index))}`."
            )
        if self._is_due and not self.path.exists():
            raise self.unusable("is missing")
        with plain_errors():
            for path in (self.path, log, index):
                if path == self.path or path.exists():
                    os.close(os.open(path, os.O_RDWR | os.O_CREAT, 0o600))

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
        if not version and self._is_due:
            raise self.unusable("is empty")
        tables = self.rows("SELECT name FROM sqlite_master WHERE type='table'")
        ours = re.findall(r"CREATE TABLE (\w+)", schema)
        is_ours = all((name,) in tables for name in ours) if version else not tables
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
            f"The state file {self.path} {reason}. Nothing has been changed. Put a "
            "copy back if you have one, or start afresh with `make reset`, which "
            "removes all state."
        )

    def unreadable(self, error: Exception) -> StateFileError:
        """The error for records that are not what they must be."""
        return self.unusable(f"holds records that can't be read ({error!r})")

    def _storage_error(self, error: sqlite3.Error) -> StorageError:
        """What SQLite says, of which file, and what helps."""
        code = getattr(error, "sqlite_errorcode", 0) & 0xFF
        if code in (sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB):
            return StorageError(str(self.unusable(f"can't be read ({error})")))
        help_ = what_helps(_ERRNO[code], self.path.parent) if code in _ERRNO else ""
        return StorageError(f"{self.path}: {error}. {help_}".strip())

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
                    raise self._storage_error(error) from error
                raise

    def rows(self, statement: str, parameters: tuple = ()) -> list[tuple[Any, ...]]:
        """All rows of a query. Raises StorageError."""
        try:
            with self._lock:
                return self._connection.execute(statement, parameters).fetchall()
        except sqlite3.Error as error:
            raise self._storage_error(error) from error

    def close(self) -> None:
        """Close the file; it can't be used afterwards."""
        with self._lock:
            self._connection.close()
