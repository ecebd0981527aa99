"""The bytes of S3's objects: where they are, and how they are read in pieces.

Bytes are in blobs, which never change. A small one is in the database, a larger
one in a file `s3/<name>` whose name has nothing to do with the object's key. An object
is a sequence of blobs (an upload in parts has one for each part), or a range of one;
objects that are copies of each other share them.
"""

import contextlib
import hashlib
import logging
import os
import sys
import threading
import uuid
from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import IO

from local_aws.errors import StorageError
from local_aws.installation import what_helps
from local_aws.persistence.database import Database

log = logging.getLogger(__name__)

# About up to here SQLite is as fast as a file (sqlite.org, "Internal Versus External
# BLOBs"), and two waits for the disk are saved, for the file and for its folder.
LARGEST_INLINE = 128 * 1024
CHUNK = 2**20


@dataclass(eq=False)
class Blob:
    """Bytes that never change.

    `data` is set from the making of a small one until it is in the database.
    """

    name: str
    size: int
    inline: bool
    md5: str
    data: bytes | None = field(default=None, repr=False)


class BlobStore:
    """Makes, reads and removes blobs."""

    def __init__(self, folder: Path, database: Database) -> None:
        self._folder = folder
        self._database = database
        self._lock = threading.Lock()
        self._readers: Counter[str] = Counter()
        self._doomed: set[str] = set()
        # What a request has made and may not need in the end.
        self.new: list[Blob] = []

    def content_of(self, value: "bytes | str | Content") -> "Content":
        """The value as the content of an object; a new blob if it is none yet."""
        if isinstance(value, Content) and value.is_whole:
            return value  # a copy, or an upload that has been taken already
        if isinstance(value, str):
            value = value.encode()
        pieces = value.pieces() if isinstance(value, Content) else [value]
        blob = self.make(pieces, len(value))
        self.new.append(blob)
        return Content(self, [blob])

    def make(self, pieces: Iterable[bytes], size: int) -> Blob:
        """A new blob of `size` bytes; a file of its own is not fsynced yet.

        Raises StorageError, and leaves no file then.
        """
        md5 = hashlib.md5(usedforsecurity=False)
        name = uuid.uuid4().hex
        if size <= LARGEST_INLINE:
            data = b"".join(pieces)
            md5.update(data)
            return Blob(name, size, True, md5.hexdigest(), data)
        path = self._folder / name
        try:
            with open(path, "xb") as file:
                for piece in pieces:
                    md5.update(piece)
                    file.write(piece)
        except OSError as error:
            with contextlib.suppress(OSError):  # the folder itself may be gone
                path.unlink(missing_ok=True)
            raise _storage_error(self._folder, error) from error
        return Blob(name, size, False, md5.hexdigest())

    def sync(self, blobs: Iterable[Blob]) -> None:
        """Wait until the files among them are on the disk. Raises StorageError."""
        files = [self._folder / blob.name for blob in blobs if not blob.inline]
        try:
            for path in files:
                fsync(path)
            if files:
                fsync(self._folder)
        except OSError as error:
            raise _storage_error(self._folder, error) from error

    def read(self, blob: Blob, start: int, stop: int) -> Iterator[bytes]:
        """The bytes from `start` up to `stop`, in pieces of at most CHUNK."""
        if blob.inline:
            yield (self._inline(blob) if blob.data is None else blob.data)[start:stop]
            return
        try:
            with open(self._folder / blob.name, "rb", buffering=0) as file:
                self._require_whole(blob, os.fstat(file.fileno()).st_size)
                file.seek(start)
                while start < stop and (piece := file.read(min(CHUNK, stop - start))):
                    start += len(piece)
                    yield piece
        except FileNotFoundError:
            self._require_whole(blob, 0)
        except OSError as error:
            raise _storage_error(self._folder / blob.name, error) from error

    def _inline(self, blob: Blob) -> bytes:
        rows = self._database.rows("SELECT data FROM blobs WHERE name=?", (blob.name,))
        data = rows[0][0] if rows else b""
        self._require_whole(blob, len(data or b""))
        return data

    def _require_whole(self, blob: Blob, size: int) -> None:
        if size != blob.size:
            where = self._database.path if blob.inline else self._folder / blob.name
            raise StorageError(
                f"{where}: of an object's {blob.size} bytes {size} are left. Put a "
                "copy of the file back, or delete the object"
            )

    def require_readable(self, blob: Blob) -> None:
        """Raise StorageError unless the bytes are there, as many as there were."""
        for _ in self.read(blob, 0, min(1, blob.size)):
            pass

    def remove(self, names: Iterable[str]) -> None:
        """Remove these blobs' files, those that are being read when that has ended."""
        with self._lock:
            for name in names:
                if self._readers[name]:
                    self._doomed.add(name)
                else:
                    self._unlink(name)

    def begin_reading(self, names: Iterable[str]) -> None:
        """Keep these files readable, even if they are removed meanwhile."""
        with self._lock:
            self._readers.update(names)

    def end_reading(self, names: Iterable[str]) -> None:
        """Undo `begin_reading`."""
        with self._lock:
            for name in names:
                self._readers[name] -= 1
                if self._readers[name] == 0:
                    del self._readers[name]
                    if name in self._doomed:
                        self._doomed.discard(name)
                        self._unlink(name)

    def _unlink(self, name: str) -> None:
        try:
            (self._folder / name).unlink(missing_ok=True)
        except OSError as error:
            # Nothing refers to it any more; the next start tries again.
            log.warning("Can't remove %s: %s", self._folder / name, error)

    def sweep(self, known: set[str]) -> list[str]:
        """Remove files that no object names; returns the names without a file."""
        there = set(os.listdir(self._folder))
        missing = sorted(known - there)
        if not missing:  # else the records may be older than the files
            for name in there - known:
                (self._folder / name).unlink()
        return missing


