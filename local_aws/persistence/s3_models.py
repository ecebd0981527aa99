"""moto's models of S3 with their bytes in blobs, and with a note of what is touched.

`install` puts these classes in the place of moto's own. moto's operations stay what
they are; only where bytes live and how they are read differs.
"""

import base64
import binascii
import hashlib
import threading
from collections.abc import Iterable, Iterator
from typing import Any

from moto.s3 import models, responses
from moto.s3.exceptions import EntityTooSmall, InvalidPart, MalformedXML
from moto.s3.models import FakeKey, FakeMultipart, MultipartDict
from moto.s3.utils import HAS_CRT, _VersionedKeyStore
from moto.settings import S3_UPLOAD_PART_MIN_SIZE

from local_aws.persistence.blobs import CHUNK, Blob, BlobStore, Content

# What a request has made and may not need in the end; one request at a time changes S3.
fresh: list[Blob] = []
_store: BlobStore
_bytes_wanted = False


def install(store: BlobStore) -> None:
    """Let moto use the classes below, with `store` for their bytes."""
    global _store
    _store = store
    models.FakeKey = KeptKey
    models.FakeMultipart = KeptMultipart
    models.MultipartDict = KeptMultiparts
    models._VersionedKeyStore = KeptKeyStore
    models.S3Backend.copy_object = _copy_object
    models.S3Backend.select_object_content = _select_object_content
    models.compute_checksum = responses.compute_checksum = _checksum_of_any


class KeptKey(FakeKey):
    """An object, or a part of an upload, whose bytes are in blobs."""

    def __new__(cls, *_: Any, **__: Any) -> "KeptKey":
        # moto's own __new__ remembers every object that there has ever been.
        return object.__new__(cls)

    def __init__(self, *arguments: Any, **options: Any) -> None:
        super().__init__(*arguments, **options)
        self._value_buffer = None

    @property
    def value(self) -> Content | bytes:
        return bytes(self.content) if _bytes_wanted else self.content

    @value.setter
    def value(self, new_value: bytes | str | Content) -> None:
        self.content = _content_of(new_value)
        self.contentsize = len(self.content)

    @property
    def etag(self) -> str:
        if self._etag is None:
            self._etag = self.content.md5()
        return f'"{self._etag}"'

    def dispose(self, garbage: bool = False) -> None:
        """Nothing: files are removed when the change has been committed."""

    def __del__(self) -> None:
        """Nothing, for the same reason."""

    def __getstate__(self) -> dict[str, Any]:
        state = self.__dict__.copy()
        for name in ("content", "lock", "_value_buffer"):
            state.pop(name, None)
        return state

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.__dict__.update(state)
        self._value_buffer = None
        self.lock = threading.Lock()
        self.content = Content(_store, ())

    def __deepcopy__(self, _: dict) -> "KeptKey":
        # ListObjectVersions copies every version that there is.
        copied = KeptKey.__new__(KeptKey)
        copied.__dict__.update(self.__dict__)
        return copied


def _content_of(value: bytes | str | Content) -> Content:
    if isinstance(value, str):
        value = value.encode()
    if isinstance(value, Content):
        if value.is_whole:
            return value  # a copy, or an upload that has been taken already
        blob = _store.make(value.pieces(), len(value))
    else:
        view = memoryview(value)
        pieces = (bytes(view[at : at + CHUNK]) for at in range(0, len(view), CHUNK))
        blob = _store.make(pieces, len(value))
    fresh.append(blob)
    return Content(_store, [blob])


class KeptMultipart(FakeMultipart):
    """An upload in parts that notes which parts have come."""

    def __new__(cls, *_: Any, **__: Any) -> "KeptMultipart":
        return object.__new__(cls)

    def __init__(self, *arguments: Any, **options: Any) -> None:
        super().__init__(*arguments, **options)
        self.touched: set[int] = set()

    def __getstate__(self) -> dict[str, Any]:
        return {k: v for k, v in self.__dict__.items() if k != "touched"}

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.__dict__.update(state)
        self.touched = set()

    def set_part(self, part_id: int, value: bytes) -> FakeKey:
        part = super().set_part(part_id, value)
        self.touched.add(part_id)
        return part

    def complete(
        self, body: Iterator[tuple[int, str]]
    ) -> tuple[Content, str, tuple[str, str, int]]:
        """The object's bytes, its ETag and its checksum, without reading all at once.

        ETag: the MD5 of the parts' MD5s and their number; checksum of type COMPOSITE:
        the same with the chosen algorithm (S3 User Guide, "Checking object
        integrity").
        """
        parts: list[FakeKey] = []
        for number, tag in body:
            part = self.parts.get(number)
            if part is None or part.etag.strip('"') != tag.strip('"'):
                raise InvalidPart()
            if parts and parts[-1].contentsize < S3_UPLOAD_PART_MIN_SIZE:
                raise EntityTooSmall()
            parts.append(part)
        if not parts:
            raise MalformedXML
        tags = b"".join(bytes.fromhex(part.etag.strip('"')) for part in parts)
        etag = hashlib.md5(tags, usedforsecurity=False).hexdigest()
        blobs = [blob for part in parts for blob in part.content.blobs]
        content = Content(_store, blobs)
        return content, f"{etag}-{len(parts)}", self._checksum(parts, content)

    def _checksum(self, parts: list[FakeKey], content: Content) -> tuple[str, str, int]:
        algorithm = self.metadata.get("x-amz-checksum-algorithm") or "CRC64NVME"
        kind = self.metadata.get("x-amz-checksum-type") or (
            "FULL_OBJECT" if algorithm == "CRC64NVME" else "COMPOSITE"
        )
        if kind != "COMPOSITE":
            return kind, _encoded_checksum(content.pieces(), algorithm), 1
        sums = [_checksum(part.content.pieces(), algorithm) for part in parts]
        return kind, _encoded_checksum(sums, algorithm), len(parts)


