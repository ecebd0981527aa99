"""Where the file of the bank-marketing data comes from.

The course does not contain it. It is looked for in data/downloads, which git ignores;
then in the mirror that the environment variable COURSE_DATA_MIRROR names, a folder
(relative to the course's) or the address of one; then at UCI, and in AWS's bucket of
samples. What was downloaded is kept in data/downloads. A file with another content than
UCI's is never used.
"""

import csv
import hashlib
import io
import os
import re
import secrets
import sys
import threading
import time
import zipfile
import zlib
from pathlib import Path

COURSE_HOME = Path(__file__).resolve().parent.parent
DOWNLOADS = COURSE_HOME / "data" / "downloads"
MIRROR_VARIABLE = "COURSE_DATA_MIRROR"
SYNTHETIC = "synthetic"  # as a mirror's name: the made-up data
WHOLE = "bank-additional-full.csv"
SAMPLE = "bank-additional.csv"  # UCI's own, a tenth of the rows
SHA256 = {
    WHOLE: "74adfc578bf77a7ff4bb1ba4a9f8709d9e3c6907342959c2c8416847e0afb4d8",
    SAMPLE: "7e59cf650004d65d1c9d6b08553bad2ee9a9ad70d594f536e3c584ee6ed5df50",
}
ARCHIVE = "bank-additional.zip"
OUTER_ARCHIVE = "bank+marketing.zip"  # UCI's: it has ARCHIVE inside
UCI = f"https://archive.ics.uci.edu/static/public/222/{OUTER_ARCHIVE}"
AWS = (
    "https://sagemaker-sample-data-us-west-2.s3.us-west-2.amazonaws.com"
    f"/autopilot/direct_marketing/{ARCHIVE}"
)
LARGEST = 20_000_000  # bytes: more than any of these files has
METHODS = (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED)
CONNECT_S, ANSWER_S, DOWNLOAD_S = 4.0, 10.0, 120.0
TEXTS = {
    *("job", "marital", "education", "default", "housing", "loan", "contact"),
    *("month", "day_of_week", "poutcome", "y"),
}


class NoData(RuntimeError):
    """The data set can't be had; the text says why, and what to do."""


class NotTheFile(Exception):
    """What was found is not the data set; the text says what it is."""


def read_file(name: str = WHOLE) -> bytes:
    """Give the content of a file of the data set, as UCI has it, from where it is.

    Raises NoData if it is nowhere to be had, or if COURSE_DATA_MIRROR is "synthetic".
    """
    mirror = mirror_name()
    if mirror == SYNTHETIC:
        raise NoData(f"The environment variable {MIRROR_VARIABLE} asks for that.")
    tried: dict[str, NotTheFile] = {}
    for place in (str(DOWNLOADS), mirror, UCI, AWS):
        if not place:
            continue
        try:
            content = _read(place, name)
        except NotTheFile as problem:
            tried[place] = problem
            continue
        if mirror in tried:
            print(f"{MIRROR_VARIABLE} is {_shown(mirror)}: {tried[mirror]}.")
        return content
    reasons = [f"- {_shown(place)}: {problem}" for place, problem in tried.items()]
    raise NoData(
        "\n".join(
            [
                "The real data could not be had:",
                *reasons,
                "To have it, run this again when you are connected to the internet.",
                f"Or download {UCI}",
                f"with a browser and put it into the folder {DOWNLOADS}.",
            ]
        )
    )


def mirror_name() -> str:
    """Give the mirror's folder or address, or "synthetic", or "" if there is none."""
    return os.environ.get(MIRROR_VARIABLE, "")


def folder_with(name: str = WHOLE) -> Path | None:
    """Give the folder that `read_file` reads from; None if it would need a network."""
    mirror = mirror_name()
    if mirror == SYNTHETIC:
        return None
    for place in (str(DOWNLOADS), mirror):
        if not place or "://" in place:
            continue
        try:
            _read(place, name)
        except NotTheFile:
            continue
        return _folder(place)
    return None


