"""Whether what a command is going to write can be written, asked before it begins."""

from __future__ import annotations

import errno
import os
import shutil
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from local_aws.installation import what_helps

# What a run of all lessons leaves, twice.
ROOM = 64_000_000


class NotWritable(Exception):
    """Something can't be written; the text says what, why and what helps."""


def require_writable(*folders: Path, room: int = ROOM) -> None:
    """Make the folders that are not there; see that all in them can be written to.

    Raises NotWritable.
    """
    for folder in folders:
        with told(folder):
            folder.mkdir(parents=True, exist_ok=True)
            for path in _within(folder):
                _require_permission(path)
            with tempfile.TemporaryFile(dir=folder) as file:
                file.write(bytes(4096))
        _require_room(folder, room)


def require_writable_files(files: Sequence[Path], room: int = ROOM) -> None:
    """See that files can be written anew, and that there is room for it.

    Raises NotWritable.
    """
    for path in files:
        with told(path):
            _require_permission(path)
            _require_permission(path.parent)
    for folder in sorted({path.parent for path in files}):
        _require_room(folder, room)


def _require_room(folder: Path, room: int) -> None:
    free = shutil.disk_usage(folder).free
    if free < room:
        raise NotWritable(
            f"Only {free / 1e6:.0f} MB are free on the disk of {_shown(folder)}; this "
            f"needs {room / 1e6:.0f}. Make room, then give the command again."
        )


def _require_permission(path: Path) -> None:
    if not os.access(path, os.W_OK):
        is_read_only = os.statvfs(path).f_flag & os.ST_RDONLY
        number = errno.EROFS if is_read_only else errno.EACCES
        raise OSError(number, os.strerror(number), str(path))


def write_text(path: Path, text: str) -> None:
    """Write a file at one go: it is there as it was or as it will be, never half.

    Raises NotWritable.
    """
    with told(path):
        path = path.resolve()
        descriptor, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
        try:
            with open(descriptor, "w", encoding="utf-8") as file:
                file.write(text)
            if path.exists():
                shutil.copymode(path, name)
            else:
                os.chmod(name, 0o644)
            os.replace(name, path)
        except BaseException:
            os.unlink(name)
            raise


@contextmanager
def told(place: Path) -> Iterator[None]:
    """Raise NotWritable, with a sentence, for an OSError about a file."""
    try:
        yield
    except (FileExistsError, NotADirectoryError) as error:
        path = _existing(Path(error.filename or place))
        raise NotWritable(
            f"{_shown(path)} has to be a folder, and is none. Move it away, then give "
            "the command again."
        ) from error
    except OSError as error:
        if error.errno is None:
            raise
        path = _existing(Path(error.filename or place))
        help_ = what_helps(error.errno, path)
        if error.errno == errno.EROFS:
            help_ = "Copy the course to a disk that can be written to."
        raise NotWritable(
            f"{_shown(path)} can't be written to: {error.strerror}. {help_}"
        ) from error


def _within(place: Path) -> Iterator[Path]:
    yield place
    if place.is_dir():
        for folder, folders, files in os.walk(place):
            found = (Path(folder, name) for name in [*folders, *files])
            yield from (path for path in found if not path.is_symlink())


def _existing(path: Path) -> Path:
    """Return the nearest place above that is there: it is what refuses."""
    while not path.exists() and path != path.parent:
        path = path.parent
    return path


def _shown(path: Path) -> str:
    path = path.absolute()
    inside = path.is_relative_to(Path.cwd()) and path != Path.cwd()
    return str(path.relative_to(Path.cwd()) if inside else path)
