"""S3: buckets, objects with their versions, uploads in parts."""

import json
import logging
from collections import Counter
from collections.abc import Iterable
from pathlib import Path
from sqlite3 import Connection
from typing import IO, Any
from urllib.parse import parse_qsl, unquote

from local_aws.installation import ACCOUNT_ID
from local_aws.persistence import pickles as records
from local_aws.persistence.blobs import (
    LARGEST_INLINE,
    Blob,
    BlobStore,
    Content,
    StorageError,
    pieces_of,
)
from local_aws.persistence.database import Database
from local_aws.persistence.keeper import Request
from local_aws.signature import Head

log = logging.getLogger(__name__)

# Where an upload that was taken ahead waits in the WSGI environment.
UPLOAD = "local_aws.upload"
CHANGING = ("PUT", "POST", "DELETE")
_APART = ("keys", "multiparts")  # kept in rows of their own


class S3Keeper:
    """Keeps S3; its methods are called under the service's lock, but take_upload."""

    def __init__(self, database: Database, folder: Path) -> None:
        folder.mkdir(mode=0o700, exist_ok=True)
        self._database = database
        self._blobs = BlobStore(folder, database)
        self._buckets: dict[str, bytes] = {}  # name -> record as it is stored

    # What a request brings

    def take_upload(self, head: Head, body: IO[bytes], size: int) -> Content | None:
        """Write a large body to a file of ours, ahead of the service's lock.

        None if the body is small or is no object's, and moto is to read it. Raises
        StorageError.
        """
        if size <= LARGEST_INLINE or not _is_plain_upload(head):
            return None
        blob = self._blobs.make(pieces_of(body), size)
        try:
            self._blobs.sync([blob])
        except StorageError:
            self._blobs.remove([blob.name])
            raise
        return Content(self._blobs, [blob])

    # Refilling moto

    def refill(self) -> None:
        """Fill moto with what is stored. Raises StateFileError."""
        from local_aws.persistence import s3_models

        s3_models.install(self._blobs)
        backend = self._backend()
        for name, record in self._database.rows(
            "SELECT name, record FROM buckets ORDER BY id"
        ):
            self._put_bucket_back(backend, name, record)
        self._refill_objects(backend)
        for name, upload, record in self._database.rows(
            "SELECT bucket, upload, record FROM uploads ORDER BY id"
        ):
            multiparts = backend.buckets[name].multiparts
            dict.__setitem__(multiparts, upload, self._upload(name, upload, record))
        files = self._database.rows("SELECT name FROM blobs WHERE data IS NULL")
        for name in self._blobs.sweep({name for (name,) in files}):
            log.error("The file %s of an object is missing in the state folder", name)
        self._forget_touched()

    def _refill_objects(self, backend: Any) -> None:
        for bucket, key, content, record in self._database.rows(
            "SELECT bucket, key, content, record FROM objects ORDER BY id"
        ):
            keys = backend.buckets[bucket].keys
            if key not in keys:
                dict.__setitem__(keys, key, [])
            versions = dict.__getitem__(keys, key)
            version = self._version(backend, versions, content, record)
            versions.append(version)

    def _put_bucket_back(self, backend: Any, name: str, record: bytes) -> None:
        from moto.s3.models import FakeBucket, s3_backends

        state, tags = records.load(record)
        if name in backend.buckets:
            bucket = backend.buckets[name]
        else:
            bucket = FakeBucket(name, ACCOUNT_ID, state["region_name"])
            backend.buckets[name] = bucket
        for attribute in set(vars(bucket)) - set(state) - set(_APART):
            delattr(bucket, attribute)
        vars(bucket).update(state)
        s3_backends.bucket_accounts[name] = (bucket.partition, ACCOUNT_ID)
        _set_tags(backend, bucket.arn, tags)
        self._buckets[name] = record

    def _version(
        self, backend: Any, before: list[Any], content: str | None, record: bytes
    ) -> Any:
        """An object or a delete marker from its row; `before`: its older versions."""
        from moto.s3.models import FakeDeleteMarker, FakeKey

        state, tags = records.load(record)
        if content is None:
            # moto only asks of what kind that is which the marker was put upon.
            kind = FakeDeleteMarker if state.pop("on_marker") else FakeKey
            older = [version for version in before if isinstance(version, kind)]
            marker = FakeDeleteMarker.__new__(FakeDeleteMarker)
            vars(marker).update(state, key=older[-1] if older else kind.__new__(kind))
            return marker
        key = FakeKey.__new__(FakeKey)
        key.__setstate__(state)
        key.content = self._content(content)
        _set_tags(backend, key.arn, tags)
        return key

    def _upload(self, bucket: str, upload: str, record: bytes) -> Any:
        multipart = records.load(record)
        for number, content, part_record in self._database.rows(
            "SELECT number, content, record FROM parts WHERE bucket=? AND upload=? "
            "ORDER BY number",
            (bucket, upload),
        ):
            part = records.load(part_record)
            part.content = self._content(content)
            multipart.parts[number] = part
            multipart.partlist.append(number)
        return multipart

    def _content(self, text: str) -> Content:
        return Content(self._blobs, [Blob(*fields) for fields in json.loads(text)])

    # After a request

    def is_change(self, request: Request) -> bool:
        """Whether the answer has to wait for `keep`."""
        # Access logs make even a GET write an object.
        return request.head.method in CHANGING or any(
            bucket.logging for bucket in self._backend().buckets.values()
        )

    def keep(self, request: Request) -> None:
        """Store what the request changed. Raises StorageError or sqlite3.Error."""
        from local_aws.persistence import s3_models

        backend = self._backend()
        asked = unquote(request.head.raw_path).lstrip("/").partition("/")[0]
        blobs = s3_models.fresh + _upload_blobs(request)
        self._blobs.sync(s3_models.fresh)
        refs: Counter[str] = Counter()
        buckets: dict[str, bytes] = {}
        with self._database.transaction() as connection:
            for name in self._buckets.keys() - backend.buckets.keys():
                _drop_bucket(connection, name, refs)
            for name, bucket in backend.buckets.items():
                record = self._buckets.get(name)
                if record is None or name == asked:
                    record = _bucket_record(backend, bucket)
                if record != self._buckets.get(name):
                    connection.execute(
                        "INSERT INTO buckets (name, record) VALUES (?, ?) ON CONFLICT "
                        "(name) DO UPDATE SET record=excluded.record",
                        (name, record),
                    )
                buckets[name] = record
                for key in bucket.keys.touched:
                    _keep_key(connection, backend, bucket, key, refs)
                for upload_id in bucket.multiparts.touched:
                    _keep_upload(connection, bucket, upload_id, refs)
                for upload_id, multipart in bucket.multiparts.items():
                    for number in multipart.touched:
                        _keep_part(connection, name, upload_id, multipart, number, refs)
            gone = _count_references(connection, refs, blobs)
        # From here on it is stored; nothing may fail any more.
        self._buckets = buckets
        for blob in blobs:
            blob.data = None if blob.name not in gone else blob.data
        self._blobs.remove(gone)
        self._forget_touched()

    def restore(self, request: Request) -> None:
        """Take back in moto's memory what the request changed and is not stored."""
        from moto.s3.models import s3_backends

        from local_aws.persistence import s3_models

        backend = self._backend()
        for name in backend.buckets.keys() - self._buckets.keys():
            del backend.buckets[name]
            s3_backends.bucket_accounts.pop(name, None)
        for name, record in self._buckets.items():
            missing = name not in backend.buckets
            bucket_before = backend.buckets.get(name)
            if missing or _bucket_record(backend, bucket_before) != record:
                self._put_bucket_back(backend, name, record)
            bucket = backend.buckets[name]
            for key in bucket.keys.touched:
                self._put_key_back(backend, bucket, key)
            self._put_uploads_back(bucket, whole=missing)
        blobs = s3_models.fresh + _upload_blobs(request)
        self._blobs.remove(blob.name for blob in blobs if not blob.inline)
        self._forget_touched()

    def _put_key_back(self, backend: Any, bucket: Any, key: str) -> None:
        versions: list[Any] = []
        for content, record in self._database.rows(
            "SELECT content, record FROM objects WHERE bucket=? AND key=? ORDER BY id",
            (bucket.name, key),
        ):
            versions.append(self._version(backend, versions, content, record))
        bucket.keys.put_back(key, versions)

    def _put_uploads_back(self, bucket: Any, whole: bool) -> None:
        multiparts = bucket.multiparts
        touched = set(multiparts.touched)
        touched.update(name for name, found in multiparts.items() if found.touched)
        for upload in touched:
            dict.pop(multiparts, upload, None)
        for upload, record in self._database.rows(
            "SELECT upload, record FROM uploads WHERE bucket=?", (bucket.name,)
        ):
            if whole or upload in touched:
                multipart = self._upload(bucket.name, upload, record)
                dict.__setitem__(multiparts, upload, multipart)

    def refused(self, request: Request) -> None:
        """An error: whatever moto had changed by then is taken back."""
        self.restore(request)

    def passed(self, request: Request) -> None:
        """Nothing was changed, so all that was looked at is as it was."""
        self._forget_touched()

    def _forget_touched(self) -> None:
        from local_aws.persistence import s3_models

        s3_models.fresh.clear()
        for bucket in self._backend().buckets.values():
            bucket.keys.touched.clear()
            bucket.multiparts.touched.clear()
            for multipart in bucket.multiparts.values():
                multipart.touched.clear()

    @staticmethod
    def _backend() -> Any:
        from moto.s3.models import s3_backends

        return s3_backends[ACCOUNT_ID]["aws"]