class Content:
    """Bytes of an object, or a range of them, that are read when they are needed.

    It has what moto and Flask need of bytes: a length, slices, iteration.
    """

    def __init__(
        self, store: BlobStore, blobs: Iterable[Blob], start: int = 0, stop: int = -1
    ) -> None:
        self.store = store
        self.blobs = tuple(blobs)
        self.start = start
        self.stop = sum(blob.size for blob in self.blobs) if stop < 0 else stop

    def __len__(self) -> int:
        return self.stop - self.start

    def __getitem__(self, wanted: slice) -> "Content":
        start, stop, _ = wanted.indices(len(self))
        first = self.start + start
        return Content(self.store, self.blobs, first, max(first, self.start + stop))

    def __iter__(self) -> Iterator["Reading"]:
        """One part, for whoever sends the response; see Reading."""
        if len(self):
            yield Reading(self)

    def __bytes__(self) -> bytes:
        return b"".join(self.pieces())

    @property
    def is_whole(self) -> bool:
        """Whether this is all of its blobs."""
        whole = sum(blob.size for blob in self.blobs)
        return self.start == 0 and self.stop == whole

    def pieces(self) -> Iterator[bytes]:
        """The bytes in pieces of at most CHUNK."""
        begin = 0
        for blob in self.blobs:
            start = max(0, self.start - begin)
            stop = min(blob.size, self.stop - begin)
            if start < stop:
                yield from self.store.read(blob, start, stop)
            begin += blob.size

    def md5(self) -> str:
        """The MD5 of the bytes, in hexadecimal."""
        if len(self.blobs) == 1 and self.is_whole:
            return self.blobs[0].md5
        md5 = hashlib.md5(usedforsecurity=False)
        for piece in self.pieces():
            md5.update(piece)
        return md5.hexdigest()


class Reading:
    """Content on its way to a client.

    It stays readable until the last reference is gone, even if the object is
    overwritten or deleted meanwhile.
    """

    def __init__(self, content: Content) -> None:
        self._store = store = content.store
        files = [blob for blob in content.blobs if not blob.inline]
        self._names = [blob.name for blob in files]
        store.begin_reading(self._names)  # until __del__, also if this raises
        for blob in files:
            store.require_readable(blob)
        self._content = Content(
            store,
            [_with_data(store, blob) for blob in content.blobs],
            content.start,
            content.stop,
        )

    def __len__(self) -> int:
        return len(self._content)

    def pieces(self) -> Iterator[bytes]:
        """The bytes in pieces of at most CHUNK."""
        return self._content.pieces()

    def __del__(self) -> None:
        self._store.end_reading(self._names)


def _with_data(store: BlobStore, blob: Blob) -> Blob:
    """A small blob with its bytes, which may be gone from the database later."""
    if not blob.inline:
        return blob
    return replace(blob, data=b"".join(store.read(blob, 0, blob.size)))


def _storage_error(path: Path, error: OSError) -> StorageError:
    help_ = what_helps(error.errno, path.parent if path.is_file() else path)
    return StorageError(f"{path}: {error.strerror}. {help_}")


def pieces_of(file: IO[bytes]) -> Iterator[bytes]:
    """A file's bytes from its beginning."""
    file.seek(0)
    while piece := file.read(CHUNK):
        yield piece


def fsync(path: Path) -> None:
    """Wait until a file or folder is on the disk."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        if sys.platform == "darwin":
            import fcntl

            # There fsync alone leaves it in the drive's cache (man 2 fsync).
            fcntl.fcntl(descriptor, fcntl.F_FULLFSYNC)
        else:
            os.fsync(descriptor)
    finally:
        os.close(descriptor)
