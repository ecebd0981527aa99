"""model.tar.gz and output.tar.gz: written from a folder, unpacked into one."""

import errno
import tarfile
import zlib
from pathlib import Path

READ_BYTES = 1024 * 1024

# What is the matter with the machine and not with an archive.
MACHINE_ERRORS = {
    errno.EDQUOT,
    errno.EFBIG,
    errno.EIO,
    errno.EMFILE,
    errno.ENFILE,
    errno.ENOSPC,
    errno.EROFS,
}


class UnsafeArchive(ValueError):
    """An archive that is damaged, or that would write outside of its folder."""


def pack(folder: Path, archive: Path) -> None:
    """Write a gzip tar of the folder's content, its members at the root."""
    with tarfile.open(archive, "w:gz", compresslevel=6) as tar:
        for path in sorted(folder.iterdir()):
            tar.add(path, arcname=path.name, filter=_without_owner)


def _without_owner(member: tarfile.TarInfo) -> tarfile.TarInfo:
    """The learner's user name is nobody's business in an artifact."""
    member.uid = member.gid = 0
    member.uname = member.gname = ""
    return member


def unpack(archive: Path, folder: Path) -> None:
    """Unpack a gzip tar below `folder`.

    Raises UnsafeArchive for links (AWS page: Troubleshoot Amazon SageMaker model
    deployments), for members outside of the folder, for devices, and for a file that
    is no gzip tar; OSError when the machine can't take the content: no space left.
    """
    try:
        with tarfile.open(archive, "r:gz") as tar:
            for member in tar:
                if member.issym() or member.islnk():
                    raise UnsafeArchive(
                        f"{member.name} is a link; links in a model archive are "
                        "refused."
                    )
                tar.extract(member, folder, filter="data")
            while tar.fileobj.read(READ_BYTES):
                pass  # the checksum is at the end
    except (tarfile.TarError, EOFError, OSError, zlib.error) as error:
        if isinstance(error, OSError) and error.errno in MACHINE_ERRORS:
            raise
        raise UnsafeArchive(f"The archive can't be unpacked: {error}") from error