def _upload_blobs(request: Request) -> list[Blob]:
    return list(request.upload.blobs) if request.upload else []


def _is_plain_upload(head: Head) -> bool:
    """PutObject or UploadPart with the object's bytes, unchanged, as its body."""
    names = {name for name, _ in parse_qsl(head.query, keep_blank_values=True)}
    if head.method != "PUT" or "/" not in head.raw_path.lstrip("/"):
        return False
    if names & {"acl", "tagging", "retention", "legal-hold"}:
        return False
    if head.header("x-amz-copy-source"):
        return False
    if (head.header("x-amz-content-sha256") or "").startswith("STREAMING-"):
        return False  # chunks with signatures or checksums in between
    # Else moto computes the checksum from the body.
    algorithm = head.header("x-amz-sdk-checksum-algorithm")
    return not algorithm or bool(head.header(f"x-amz-checksum-{algorithm.lower()}"))


def _set_tags(backend: Any, arn: str, tags: dict[str, str]) -> None:
    if tags:
        backend.tagger.tags[arn] = tags
    else:
        backend.tagger.tags.pop(arn, None)


def _bucket_record(backend: Any, bucket: Any) -> bytes:
    state = {k: v for k, v in vars(bucket).items() if k not in _APART}
    return records.dump((state, backend.tagger.get_tag_dict_for_resource(bucket.arn)))