def _shown(text: str) -> str:
    """Take user names and passwords out of the addresses in a text."""
    return re.sub(r"://[^/\s]*@", "://", text)


def _folder(place: str) -> Path:
    try:
        return COURSE_HOME / Path(place).expanduser()
    except RuntimeError as error:  # ~ and a user whom this machine does not know
        raise NotTheFile("there is no such folder") from error


def _read(place: str, name: str) -> bytes:
    """Read the file from a folder or an address; NotTheFile if it is not there."""
    if "://" in place:
        address = place if place.endswith(".zip") else f"{place.rstrip('/')}/{ARCHIVE}"
        archive = inner_archive(_download(address))
        content = member(archive, name)
        if name == WHOLE or _unpacked(archive, WHOLE) is not None:
            _keep(archive)
        return content
    problem = NotTheFile(f"there is no {ARCHIVE}")
    folder = _folder(place)
    for archive_name in (ARCHIVE, OUTER_ARCHIVE):
        try:
            return member(inner_archive((folder / archive_name).read_bytes()), name)
        except FileNotFoundError:
            continue
        except (OSError, NotTheFile) as error:
            problem = NotTheFile(f"{archive_name}: {error}")
    raise problem


# --- what is in an archive ------------------------------------------------------------


def inner_archive(archive: bytes) -> bytes:
    """Give the archive that lies in UCI's, or the archive itself if there is none."""
    inner = _unpacked(archive, ARCHIVE)
    return archive if inner is None else inner


def member(archive: bytes, name: str) -> bytes:
    """Give a file of the archive as UCI has it; NotTheFile if its checksum is another.

    AWS's copy has commas where UCI's has semicolons, and no quotes. Its values are
    written in UCI's way, and it is the result's checksum that counts.
    """
    content = _unpacked(archive, name)
    if content is None:
        raise NotTheFile(f"the archive has no {name}")
    for write in (bytes, _in_the_way_of_uci):
        written = write(content)
        if hashlib.sha256(written).hexdigest() == SHA256[name]:
            return written
    raise NotTheFile(f"{name} has another checksum than UCI's")


def _unpacked(archive: bytes, name: str) -> bytes | None:
    """Give what an archive holds under this name, in whatever folder; None if nothing.

    Nothing is unpacked to the disk, so that it does not matter which paths it names.
    """
    try:
        with zipfile.ZipFile(io.BytesIO(archive)) as members:
            for info in members.infolist():
                if info.filename.replace("\\", "/").rpartition("/")[2] == name:
                    if info.compress_type not in METHODS:
                        raise NotTheFile(f"{name} is packed in an unusual way")
                    with members.open(info) as file:
                        content = file.read(LARGEST + 1)
                    if len(content) > LARGEST:
                        raise NotTheFile(f"{name} is too large")
                    return content
    # What zipfile raises for what is no archive, for a damaged member, for one with a
    # password, for names that can't be decoded, and for places outside of the archive.
    except (
        *(zipfile.BadZipFile, zlib.error, EOFError, RuntimeError),
        *(ValueError, OverflowError),
    ) as error:
        raise NotTheFile(f"no archive that can be read ({error})") from error
    return None


def _in_the_way_of_uci(content: bytes) -> bytes:
    """Write a comma-separated copy as UCI does: semicolons, quoted texts, no `.0`."""
    try:
        header, *rows = csv.reader(io.StringIO(content.decode("ascii")))
        texts = [name in TEXTS for name in header]
        lines = [[f'"{name}"' for name in header]]
        for row in rows:
            lines.append(
                [
                    f'"{value}"' if is_text else repr(float(value)).removesuffix(".0")
                    for value, is_text in zip(row, texts, strict=True)
                ]
            )
    except (ValueError, csv.Error):
        return b""  # nothing of the kind
    return "".join(";".join(line) + "\r\n" for line in lines).encode("ascii")


