"""model.tar.gz and output.tar.gz: written from a folder, unpacked into one."""

import errno
import shutil
import stat
import tarfile
import zlib
from pathlib import Path
from typing import Self

READ_BYTES = 1024 * 1024

# Headers that say more of the member that follows. tarfile reads them at once, so a
# small archive with a very long one would fill the memory.
EXTENSIONS = frozenset(
    {
        tarfile.XHDTYPE,
        tarfile.XGLTYPE,
        tarfile.SOLARIS_XHDTYPE,
        tarfile.GNUTYPE_LONGNAME,
        tarfile.GNUTYPE_LONGLINK,
    }
)
MAX_EXTENSION_BYTES = 1024 * 1024

# What any member takes on a disk, an empty file too.
LEAST_BYTES = 4096

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


class _Member(tarfile.TarInfo):
    """A member whose header must be sound, as GNU tar demands; tarfile would take a
    damaged one, after the first, for the end of the archive.
    """

    @classmethod
    def fromtarfile(cls, tarfile_: tarfile.TarFile) -> Self:
        try:
            return super().fromtarfile(tarfile_)
        except (tarfile.InvalidHeaderError, tarfile.TruncatedHeaderError) as error:
            raise _damaged(error) from error

    def _proc_member(self, tarfile_: tarfile.TarFile) -> tarfile.TarInfo:
        """Refuse before it is read. What tarfile calls for every header, those between
        an extension and its member too; it offers this one to subclasses.
        """
        if self.type in EXTENSIONS and self.size > MAX_EXTENSION_BYTES:
            raise UnsafeArchive(
                f"The archive can't be unpacked: a header of {self.size:,} bytes."
            )
        return super()._proc_member(tarfile_)


def unpack(archive: Path, folder: Path) -> None:
    """Unpack a gzip tar below `folder`.

    Raises UnsafeArchive for links (AWS page: Troubleshoot Amazon SageMaker model
    deployments), for members outside of the folder, for devices, and for a file that
    is no gzip tar, or a damaged one; OSError when the machine can't take the content:
    no space left.
    """
    room = shutil.disk_usage(folder).free
    needed = 0
    try:
        with tarfile.open(archive, "r:gz", tarinfo=_Member) as tar:
            for member in tar:
                if member.issym() or member.islnk():
                    raise UnsafeArchive(
                        f"{member.name} is a link; links in a model archive are "
                        "refused."
                    )
                needed += max(member.size, LEAST_BYTES)
                if needed > room:
                    raise OSError(
                        errno.ENOSPC,
                        f"{member.name} makes it at least {needed:,} bytes, and "
                        f"{room:,} are free",
                    )
                if member.isfile():  # the owner's alone, as the whole state
                    mode = (member.mode | stat.S_IRUSR | stat.S_IWUSR) & stat.S_IRWXU
                    member = member.replace(mode=mode, deep=False)
                tar.extract(member, folder, filter="data")
            while tar.fileobj.read(READ_BYTES):
                pass  # the checksum is at the end
    except UnsafeArchive:
        raise
    except OSError as error:
        if error.errno in MACHINE_ERRORS:
            raise
        raise _damaged(error) from error
    except (tarfile.TarError, EOFError, zlib.error) as error:
        raise _damaged(error) from error
    except (ValueError, OverflowError, RecursionError) as error:
        # What a header says is no time, name, map or number that tarfile can use.
        raise _damaged(error) from error


def _damaged(error: Exception) -> UnsafeArchive:
    return UnsafeArchive(f"The archive can't be unpacked: {error}")
