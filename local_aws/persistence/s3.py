"""S3: buckets, objects with their versions, uploads in parts."""

import json
import logging
from collections import Counter
from collections.abc import Iterable
from sqlite3 import Connection
from typing import IO, TYPE_CHECKING, Any
from urllib.parse import parse_qsl, unquote

from moto.s3.models import FakeBucket, FakeDeleteMarker, s3_backends

from local_aws.errors import AwsError, StorageError
from local_aws.installation import ACCOUNT_ID
from local_aws.persistence import OBJECTS, moto_patches, pickles
from local_aws.persistence.blobs import (
    LARGEST_INLINE,
    Blob,
    BlobStore,
    Content,
    pieces_of,
)
from local_aws.persistence.database import Database
from local_aws.persistence.s3_models import BlobKey, BlobMultipart
from local_aws.persistence.service import Change, ServicePersistence

if TYPE_CHECKING:
    from local_aws.messages import Head

log = logging.getLogger(__name__)

NO_UPLOAD = (
    "The specified upload does not exist. The upload ID may be invalid, or the upload "
    "may have been aborted or completed."
)
CHANGING = ("PUT", "POST", "DELETE")
_APART = ("keys", "multiparts")  # in rows of their own


class S3Persistence(ServicePersistence):
    """S3 on disk; `take_upload` is called outside of the service's lock."""

    def __init__(self, database: Database) -> None:
        super().__init__(database)
        self._folder = database.path.with_name(OBJECTS)
        self._blobs = BlobStore(self._folder, database)
        self._buckets: dict[str, bytes] = {}  # name -> record as it is persisted
        self._uploads: set[tuple[str, str]] = set()  # bucket and id, likewise

    # What a request brings

    def take_upload(self, head: "Head", body: IO[bytes], size: int) -> Content | None:
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

    def buckets(self) -> dict[str, Any]:
        """moto's buckets by their names."""
        return _backend().buckets

    def check_is_there(
        self, bucket: str, key: str, version: str | None, upload: str | None
    ) -> None:
        """Raise AwsError if the bucket has no such object, version or upload."""
        found = _backend().buckets.get(bucket)
        if found is None:
            return  # which moto tells itself
        versions = dict.get(found.keys, key) or []
        if upload is not None:
            # An upload may be completed again (S3 User Guide: that is idempotent).
            parts = [getattr(version, "multipart", None) for version in versions]
            done = {part.id for part in parts if part is not None}
            if upload not in found.multiparts.keys() | done:
                raise AwsError("NoSuchUpload", NO_UPLOAD, 404)
            return
        if not versions:
            raise AwsError("NoSuchKey", "The specified key does not exist.", 404)
        if version and version not in [str(v.version_id) for v in versions]:
            text = "The specified version does not exist."
            raise AwsError("NoSuchVersion", text, 404)

    def check_token(self, bucket: str, token: str) -> None:
        """Raise AwsError if this token of ListObjectsV2 is not one of moto's."""
        backend = _backend()
        if bucket in backend.buckets and token not in backend._pagination_tokens:
            text = "The continuation token provided is incorrect"
            raise AwsError("InvalidArgument", text)

    # Filling moto at start

    def load(self) -> None:
        self._folder.mkdir(mode=0o700, exist_ok=True)
        moto_patches.patch_s3(self._blobs)
        backend = _backend()
        for name, record in self._database.rows(
            "SELECT name, record FROM buckets ORDER BY id"
        ):
            self._put_bucket_back(backend, name, record)
        self._load_objects(backend)
        for name, upload in self._database.rows(
            "SELECT bucket, upload FROM uploads ORDER BY id"
        ):
            self._put_upload_back(backend.buckets[name], upload)
        files = self._database.rows("SELECT name FROM blobs WHERE data IS NULL")
        for name in self._blobs.sweep({name for (name,) in files}):
            log.error("The file %s of an object is missing in the state folder", name)
        self._clean()

    def _load_objects(self, backend: Any) -> None:
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
        state, tags = pickles.load(record)
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
        state, tags = pickles.load(record)
        if content is None:
            # moto only asks of what kind that is which the marker was put upon.
            kind = FakeDeleteMarker if state.pop("on_marker") else BlobKey
            older = [version for version in before if isinstance(version, kind)]
            state["key"] = older[-1] if older else pickles.rebuild(kind, {})
            return pickles.rebuild(FakeDeleteMarker, state)
        key = BlobKey.__new__(BlobKey)
        key.__setstate__(state)
        key.content = self._content(content)
        _set_tags(backend, key.arn, tags)
        return key

    def _put_upload_back(self, bucket: Any, upload: str) -> None:
        where = (bucket.name, upload)
        [(record,)] = self._database.rows(
            "SELECT record FROM uploads WHERE bucket=? AND upload=?", where
        )
        multipart = pickles.load(record)
        for number, content, part_record in self._database.rows(
            "SELECT number, content, record FROM parts WHERE bucket=? AND upload=? "
            "ORDER BY number",
            where,
        ):
            part = pickles.load(part_record)
            part.content = self._content(content)
            multipart.parts[number] = part
            multipart.partlist.append(number)
        bucket.multiparts[upload] = multipart
        self._uploads.add(where)

    def _content(self, text: str) -> Content:
        return Content(self._blobs, [Blob(*fields) for fields in json.loads(text)])

    # After a request

    def is_change(self, change: Change) -> bool:
        # Access logs make even a GET write an object.
        return change.head.method in CHANGING or any(
            bucket.logging for bucket in _backend().buckets.values()
        )

    def persist(self, change: Change) -> None:
        backend = _backend()
        asked = unquote(change.head.raw_path).lstrip("/").partition("/")[0]
        blobs = self._blobs.new + _upload_blobs(change)
        self._blobs.sync(self._blobs.new)
        refs: Counter[str] = Counter()
        buckets: dict[str, bytes] = {}
        uploads = _uploads(backend)
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
                for key in bucket.keys.dirty:
                    _write_key(connection, backend, bucket, key, refs)
            for name, upload in self._uploads - uploads.keys():
                _drop_upload(connection, name, upload, refs)
            for (name, upload), multipart in uploads.items():
                if (name, upload) not in self._uploads:
                    _write_upload(connection, name, multipart)
                for number in multipart.dirty:
                    _write_part(connection, name, multipart, number, refs)
            gone = _count_references(connection, refs, blobs)
        # From here on it is persisted; nothing may fail any more.
        self._buckets = buckets
        self._uploads = set(uploads)
        for blob in blobs:
            if blob.name not in gone:
                blob.data = None  # it is in the database now
        self._blobs.remove(gone)
        self._clean()

    def roll_back(self, change: Change) -> None:
        backend = _backend()
        for name in backend.buckets.keys() - self._buckets.keys():
            del backend.buckets[name]
            s3_backends.bucket_accounts.pop(name, None)
        for name, record in self._buckets.items():
            bucket = backend.buckets.get(name)
            if bucket is None or _bucket_record(backend, bucket) != record:
                self._put_bucket_back(backend, name, record)
            bucket = backend.buckets[name]
            for key in bucket.keys.dirty:
                self._put_key_back(backend, bucket, key)
        uploads = _uploads(backend)
        for (name, upload), multipart in uploads.items():
            if multipart.dirty or (name, upload) not in self._uploads:
                del backend.buckets[name].multiparts[upload]
        for name, upload in self._uploads - _uploads(backend).keys():
            self._put_upload_back(backend.buckets[name], upload)
        blobs = self._blobs.new + _upload_blobs(change)
        self._blobs.remove(blob.name for blob in blobs if not blob.inline)
        self._clean()

    def fail(self, change: Change) -> None:
        """Take back whatever moto had changed by then."""
        self.roll_back(change)

    def skip(self) -> None:
        """Nothing was changed, so all that was looked at is as it was."""
        self._clean()

    def _clean(self) -> None:
        """Nothing is dirty any more."""
        self._blobs.new.clear()
        for bucket in _backend().buckets.values():
            bucket.keys.dirty.clear()
            for multipart in bucket.multiparts.values():
                multipart.dirty.clear()

    def _put_key_back(self, backend: Any, bucket: Any, key: str) -> None:
        versions: list[Any] = []
        for content, record in self._database.rows(
            "SELECT content, record FROM objects WHERE bucket=? AND key=? ORDER BY id",
            (bucket.name, key),
        ):
            versions.append(self._version(backend, versions, content, record))
        bucket.keys.put_back(key, versions)


