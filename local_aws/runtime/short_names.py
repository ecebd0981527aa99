"""Folders with a short name, for what a container needs one of.

A Unix socket's path holds about a hundred characters, and a shell script does not quote
the paths in it; a container's own folder may be called anything.
"""

import contextlib
import os
import shutil
import stat
import tempfile
import time
from pathlib import Path

PARENT = Path("/tmp")  # noqa: S108 - each in a folder that only this user can enter
PREFIX = "sagemaker-"

# In such a folder: a link to the folder of the container that it belongs to, and the
# socket of one that serves.
OWNER = "container"
SOCKET = "socket"

# A folder without a link, or with nothing in it, is being made or removed for a moment.
ABANDONED_SECONDS = 60


def make_folder(owner: Path) -> Path:
    """A new folder for the container whose own folder is `owner`."""
    folder = Path(tempfile.mkdtemp(prefix=PREFIX, dir=PARENT))
    (folder / OWNER).symlink_to(owner)
    return folder


def remove(folder: Path) -> None:
    """Remove such a folder, though its container, which is just ending, may be making
    the socket: once the folder is gone it can't.
    """
    for _ in range(100):
        shutil.rmtree(folder, ignore_errors=True)
        if not folder.exists():
            return


def remove_left_overs(home: Path) -> None:
    """Remove those of containers below `home` that an earlier run has left.

    None of them may be running: the caller holds the server lock of `home`. Those of
    containers whose folder is gone go too, and those whose making or removal was cut
    off: nobody else would remove them.
    """
    for folder in PARENT.glob(f"{PREFIX}*"):
        with contextlib.suppress(FileNotFoundError, PermissionError):
            if folder.lstat().st_uid == os.getuid() and _is_left_over(folder, home):
                remove(folder)


def _is_left_over(folder: Path, home: Path) -> bool:
    try:
        owner = Path(os.readlink(folder / OWNER))
    except OSError:
        return _is_abandoned(folder)
    return owner.is_relative_to(home) or not owner.exists()


def _is_abandoned(folder: Path) -> bool:
    """Whether it is a folder of ours without a link, and not only for a moment."""
    status = folder.lstat()
    return (
        stat.S_ISDIR(status.st_mode)
        and time.time() - status.st_mtime > ABANDONED_SECONDS
        and all(one.name == SOCKET and one.is_socket() for one in folder.iterdir())
    )
