"""moto's models of S3 with their bytes in blobs, and with a note of what is dirty."""

import base64
import binascii
import hashlib
import threading
from collections.abc import Iterable, Iterator
from typing import Any

from moto.s3.exceptions import EntityTooSmall, InvalidPart, MalformedXML
from moto.s3.models import (
    FakeBucket,
    FakeKey,
    FakeMultipart,
    PublicAccessBlock,
    s3_backends,
)
from moto.s3.utils import HAS_CRT, _VersionedKeyStore
from moto.settings import S3_UPLOAD_PART_MIN_SIZE

from local_aws.persistence.blobs import BlobStore, Content


def _blob_store(model: FakeKey | FakeMultipart) -> BlobStore:
    return s3_backends[model.account_id]["aws"].blobs


class BlobKey(FakeKey):
    """An object, or a part of an upload, whose bytes are in blobs."""

    def __new__(cls, *_: Any, **__: Any) -> "BlobKey":
        # moto's own __new__ remembers every object that there has ever been.
        return object.__new__(cls)

    def __init__(self, *arguments: Any, **options: Any) -> None:
        super().__init__(*arguments, **options)
        self._value_buffer = None

    @property
    def value(self) -> Content:
        return self.content

    @value.setter
    def value(self, new_value: bytes | str | Content) -> None:
        self.content = _blob_store(self).content_of(new_value)
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
        self.content = Content(_blob_store(self), ())

    def __deepcopy__(self, _: dict) -> "BlobKey":
        # ListObjectVersions copies every version that there is.
        copied = BlobKey.__new__(BlobKey)
        copied.__dict__.update(self.__dict__)
        return copied


class BlobMultipart(FakeMultipart):
    """An upload in parts that notes which parts have come."""

    def __new__(cls, *_: Any, **__: Any) -> "BlobMultipart":
        return object.__new__(cls)  # see BlobKey

    def __init__(self, *arguments: Any, **options: Any) -> None:
        super().__init__(*arguments, **options)
        self.dirty: set[int] = set()

    def __getstate__(self) -> dict[str, Any]:
        return {k: v for k, v in self.__dict__.items() if k != "dirty"}

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.__dict__.update(state)
        self.dirty = set()

    def set_part(self, part_id: int, value: bytes) -> FakeKey:
        part = super().set_part(part_id, value)
        self.dirty.add(part_id)
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
        content = Content(_blob_store(self), blobs)
        return content, f"{etag}-{len(parts)}", self._checksum(parts, content)

    def _checksum(self, parts: list[FakeKey], content: Content) -> tuple[str, str, int]:
        algorithm = self.metadata.get("x-amz-checksum-algorithm") or "CRC64NVME"
        kind = self.metadata.get("x-amz-checksum-type") or (
            "FULL_OBJECT" if algorithm == "CRC64NVME" else "COMPOSITE"
        )
        if kind != "COMPOSITE":
            return kind, encoded_checksum(content.pieces(), algorithm), 1
        sums = [checksum(part.content.pieces(), algorithm) for part in parts]
        return kind, encoded_checksum(sums, algorithm), len(parts)


class NewBucket(FakeBucket):
    """A bucket as S3 makes one since April 2023: without ACLs, and closed to the public
    (S3 User Guide, "Default settings for new S3 buckets FAQ").
    """

    def __init__(self, *arguments: Any, **options: Any) -> None:
        super().__init__(*arguments, **options)
        self.ownership_rule = "BucketOwnerEnforced"
        self.public_access_block = PublicAccessBlock(*4 * ("true",))


class DirtyKeyStore(_VersionedKeyStore):
    """A bucket's objects; those that were looked at may have been changed: dirty."""

    def __init__(self) -> None:
        super().__init__()
        self.dirty: set[str] = set()

    def __sgetitem__(self, key: str) -> list[Any]:
        self.dirty.add(key)
        return super().__sgetitem__(key)

    def put_back(self, key: str, versions: list[Any]) -> None:
        """Set a key's versions as they are persisted; none: it is not there."""
        if versions:
            dict.__setitem__(self, key, versions)
        else:
            dict.pop(self, key, None)


def checksum(pieces: Iterable[bytes], algorithm: str) -> bytes:
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


def encoded_checksum(pieces: Iterable[bytes], algorithm: str) -> str:
    return base64.b64encode(checksum(pieces, algorithm)).decode()


def compute_checksum(
    body: bytes | Content, algorithm: str, encode_base64: bool = True
) -> bytes:
    """moto's compute_checksum, for content too."""
    pieces = body.pieces() if isinstance(body, Content) else [body]
    value = checksum(pieces, algorithm)
    return base64.b64encode(value) if encode_base64 else value