def _backend() -> Any:
    return s3_backends[ACCOUNT_ID]["aws"]


def _uploads(backend: Any) -> dict[tuple[str, str], BlobMultipart]:
    """All uploads in parts, by bucket and id."""
    return {
        (name, upload): multipart
        for name, bucket in backend.buckets.items()
        for upload, multipart in bucket.multiparts.items()
    }


def _upload_blobs(change: Change) -> list[Blob]:
    return list(change.upload.blobs) if change.upload else []


def _is_plain_upload(head: "Head") -> bool:
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
    return pickles.dump((state, backend.tagger.get_tag_dict_for_resource(bucket.arn)))


def _fields(content: Content) -> str:
    return json.dumps(
        [[blob.name, blob.size, blob.inline, blob.md5] for blob in content.blobs]
    )


def _names(text: str | None) -> Iterable[str]:
    return [fields[0] for fields in json.loads(text)] if text else []


def _write_key(
    connection: Connection, backend: Any, bucket: Any, key: str, refs: Counter[str]
) -> None:
    """Make a key's rows what moto has in memory."""
    persisted = {
        version: (row, content, record)
        for row, version, content, record in connection.execute(
            "SELECT id, version, content, record FROM objects WHERE bucket=? AND key=?",
            (bucket.name, key),
        )
    }
    present = dict.get(bucket.keys, key) or []
    for found in present:
        size, content, record = _version_row(backend, found)
        _, *old = persisted.pop(found.version_id, (None, None, None))
        if old == [content, record]:
            continue
        connection.execute(
            "INSERT INTO objects (bucket, key, version, size, content, record) VALUES "
            "(?, ?, ?, ?, ?, ?) ON CONFLICT (bucket, key, version) DO UPDATE SET "
            "size=excluded.size, content=excluded.content, record=excluded.record",
            (bucket.name, key, found.version_id, size, content, record),
        )
        refs.update(_names(content))
        refs.subtract(_names(old[0]))
    for row, content, _ in persisted.values():
        connection.execute("DELETE FROM objects WHERE id=?", (row,))
        refs.subtract(_names(content))