# --- the download ---------------------------------------------------------------------


def _download(address: str) -> bytes:
    """Fetch an address, and show how far it is; NotTheFile says what went wrong."""
    import requests  # here, since a folder needs no network

    transfer = _Transfer(address)
    try:
        return transfer.content()
    except requests.exceptions.ProxyError as error:
        raise NotTheFile("the proxy can't be reached, or refuses") from error
    except requests.exceptions.SSLError as error:
        raise NotTheFile("its certificate can't be trusted") from error
    except (requests.exceptions.Timeout, TimeoutError) as error:
        raise NotTheFile("it does not answer in time") from error
    except requests.exceptions.ChunkedEncodingError as error:
        raise NotTheFile("the connection broke off") from error
    except requests.exceptions.ConnectionError as error:
        raise NotTheFile("there is no connection") from error
    except requests.exceptions.RequestException as error:
        raise NotTheFile(f"it can't be asked ({_shown(str(error))})") from error
    finally:
        transfer.is_wanted = False


class _Transfer:
    """A download in a thread of its own, which nobody waits for longer than is said.

    requests limits how long it waits for one address and between two pieces. It does
    not limit the look-up of a name, nor how long it takes to try all addresses of a
    name, nor the whole. Behind some firewalls each of them takes minutes.
    """

    def __init__(self, address: str) -> None:
        self.is_wanted = True
        self._address = address
        self._host = _shown(address).split("/")[2]
        self._size: int | None = None
        self._parts: list[bytes] = []
        self._error: Exception | None = None
        self._has_begun, self._has_ended = threading.Event(), threading.Event()
        threading.Thread(target=self._run, daemon=True).start()

    def content(self) -> bytes:
        """Wait for the end, below a bar that goes then; raise what went wrong."""
        from tqdm import tqdm

        if not self._has_begun.wait(ANSWER_S):
            raise TimeoutError
        if self._size is not None:
            with tqdm(
                desc=f"Downloading the data set from {self._host}",
                total=self._size or None,
                unit="B",
                unit_scale=True,
                leave=False,
                file=sys.stdout,
            ) as bar:
                deadline = time.monotonic() + DOWNLOAD_S
                while not self._has_ended.wait(0.1):
                    bar.update(sum(map(len, self._parts)) - bar.n)
                    if time.monotonic() > deadline:
                        raise TimeoutError
        self._has_ended.wait()
        if self._error is not None:
            raise self._error
        return b"".join(self._parts)

    def _run(self) -> None:
        try:
            self._fetch()
        except Exception as error:  # noqa: BLE001  raised again by who waits
            self._error = error
        finally:
            self._has_ended.set()
            self._has_begun.set()

    def _fetch(self) -> None:
        import requests

        times = (CONNECT_S, ANSWER_S)
        with requests.get(self._address, stream=True, timeout=times) as answer:
            if not answer.ok:
                raise NotTheFile(f"the answer is HTTP {answer.status_code}")
            self._size = answer.raw.length_remaining or 0  # 0 if it is not told
            self._has_begun.set()
            read = 0
            for part in answer.iter_content(1 << 14):
                self._parts.append(part)
                read += len(part)
                if read > LARGEST:
                    raise NotTheFile("it is too large")
                if not self.is_wanted:
                    return


def _keep(archive: bytes) -> None:
    """Put the archive into data/downloads; whoever looks there finds all or nothing."""
    partial = DOWNLOADS / f"{ARCHIVE}.{secrets.token_hex(4)}.part"
    try:
        DOWNLOADS.mkdir(parents=True, exist_ok=True)
        try:
            partial.write_bytes(archive)
            partial.replace(DOWNLOADS / ARCHIVE)
        finally:
            partial.unlink(missing_ok=True)
    except OSError as error:
        print(f"The data set could not be kept in {DOWNLOADS}: {error.strerror}.")
        print("It will be downloaded again the next time.")