def _fields(content: Content) -> str:
    return json.dumps(
        [[blob.name, blob.size, blob.inline, blob.md5] for blob in content.blobs]
    )


def _names(text: str | None) -> Iterable[str]:
    return [fields[0] for fields in json.loads(text)] if text else []


def _keep_key(
    connection: Connection, backend: Any, bucket: Any, key: str, refs: Counter[str]
) -> None:
    """Make a key's rows what moto has in memory."""
    stored = {
        version: (row, content, record)
        for row, version, content, record in connection.execute(
            "SELECT id, version, content, record FROM objects WHERE bucket=? AND key=?",
            (bucket.name, key),
        )
    }
    present = dict.get(bucket.keys, key) or []
    for found in present:
        size, content, record = _version_row(backend, found)
        row, old_content, old_record = stored.pop(found.version_id, (None, None, None))
        if (content, record) == (old_content, old_record) and row is not None:
            continue
        connection.execute(
            "INSERT INTO objects (bucket, key, version, size, content, record) VALUES "
            "(?, ?, ?, ?, ?, ?) ON CONFLICT (bucket, key, version) DO UPDATE SET "
            "size=excluded.size, content=excluded.content, record=excluded.record",
            (bucket.name, key, found.version_id, size, content, record),
        )
        refs.update(_names(content))
        refs.subtract(_names(old_content))
    for row, content, _ in stored.values():
        connection.execute("DELETE FROM objects WHERE id=?", (row,))
        refs.subtract(_names(content))