def _version_row(backend: Any, version: Any) -> tuple[int, str | None, bytes]:
    """Size, content and record of an object or a delete marker."""
    if isinstance(version, FakeDeleteMarker):
        state = {k: v for k, v in vars(version).items() if k != "key"}
        state["on_marker"] = isinstance(version.key, FakeDeleteMarker)
        return 0, None, pickles.dump((state, {}))
    tags = backend.tagger.get_tag_dict_for_resource(version.arn)
    record = pickles.dump((version.__getstate__(), tags))
    return version.contentsize, _fields(version.content), record


def _write_upload(connection: Connection, bucket: str, multipart: Any) -> None:
    state = multipart.__getstate__() | {"parts": {}, "partlist": []}
    connection.execute(
        "INSERT INTO uploads (bucket, upload, record) VALUES (?, ?, ?)",
        (bucket, multipart.id, pickles.dump(pickles.rebuild(BlobMultipart, state))),
    )


def _write_part(
    connection: Connection, bucket: str, multipart: Any, number: int, refs: Counter[str]
) -> None:
    where = (bucket, multipart.id, number)
    old = connection.execute(
        "DELETE FROM parts WHERE bucket=? AND upload=? AND number=? RETURNING content",
        where,
    )
    _release(old, refs)
    part = multipart.parts[number]
    content = _fields(part.content)
    connection.execute(
        "INSERT INTO parts VALUES (?, ?, ?, ?, ?)",
        (*where, content, pickles.dump(part)),
    )
    refs.update(_names(content))


def _drop_upload(
    connection: Connection, bucket: str, upload: str, refs: Counter[str]
) -> None:
    where = (bucket, upload)
    parts = connection.execute(
        "DELETE FROM parts WHERE bucket=? AND upload=? RETURNING content", where
    )
    _release(parts, refs)
    connection.execute("DELETE FROM uploads WHERE bucket=? AND upload=?", where)


def _drop_bucket(connection: Connection, name: str, refs: Counter[str]) -> None:
    objects = connection.execute(
        "DELETE FROM objects WHERE bucket=? RETURNING content", (name,)
    )
    _release(objects, refs)
    connection.execute("DELETE FROM buckets WHERE name=?", (name,))


def _release(rows: Iterable[tuple[str | None]], refs: Counter[str]) -> None:
    """Count the references of deleted rows."""
    for (content,) in rows:
        refs.subtract(_names(content))


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
