"""Where the file of the bank-marketing data comes from.

It is 5.8 MB and not part of the course: it is looked for in a folder that git ignores,
then in the folder that the environment variable COURSE_DATA_MIRROR names. A file whose
checksum is another one is never used.
"""

import hashlib
import io
import os
import zipfile
from pathlib import Path

DOWNLOADS = Path(__file__).resolve().parent.parent / "data" / "downloads"
MIRROR_VARIABLE = "COURSE_DATA_MIRROR"
FILE = "bank-additional-full.csv"
SHA256 = "74adfc578bf77a7ff4bb1ba4a9f8709d9e3c6907342959c2c8416847e0afb4d8"
ARCHIVE = "bank-additional.zip"


class NoData(RuntimeError):
    """The data set can't be had; the text says what to do."""


def the_file() -> io.BytesIO:
    """Give the content of bank-additional-full.csv; NoData if it can't be had."""
    for folder in (DOWNLOADS, Path(os.environ.get(MIRROR_VARIABLE, DOWNLOADS))):
        archive = folder / ARCHIVE
        if archive.is_file():
            with zipfile.ZipFile(archive) as members:
                content = members.read(f"bank-additional/{FILE}")
            if hashlib.sha256(content).hexdigest() == SHA256:
                return io.BytesIO(content)
    raise NoData(
        f"Put {ARCHIVE} of UCI's data set 222 into the folder {DOWNLOADS}, or name its "
        f"folder in the environment variable {MIRROR_VARIABLE}."
    )