def _version_row(backend: Any, version: Any) -> tuple[int, str | None, bytes]:
    """Size, content and record of an object or a delete marker."""
    from moto.s3.models import FakeDeleteMarker

    if isinstance(version, FakeDeleteMarker):
        state = {k: v for k, v in vars(version).items() if k != "key"}
        state["on_marker"] = isinstance(version.key, FakeDeleteMarker)
        return 0, None, records.dump((state, {}))
    tags = backend.tagger.get_tag_dict_for_resource(version.arn)
    record = records.dump((version.__getstate__(), tags))
    return version.contentsize, _fields(version.content), record


def _keep_upload(
    connection: Connection, bucket: Any, upload: str, refs: Counter[str]
) -> None:
    multipart = bucket.multiparts.get(upload)
    if multipart is None:
        _drop_upload(connection, bucket.name, upload, refs)
        return
    state = multipart.__getstate__() | {"parts": {}, "partlist": []}
    bare = type(multipart).__new__(type(multipart))
    bare.__setstate__(state)
    connection.execute(
        "INSERT OR REPLACE INTO uploads (bucket, upload, record) VALUES (?, ?, ?)",
        (bucket.name, upload, records.dump(bare)),
    )


def _keep_part(
    connection: Connection,
    bucket: str,
    upload: str,
    multipart: Any,
    number: int,
    refs: Counter[str],
) -> None:
    for (old,) in connection.execute(
        "SELECT content FROM parts WHERE bucket=? AND upload=? AND number=?",
        (bucket, upload, number),
    ):
        refs.subtract(_names(old))
    part = multipart.parts[number]
    content = _fields(part.content)
    connection.execute(
        "INSERT OR REPLACE INTO parts VALUES (?, ?, ?, ?, ?)",
        (bucket, upload, number, content, records.dump(part)),
    )
    refs.update(_names(content))


def _drop_upload(
    connection: Connection, bucket: str, upload: str, refs: Counter[str]
) -> None:
    where = (bucket, upload)
    for (content,) in connection.execute(
        "SELECT content FROM parts WHERE bucket=? AND upload=?", where
    ):
        refs.subtract(_names(content))
    connection.execute("DELETE FROM parts WHERE bucket=? AND upload=?", where)
    connection.execute("DELETE FROM uploads WHERE bucket=? AND upload=?", where)


def _drop_bucket(connection: Connection, name: str, refs: Counter[str]) -> None:
    for table in ("objects", "parts"):
        for (content,) in connection.execute(
            f"SELECT content FROM {table} WHERE bucket=?",  # noqa: S608 - ours
            (name,),
        ):
            refs.subtract(_names(content))
    for table in ("objects", "parts", "uploads"):
        connection.execute(f"DELETE FROM {table} WHERE bucket=?", (name,))  # noqa: S608
    connection.execute("DELETE FROM buckets WHERE name=?", (name,))


def _count_references(
    connection: Connection, refs: Counter[str], fresh: list[Blob]
) -> list[str]:
    """Add and remove blobs' references; returns the blobs that nothing names."""
    new = {blob.name: blob for blob in fresh}
    gone = []
    for name in refs.keys() | new.keys():
        change = refs[name]
        if name in new:
            if change > 0:
                connection.execute(
                    "INSERT INTO blobs VALUES (?, ?, ?)", (name, change, new[name].data)
                )
            else:
                gone.append(name)
        elif change:
            ((left,),) = connection.execute(
                "UPDATE blobs SET refs=refs+? WHERE name=? RETURNING refs",
                (change, name),
            ).fetchall()
            if left <= 0:
                connection.execute("DELETE FROM blobs WHERE name=?", (name,))
                gone.append(name)
    return gone