def _checksum(pieces: Iterable[bytes], algorithm: str) -> bytes:
    """A checksum of all pieces together, by an algorithm's name in S3."""
    if algorithm in ("SHA1", "SHA256"):
        digest = hashlib.new(algorithm, usedforsecurity=False)
        for piece in pieces:
            digest.update(piece)
        return digest.digest()
    crc = 0
    if algorithm in ("CRC64NVME", "CRC32C") and HAS_CRT:
        from awscrt import checksums

        update = getattr(checksums, algorithm.lower())
        for piece in pieces:
            crc = update(piece, crc)
        return crc.to_bytes(8 if algorithm == "CRC64NVME" else 4, "big")
    # moto answers CRC32 too where it has no library for the others.
    for piece in pieces:
        crc = binascii.crc32(piece, crc)
    return crc.to_bytes(4, "big")


def _encoded_checksum(pieces: Iterable[bytes], algorithm: str) -> str:
    return base64.b64encode(_checksum(pieces, algorithm)).decode()


def _checksum_of_any(
    body: bytes | Content, algorithm: str, encode_base64: bool = True
) -> bytes:
    """moto's compute_checksum, for content too."""
    pieces = body.pieces() if isinstance(body, Content) else [body]
    checksum = _checksum(pieces, algorithm)
    return base64.b64encode(checksum) if encode_base64 else checksum


def _copy_object(
    self: models.S3Backend, src_key: FakeKey, bucket: str, key: str, **options: Any
) -> None:
    """A copy has its source's tags only, and a checksum of the whole.

    moto adds the tags to those of the object that is overwritten, and keeps the
    checksum of the source's parts.
    """
    tags = self.tagger.get_tag_dict_for_resource(src_key.arn)
    _moto_copy_object(self, src_key, bucket, key, **options)
    copied = self.get_bucket(bucket).keys[key]
    self.tagger.tags[copied.arn] = tags
    if src_key.checksum_type == "COMPOSITE" and copied.checksum_algorithm:
        copied.checksum_value = _encoded_checksum(
            copied.content.pieces(), copied.checksum_algorithm
        )
        copied.checksum_type = "FULL_OBJECT"


def _select_object_content(self: models.S3Backend, *arguments: Any) -> Any:
    """Select unpacks and decodes an object, and so needs real bytes."""
    global _bytes_wanted
    _bytes_wanted = True
    try:
        return _moto_select_object_content(self, *arguments)
    finally:
        _bytes_wanted = False


_moto_copy_object = models.S3Backend.copy_object
_moto_select_object_content = models.S3Backend.select_object_content


class KeptMultiparts(MultipartDict):
    """A bucket's uploads; notes which were begun or ended."""

    def __init__(self) -> None:
        super().__init__()
        self.touched: set[str] = set()

    def __setitem__(self, key: str, value: FakeMultipart) -> None:
        self.touched.add(key)
        super().__setitem__(key, value)

    def __delitem__(self, key: str) -> None:
        self.touched.add(key)
        dict.__delitem__(self, key)


class KeptKeyStore(_VersionedKeyStore):
    """A bucket's objects; notes which were looked at, and so may have been changed."""

    def __init__(self) -> None:
        super().__init__()
        self.touched: set[str] = set()

    def __sgetitem__(self, key: str) -> list[Any]:
        self.touched.add(key)
        return super().__sgetitem__(key)

    def put_back(self, key: str, versions: list[Any]) -> None:
        """Set a key's versions as they are stored; none: it is not there."""
        if versions:
            dict.__setitem__(self, key, versions)
        else:
            dict.pop(self, key, None)
