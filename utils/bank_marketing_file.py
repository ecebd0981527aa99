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
import secrets
import sys
import threading
import time
import zipfile
import zlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

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
    mirror = os.environ.get(MIRROR_VARIABLE, "")
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
            print(f"{MIRROR_VARIABLE} is {mirror}: {tried[mirror]}.")
        return content
    reasons = [f"- {place}: {problem}" for place, problem in tried.items()]
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


def _read(place: str, name: str) -> bytes:
    """Read the file from a folder or an address; NotTheFile if it is not there."""
    if "://" in place:
        address = place if place.endswith(".zip") else f"{place.rstrip('/')}/{ARCHIVE}"
        archive = inner_archive(_download(address))
        content = member(archive, name)
        _keep(archive)
        return content
    problem = NotTheFile(f"there is no {ARCHIVE}")
    for archive_name in (ARCHIVE, OUTER_ARCHIVE):
        path = COURSE_HOME / Path(place).expanduser() / archive_name
        try:
            return member(inner_archive(path.read_bytes()), name)
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
                    with members.open(info) as file:
                        content = file.read(LARGEST + 1)
                    if len(content) > LARGEST:
                        raise NotTheFile(f"{name} is too large")
                    return content
    # What zipfile raises for what is no archive, for a damaged member, for one with a
    # password, and for a method that it does not know.
    except (zipfile.BadZipFile, zlib.error, EOFError, RuntimeError) as error:
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

    deadline = time.monotonic() + DOWNLOAD_S
    try:
        with _answer(address) as answer:
            if not answer.ok:
                raise NotTheFile(f"the answer is HTTP {answer.status_code}")
            return _content(answer, address, deadline)
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
        raise NotTheFile(f"it can't be asked ({error})") from error


def _answer(address: str) -> Any:
    """Ask for an address; TimeoutError if its answer does not begin in time.

    requests has no limit for looking a name up, nor for trying all addresses of a name.
    Behind some firewalls either takes minutes.
    """
    import requests

    return _within(
        ANSWER_S,
        lambda: requests.get(address, stream=True, timeout=(CONNECT_S, ANSWER_S)),
    )


def _within(seconds: float, work: Callable[[], Any]) -> Any:
    """Do the work in a thread that nobody waits for longer than this."""
    outcome: list[tuple[Any, Exception | None]] = []

    def do() -> None:
        try:
            outcome.append((work(), None))
        except Exception as error:  # noqa: BLE001  raised again below, by who waits
            outcome.append((None, error))

    thread = threading.Thread(target=do, daemon=True)
    thread.start()
    thread.join(seconds)
    if not outcome:
        raise TimeoutError
    result, error = outcome[0]
    if error is not None:
        raise error
    return result


def _content(answer: Any, address: str, deadline: float) -> bytes:
    """Read the body of an answer, below a bar that goes when it is done."""
    from tqdm import tqdm

    parts, read = [], 0
    with tqdm(
        desc=f"Downloading the data set from {address.split('/')[2]}",
        total=int(answer.headers.get("Content-Length", 0)) or None,
        unit="B",
        unit_scale=True,
        leave=False,
        file=sys.stdout,
    ) as bar:
        for part in answer.iter_content(1 << 16):
            parts.append(part)
            read += len(part)
            bar.update(len(part))
            if read > LARGEST:
                raise NotTheFile("it is too large")
            if time.monotonic() > deadline:
                raise TimeoutError
    return b"".join(parts)


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
