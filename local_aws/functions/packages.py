"""A function's zip: checked, kept on the disk, unpacked.

What a zip says of itself is not believed: names that would leave the folder, links,
and content beyond Lambda's limit are refused before anything is written.
"""

import base64
import hashlib
import importlib.metadata
import io
import os
import shutil
import stat
import uuid
import zipfile
import zlib
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from local_aws.persistence.blobs import fsync

# Lambda Developer Guide, "Lambda quotas": 50 MB zipped, 250 MB unzipped.
LARGEST_ZIP = 50 * 2**20
LARGEST_UNZIPPED = 250 * 2**20
# Each takes a block of the disk, so that a small zip could fill it with empty files.
MOST_FILES = 50_000
LONGEST_NAME = 255  # bytes, on the usual file systems
LONGEST_PATH = 1024
READ_BYTES = 2**20
METHODS = (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED)
ENTRY = b"PK\1\2"  # how one in a zip's directory begins

# What AWS's Python runtimes bring: boto3 and what it needs (Lambda Developer Guide,
# "Runtime-included SDK versions").
BROUGHT = ("boto3", "botocore", "jmespath", "python-dateutil", "s3transfer", "six")
BROUGHT += ("urllib3",)

ZIP = "code.zip"
TASK = "task"


class BadZip(ValueError):
    """The zip can't be used; the text is for who has sent it."""


@dataclass(frozen=True)
class Package:
    """A zip that has been checked."""

    content: bytes
    sha256: str  # in base64, as Lambda shows it

    @property
    def size(self) -> int:
        return len(self.content)


def check(content: bytes) -> Package:
    """Raise BadZip unless the zip can be unpacked, and safely."""
    sha256 = base64.b64encode(hashlib.sha256(content).digest()).decode()
    if content.count(ENTRY) > 2 * MOST_FILES:  # zipfile would read them all
        raise _too_many()
    try:
        with zipfile.ZipFile(io.BytesIO(content)) as archive:
            _check_members(archive.infolist())
            left = LARGEST_UNZIPPED
            for member in archive.infolist():
                left -= _size(archive, member, left)
    except BadZip:
        raise
    except (zipfile.BadZipFile, zlib.error, EOFError, OSError, ValueError) as error:
        raise _not_unzipped() from error
    except (NotImplementedError, RuntimeError) as error:  # it is encrypted
        raise _not_unzipped() from error
    return Package(content, sha256)


def _too_many() -> BadZip:
    return BadZip(f"The zip holds more than {MOST_FILES:,} files.")


def _not_unzipped() -> BadZip:
    return BadZip(
        "Could not unzip uploaded file. Please check your file, then try to upload "
        "again."
    )


def _check_members(members: list[zipfile.ZipInfo]) -> None:
    """Raise BadZip for names that can't all be files and folders below one folder."""
    if not members:
        raise BadZip("Uploaded file must be a non-empty zip")
    if len(members) > MOST_FILES:
        raise _too_many()
    files, folders = set(), set()
    for member in members:
        path = PurePosixPath(member.filename)
        if (
            not path.parts
            or path.is_absolute()
            or ".." in path.parts
            or "\\" in member.filename
            or member.compress_type not in METHODS
            or len(os.fsencode(member.filename)) > LONGEST_PATH
            or any(len(os.fsencode(part)) > LONGEST_NAME for part in path.parts)
        ):
            raise _not_unzipped()
        kind = stat.S_IFMT(member.external_attr >> 16)
        if kind and kind not in (stat.S_IFREG, stat.S_IFDIR):
            raise BadZip(
                f"{member.filename} in the zip is a link or a device, which this local "
                "stand-in does not unpack."
            )
        folders.update(path.parents)
        (folders if member.is_dir() else files).add(path)
    if files & folders:
        raise _not_unzipped()


def _size(archive: zipfile.ZipFile, member: zipfile.ZipInfo, left: int) -> int:
    """The member's real size; reads it to its end, which checks it."""
    size = 0
    with archive.open(member) as file:
        while piece := file.read(READ_BYTES):
            size += len(piece)
            if size > left:
                raise BadZip(
                    f"Unzipped size must be smaller than {LARGEST_UNZIPPED} bytes"
                )
    return size


class CodeStore:
    """The zips of all functions, each in a folder of its own, and unpacked there."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        folder.mkdir(mode=0o700, exist_ok=True)

    def add(self, package: Package) -> str:
        """Keep a zip; it is on the disk when this returns its name. Raises OSError."""
        name = uuid.uuid4().hex
        folder = self._folder / name
        folder.mkdir(mode=0o700)
        try:
            (folder / ZIP).write_bytes(package.content)
            for path in (folder / ZIP, folder, self._folder):
                fsync(path)
        except OSError:
            self.remove(name)
            raise
        return name

    def zip(self, name: str) -> bytes:
        """The zip as it was sent."""
        return (self._folder / name / ZIP).read_bytes()

    def task(self, name: str) -> Path:
        """The folder with the unpacked zip; unpacks it if need be."""
        task = self._folder / name / TASK
        if not task.is_dir():
            self.unpack(name)
        return task

    def unpack(self, name: str) -> None:
        """Unpack a zip that has been checked."""
        folder = self._folder / name
        begun = folder / f"{TASK}-{uuid.uuid4().hex}"
        begun.mkdir(mode=0o700)
        try:
            _extract(folder / ZIP, begun)
            begun.rename(folder / TASK)
        except OSError:
            if not (folder / TASK).is_dir():  # else another thread was quicker
                raise
        finally:
            shutil.rmtree(begun, ignore_errors=True)

    def remove(self, name: str) -> None:
        shutil.rmtree(self._folder / name, ignore_errors=True)

    def sweep(self, known: set[str]) -> None:
        """At the start, remove what no function has: the process ended before it could
        be removed. What was unpacked goes too, since it may not have come to the disk.
        """
        for path in self._folder.iterdir():
            if path.name not in known:
                shutil.rmtree(path, ignore_errors=True)
            for unpacked in path.glob(f"{TASK}*"):
                shutil.rmtree(unpacked, ignore_errors=True)


def _extract(zip_path: Path, folder: Path) -> None:
    with zipfile.ZipFile(zip_path) as archive:
        for member in archive.infolist():
            written = archive.extract(member, folder)
            if not member.is_dir() and member.external_attr >> 16 & stat.S_IXUSR:
                os.chmod(written, 0o700)


def link_brought_packages(folder: Path) -> Path:
    """A folder with the packages that AWS's runtime brings, as links to ours."""
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(mode=0o700)
    for name in BROUGHT:
        distribution = importlib.metadata.distribution(name)
        tops = {file.parts[0] for file in distribution.files or ()}
        for top in tops - {"..", "__pycache__"}:
            (folder / top).symlink_to(Path(distribution.locate_file(top)).resolve())
    return folder
