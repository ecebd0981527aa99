"""The bank-marketing data: each place it comes from, what is refused, the made-up data.

The places are tested with a small table of made-up calls in the form of the real file;
so nearly all of this runs where the real data can't be had.
"""

import errno
import hashlib
import io
import os
import re
import resource
import subprocess
import sys
import threading
import zipfile
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import xgboost
from bank_data import found, real_data, why_not_real, with_data
from lesson_fixture import small_notebook, write
from lesson_runs import with_dead_proxy
from server_calls import free_port
from sklearn.metrics import roc_auc_score

from course.install import ROOT
from data import compare_bank_splits, make_linear_learner_splits
from local_aws.installation import client_environment, open_installation
from utils import bank_marketing_file
from utils.bank_marketing import (
    BANK_CATEGORIES,
    MADE_UP,
    encode_bank_marketing,
    load_bank_marketing,
    split_bank_marketing,
)
from utils.bank_marketing_file import ARCHIVE, SAMPLE, SHA256, WHOLE, NoData, read_file
from utils.synthetic_bank_marketing import COLUMNS, make_synthetic_bank_marketing


@pytest.fixture(scope="module")
def made_up() -> pd.DataFrame:
    return make_synthetic_bank_marketing()


# --- files in the form of the real one ------------------------------------------------


def in_the_way_of_uci(calls: pd.DataFrame) -> bytes:
    """Semicolons, quoted texts, whole numbers without a point."""
    lines = [";".join(f'"{name}"' for name in calls.columns)]
    for row in calls.itertuples(index=False):
        values = [f'"{v}"' if isinstance(v, str) else f"{v:.10g}" for v in row]
        lines.append(";".join(values))
    return "".join(f"{line}\r\n" for line in lines).encode()


def in_the_way_of_aws(calls: pd.DataFrame) -> bytes:
    return calls.to_csv(index=False).encode()


def archive_of(content: bytes, name: str = f"bank-additional/{WHOLE}") -> bytes:
    return packed({"bank-additional/bank-additional-names.txt": b"text", name: content})


def packed(members: dict[str, bytes]) -> bytes:
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in members.items():
            archive.writestr(name, content)
    return file.getvalue()


@pytest.fixture(scope="module")
def small(made_up: pd.DataFrame) -> pd.DataFrame:
    return made_up.iloc[::500].reset_index(drop=True)


@pytest.fixture(scope="module")
def small_csv(small: pd.DataFrame) -> bytes:
    return in_the_way_of_uci(small)


@pytest.fixture(scope="module")
def small_archive(small_csv: bytes) -> bytes:
    return archive_of(small_csv)


# --- a server that behaves as it is told to -------------------------------------------


class Server(ThreadingHTTPServer):
    """Answers with what `pages` holds for the path: bytes, a status, or a function."""

    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.pages: dict = {}
        self.asked: list[str] = []

    @property
    def address(self) -> str:
        return f"http://127.0.0.1:{self.server_address[1]}"


class Handler(BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        self.server.asked.append(self.path)
        page = self.server.pages.get(self.path, 404)
        if callable(page):
            page(self)
        elif isinstance(page, int):
            self.send_error(page)
        else:
            self.give(page, len(page))

    def give(self, content: bytes, length: int | str) -> None:
        self.send_response(200)
        self.send_header("Content-Length", str(length))
        self.end_headers()
        self.wfile.write(content)

    def log_message(self, *_: object) -> None:
        """Not into the test's output."""


@pytest.fixture
def server():
    with Server() as running:
        thread = threading.Thread(target=running.serve_forever, args=(0.02,))
        thread.start()
        yield running
        running.shutdown()
        thread.join()


def refused_address() -> str:
    """An address at which nobody listens."""
    return f"http://127.0.0.1:{free_port()}"


@pytest.fixture
def places(server, small_csv, tmp_path, monkeypatch) -> Path:
    """Nothing anywhere: an empty folder, no mirror, two addresses with nothing.

    The checksum that counts is that of the small table. Returns the folder.
    """
    folder = tmp_path / "data" / "downloads"
    monkeypatch.setattr(bank_marketing_file, "DOWNLOADS", folder)
    monkeypatch.setattr(bank_marketing_file, "UCI", f"{server.address}/uci.zip")
    monkeypatch.setattr(bank_marketing_file, "AWS", f"{server.address}/aws.zip")
    monkeypatch.setattr(bank_marketing_file, "ANSWER_S", 60)  # on a busy machine
    monkeypatch.setitem(SHA256, WHOLE, hashlib.sha256(small_csv).hexdigest())
    monkeypatch.delenv("COURSE_DATA_MIRROR", raising=False)
    return folder


def put(folder: Path, content: bytes, name: str = ARCHIVE) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    (folder / name).write_bytes(content)
    return folder


# --- the places, in their order -------------------------------------------------------


def test_the_folder_comes_first(places, server, small_csv, small_archive, monkeypatch):
    monkeypatch.setenv("COURSE_DATA_MIRROR", server.address)
    put(places, small_archive)
    assert read_file() == small_csv
    assert server.asked == []


def test_then_a_mirror_in_a_folder_which_is_left_as_it_is(
    places, server, small_csv, small_archive, tmp_path, monkeypatch
):
    mirror = put(tmp_path / "mirror", small_archive)
    monkeypatch.setenv("COURSE_DATA_MIRROR", str(mirror))
    assert read_file() == small_csv
    assert server.asked == []
    assert not places.exists()  # it is on this machine: no second copy


def test_a_mirrors_folder_is_seen_from_the_courses(
    places, small_csv, small_archive, tmp_path, monkeypatch
):
    home = tmp_path / "course"
    home.mkdir()
    monkeypatch.setattr(bank_marketing_file, "COURSE_HOME", home)
    put(tmp_path / "mirror", small_archive)
    monkeypatch.setenv("COURSE_DATA_MIRROR", "../mirror")
    assert read_file() == small_csv


@pytest.mark.parametrize("ending", ["", "/", f"/{ARCHIVE}"])
def test_then_a_mirror_at_an_address(
    ending, places, server, small_csv, small_archive, monkeypatch
):
    server.pages[f"/class/{ARCHIVE}"] = small_archive
    monkeypatch.setenv("COURSE_DATA_MIRROR", f"{server.address}/class{ending}")
    assert read_file() == small_csv
    assert server.asked == [f"/class/{ARCHIVE}"]


def test_then_uci_where_the_archive_lies_in_another(
    places, server, small_csv, small_archive, capsys
):
    server.pages["/uci.zip"] = packed({"bank.zip": b"other", ARCHIVE: small_archive})
    assert read_file() == small_csv
    assert "Downloading the data set from 127.0.0.1" in capsys.readouterr().out
    assert server.asked == ["/uci.zip"]
    # From now on without a network.
    assert (places / ARCHIVE).read_bytes() == small_archive
    assert [path.name for path in places.iterdir()] == [ARCHIVE]
    server.pages.clear()
    assert read_file() == small_csv
    assert server.asked == ["/uci.zip"]


def test_then_aws_whose_copy_is_written_otherwise(places, server, small, small_csv):
    server.pages["/aws.zip"] = archive_of(in_the_way_of_aws(small))
    assert read_file() == small_csv
    assert server.asked == ["/uci.zip", "/aws.zip"]
    server.pages.clear()
    assert read_file() == small_csv  # the kept archive is AWS's


def test_a_value_that_differs_is_found_in_aws_copy_too(places, server, small):
    other = small.assign(age=small["age"].replace(small["age"][0], 18))
    server.pages["/aws.zip"] = archive_of(in_the_way_of_aws(other))
    with pytest.raises(NoData, match=f"{WHOLE} has another checksum"):
        read_file()


def test_what_a_browser_has_downloaded_is_found(places, small_csv, small_archive):
    put(places, packed({ARCHIVE: small_archive}), "bank+marketing.zip")
    assert read_file() == small_csv


def test_a_mirror_that_is_of_no_use_is_told_and_the_data_comes_from_elsewhere(
    places, server, small_csv, small_archive, tmp_path, monkeypatch, capsys
):
    told = {
        str(tmp_path / "nothing"): f"there is no {ARCHIVE}",
        "~nobody.of.this.name/data": "there is no such folder",
    }
    server.pages["/uci.zip"] = small_archive
    for mirror, why in told.items():
        monkeypatch.setenv("COURSE_DATA_MIRROR", mirror)
        assert read_file() == small_csv
        assert f"{mirror}: {why}." in capsys.readouterr().out
        (places / ARCHIVE).unlink()


def test_a_password_in_a_mirrors_address_is_not_printed(
    places, server, small_csv, small_archive, monkeypatch, capsys
):
    mirror = server.address.replace("//", "//someone:s3cret@")
    monkeypatch.setenv("COURSE_DATA_MIRROR", mirror)
    with pytest.raises(NoData) as caught:
        read_file()
    assert f"- {server.address}: the answer is HTTP 404" in str(caught.value)
    server.pages["/aws.zip"] = small_archive
    assert read_file() == small_csv
    (places / ARCHIVE).unlink()
    server.pages[f"/{ARCHIVE}"] = small_archive
    assert read_file() == small_csv
    (places / ARCHIVE).unlink()
    monkeypatch.setenv("COURSE_DATA_MIRROR", mirror.replace("http", "gopher", 1))
    assert read_file() == small_csv
    printed = capsys.readouterr().out + str(caught.value)
    assert f"COURSE_DATA_MIRROR is {server.address}: " in printed
    assert "COURSE_DATA_MIRROR is gopher://127.0.0.1" in printed
    assert "Downloading the data set from 127.0.0.1" in printed
    assert "s3cret" not in printed


def test_the_sample_alone_does_not_replace_what_is_kept(
    places, server, small_csv, small_archive, monkeypatch
):
    monkeypatch.setitem(SHA256, SAMPLE, hashlib.sha256(b"sample").hexdigest())
    put(places, small_archive)
    server.pages["/uci.zip"] = archive_of(b"sample", SAMPLE)
    assert read_file(SAMPLE) == b"sample"
    assert read_file() == small_csv
    assert server.asked == ["/uci.zip"]
    # The control: what holds both is kept.
    server.pages["/uci.zip"] = packed({SAMPLE: b"sample", WHOLE: small_csv})
    for _ in range(2):
        assert read_file(SAMPLE) == b"sample"
    assert server.asked == ["/uci.zip"] * 2


# --- what the course's own tests do ---------------------------------------------------


def test_tests_use_the_folder_that_has_the_data_and_no_network(
    places, server, small_archive, tmp_path, monkeypatch
):
    """Wherever it is; its copy of the course has no folder of its own."""
    path = write(small_notebook("import utils.bank_marketing"), tmp_path / "01_a.ipynb")
    home = tmp_path / "home"
    monkeypatch.setenv("HOME", str(home))
    mirrors = (None, "", str(tmp_path / "nothing"), "~/mirror", server.address)
    server.pages |= dict.fromkeys(("/uci.zip", f"/{ARCHIVE}"), small_archive)

    def chosen(mirror: str | None) -> str:
        if mirror is None:
            monkeypatch.delenv("COURSE_DATA_MIRROR", raising=False)
        else:
            monkeypatch.setenv("COURSE_DATA_MIRROR", mirror)
        found.cache_clear()
        return with_data(os.environ, path)["COURSE_DATA_MIRROR"]

    assert [chosen(mirror) for mirror in mirrors] == ["synthetic"] * len(mirrors)
    assert f"has {WHOLE}, and tests don't download it" in why_not_real()
    mirror = put(home / "mirror", small_archive)
    assert chosen("~/mirror") == str(real_data()) == str(mirror)
    assert why_not_real() == ""
    assert SAMPLE in why_not_real(SAMPLE)
    put(places, small_archive)
    assert [chosen(mirror) for mirror in mirrors] == [str(places)] * len(mirrors)
    assert chosen("synthetic") == "synthetic"
    assert server.asked == []


# --- what goes wrong ------------------------------------------------------------------


def test_nowhere_to_be_had_says_where_it_looked_and_what_to_do(places, server):
    with pytest.raises(NoData) as caught:
        read_file()
    lines = str(caught.value).splitlines()
    assert lines[:4] == [
        "The real data could not be had:",
        f"- {places}: there is no {ARCHIVE}",
        f"- {server.address}/uci.zip: the answer is HTTP 404",
        f"- {server.address}/aws.zip: the answer is HTTP 404",
    ]
    assert f"{server.address}/uci.zip" in lines[5]
    assert str(places) in lines[6]
    assert not places.exists()


def cut(page: bytes):
    """Half of what was promised, and then the connection is closed."""
    return lambda handler: handler.give(page[: len(page) // 2], len(page))


def endless(handler: Handler) -> None:
    """An answer without end, as from a machine that is no archive's."""
    handler.send_response(200)
    handler.end_headers()
    try:
        while True:
            handler.wfile.write(bytes(1 << 20))
    except OSError:
        return  # the reader has had enough


def bomb() -> bytes:
    return archive_of(bytes(bank_marketing_file.LARGEST + 1))


def encrypted(archive: bytes) -> bytes:
    """Set the marks that a member needs a password: in both of its headers."""
    changed = bytearray(archive)
    for signature, offset in ((b"PK\x03\x04", 6), (b"PK\x01\x02", 8)):
        at = changed.rindex(signature)
        changed[at + offset] |= 1
    return bytes(changed)


def of_no_length(page: bytes):
    """Nobody knows how long it is, and then it is no archive."""
    return lambda handler: handler.give(b"<html>", "many")


def in_another_method(archive: bytes) -> bytes:
    """bzip2, and damaged: of which Python's module complains in its own way."""
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w", zipfile.ZIP_BZIP2) as members:
        members.writestr(WHOLE, b"x" * 1000)
    return file.getvalue().replace(b"BZh9", b"BZh0")


def with_a_name_that_is_no_text(archive: bytes) -> bytes:
    return packed({"\u00e9.csv": b"1"}).replace("\u00e9".encode(), b"\xff\xff")


WRONG = {
    "HTTP 404": (lambda archive: 404, "the answer is HTTP 404"),
    "HTTP 500": (lambda archive: 500, "the answer is HTTP 500"),
    "cut off": (cut, "the connection broke off"),
    "half an archive": (lambda a: a[: len(a) // 2], "no archive that can be read"),
    "a damaged member": (
        lambda a: a.replace(a[200:210], bytes(10), 1),
        "no archive that can be read",
    ),
    "a web page": (lambda archive: b"<html>Log in", "no archive that can be read"),
    "another archive": (lambda a: packed({"a.csv": b"1"}), f"has no {WHOLE}"),
    "another file": (lambda a: archive_of(b"1;2\n"), "has another checksum"),
    "a bomb": (lambda archive: bomb(), "is too large"),
    "an answer without end": (lambda archive: endless, "is too large"),
    "a password": (encrypted, "no archive that can be read"),
    "another method": (in_another_method, "packed in an unusual way"),
    "a name that is no text": (
        with_a_name_that_is_no_text,
        "no archive that can be read",
    ),
    "a length that is no number": (of_no_length, "no archive that can be read"),
}


@pytest.mark.parametrize("what", WRONG)
def test_what_is_wrong_is_never_used_nor_kept(
    what, places, server, small_csv, small_archive
):
    make, told = WRONG[what]
    server.pages["/uci.zip"] = make(small_archive)
    with pytest.raises(NoData, match=f"uci.zip: .*{re.escape(told)}"):
        read_file()
    assert not places.exists()
    # The control: the next place has it, and that one is used.
    server.pages["/aws.zip"] = small_archive
    assert read_file() == small_csv


@pytest.mark.parametrize(
    "what", ["half an archive", "a damaged member", "another file"]
)
def test_a_wrong_file_in_the_folder_is_replaced(
    what, places, server, small_csv, small_archive
):
    put(places, WRONG[what][0](small_archive))
    with pytest.raises(NoData, match=WRONG[what][1]):
        read_file()
    server.pages["/uci.zip"] = small_archive
    assert read_file() == small_csv
    assert (places / ARCHIVE).read_bytes() == small_archive


def test_nobody_listens_and_a_proxy_is_dead(places, small_csv, monkeypatch):
    monkeypatch.setattr(bank_marketing_file, "UCI", f"{refused_address()}/uci.zip")
    monkeypatch.setattr(bank_marketing_file, "AWS", "http://aws.invalid/aws.zip")
    monkeypatch.setenv("HTTP_PROXY", refused_address())
    monkeypatch.setenv("http_proxy", os.environ["HTTP_PROXY"])
    with pytest.raises(NoData) as caught:
        read_file()
    assert "uci.zip: there is no connection" in str(caught.value)
    assert "aws.zip: the proxy can't be reached, or refuses" in str(caught.value)


def test_who_does_not_answer_is_not_waited_for(
    places, server, small_csv, small_archive, monkeypatch
):
    """Neither for an answer that does not begin, nor for one that does not end."""
    done = threading.Event()
    server.pages["/uci.zip"] = lambda handler: done.wait(60)

    def slow(handler: Handler) -> None:
        handler.send_response(200)
        handler.end_headers()
        for _ in range(1000):
            if done.wait(0.05):
                return
            handler.wfile.write(b"a")
            handler.wfile.flush()

    too_late = "uci.zip: it does not answer in time"
    try:
        # One limit at a time, since both are told in the same words.
        with monkeypatch.context() as patch:
            patch.setattr(bank_marketing_file, "ANSWER_S", 0.3)
            with pytest.raises(NoData, match=too_late):
                read_file()
        server.pages["/uci.zip"] = slow
        monkeypatch.setattr(bank_marketing_file, "DOWNLOAD_S", 0.3)
        with pytest.raises(NoData, match=too_late):
            read_file()
    finally:
        done.set()


def test_a_proxy_is_used_for_the_download(
    places, server, small_csv, small_archive, monkeypatch
):
    """The standard variables count, although loopback is excepted from them."""
    monkeypatch.setattr(bank_marketing_file, "UCI", "http://uci.invalid/uci.zip")
    for name in ("HTTP_PROXY", "http_proxy"):
        monkeypatch.setenv(name, server.address)
    server.pages["http://uci.invalid/uci.zip"] = small_archive
    assert read_file() == small_csv
    assert server.asked == ["http://uci.invalid/uci.zip"]


def test_an_archive_can_not_write_elsewhere(places, server, small_csv, tmp_path):
    outside = "../../../outside.txt"
    members = {outside: b"x", f"/../../{WHOLE}": small_csv, f"..\\..\\{SAMPLE}": b"x"}
    server.pages["/uci.zip"] = packed(members)
    before = {path for path in tmp_path.rglob("*")}
    assert read_file() == small_csv
    after = {path for path in tmp_path.rglob("*")}
    assert after - before == {places.parent, places, places / ARCHIVE}
    # The control: who unpacks it by the names in it does write elsewhere.
    with zipfile.ZipFile(places / ARCHIVE) as archive:
        escaped = (places / outside).resolve()
        escaped.write_bytes(archive.read(outside))
    assert escaped.parent not in (places, *places.parents[:1])


def test_a_full_disk_is_told_and_leaves_nothing(places, server, small_archive, capsys):
    server.pages["/uci.zip"] = small_archive
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    places.mkdir(parents=True)
    try:
        # As in a full disk, a file can be made and not be filled.
        resource.setrlimit(resource.RLIMIT_FSIZE, (100, hard))
        content = read_file()
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    assert hashlib.sha256(content).hexdigest() == SHA256[WHOLE]
    printed = capsys.readouterr().out
    assert f"could not be kept in {places}: {os.strerror(errno.EFBIG)}." in printed
    assert list(places.iterdir()) == []
    read_file()  # the control: with room it is kept, and nothing is told
    assert [path.name for path in places.iterdir()] == [ARCHIVE]
    assert "could not be kept" not in capsys.readouterr().out


def test_a_folder_that_can_not_be_written_is_told(places, server, small_csv, capsys):
    server.pages["/uci.zip"] = archive_of(small_csv)
    places.parent.mkdir(parents=True)
    places.write_bytes(b"a file where the folder should be")
    assert read_file() == small_csv
    assert "could not be kept" in capsys.readouterr().out


READ = """
import hashlib, sys
from pathlib import Path
from utils import bank_marketing_file as file
file.DOWNLOADS, file.UCI, file.AWS = Path(sys.argv[1]), sys.argv[2], sys.argv[2]
file.ANSWER_S = 60
file.SHA256[file.WHOLE] = sys.argv[3]
print(hashlib.sha256(file.read_file()).hexdigest() == sys.argv[3])
"""


def test_two_processes_at_once(places, server, small_csv, small_archive):
    """Both find nothing, both download, and the folder holds one whole archive."""
    both = threading.Barrier(2, timeout=60)

    def when_both_have_asked(handler: Handler) -> None:
        both.wait()
        handler.give(small_archive, len(small_archive))

    server.pages["/uci.zip"] = when_both_have_asked
    sha256 = hashlib.sha256(small_csv).hexdigest()
    address = f"{server.address}/uci.zip"
    readers = [
        subprocess.Popen(
            [sys.executable, "-c", READ, str(places), address, sha256],
            cwd=ROOT,
            stdout=subprocess.PIPE,
            text=True,
        )
        for _ in range(2)
    ]
    ends = [reader.communicate(timeout=60)[0].splitlines()[-1] for reader in readers]
    assert ends == ["True", "True"]
    assert server.asked == ["/uci.zip"] * 2
    assert [path.name for path in places.iterdir()] == [ARCHIVE]
    assert read_file() == small_csv


# --- in a kernel ----------------------------------------------------------------------

LOAD = """
from utils import bank_marketing_file as file
from utils.bank_marketing import load_bank_marketing
file.DOWNLOADS = file.COURSE_HOME / "nowhere"
calls = load_bank_marketing()
print(len(calls), calls.attrs["source"])
"""


def loaded(environment: dict[str, str]) -> list[str]:
    done = subprocess.run(
        [sys.executable, "-c", LOAD],
        cwd=ROOT,
        env=environment,
        capture_output=True,
        text=True,
        timeout=120,
    )
    assert done.returncode == 0, done.stderr
    return [*done.stderr.splitlines(), *done.stdout.splitlines()]


def test_with_a_dead_proxy_the_data_is_made_up_and_a_line_at_the_top_says_so(home):
    environment = client_environment(open_installation(home), os.environ)
    environment = with_dead_proxy(environment)
    environment.pop("COURSE_DATA_MIRROR", None)
    first, *_, last = lines = loaded(environment)
    assert first == f"{MADE_UP}: these 41,188 phone calls are made up."
    assert last == "41188 synthetic"
    assert sum("the proxy can't be reached" in line for line in lines) == 2


def test_the_mirrors_name_reaches_a_sealed_process(home, monkeypatch):
    monkeypatch.setenv("COURSE_DATA_MIRROR", "synthetic")
    sealed = client_environment(open_installation(home), os.environ)
    first, *_, reason, last = loaded(sealed)
    assert first.startswith(MADE_UP)
    assert "COURSE_DATA_MIRROR" in reason
    assert last == "41188 synthetic"


def test_what_is_printed_is_the_same_wherever_the_data_is_from(
    places, server, small_archive, tmp_path, monkeypatch, capsys
):
    printed = []
    put(places, small_archive)
    load_bank_marketing()
    printed.append(capsys.readouterr().out)
    monkeypatch.setattr(bank_marketing_file, "DOWNLOADS", tmp_path / "nothing")
    monkeypatch.setenv("COURSE_DATA_MIRROR", str(places))
    calls = load_bank_marketing()
    printed.append(capsys.readouterr().out)
    monkeypatch.delenv("COURSE_DATA_MIRROR")
    server.pages["/uci.zip"] = packed({ARCHIVE: small_archive})
    load_bank_marketing()
    bar, _, line = capsys.readouterr().out.rpartition("\r")
    printed.append(line)
    assert "Downloading" in bar  # which is wiped out
    assert len(set(printed)) == 1
    assert printed[0] == "83 phone calls, from UCI's data set Bank Marketing.\n"
    assert calls.attrs["source"] == "UCI"


# --- split and encoded ----------------------------------------------------------------


def test_the_split_is_seeded_and_takes_each_call_once(made_up):
    train, validation, test = split_bank_marketing(made_up, seed=5)
    assert (len(train), len(validation), len(test)) == (24712, 8238, 8238)
    everything = pd.concat([train, validation, test]).index
    assert sorted(everything) == list(range(41188))
    again = split_bank_marketing(made_up, seed=5)
    assert [list(part.index) for part in again] == [
        list(part.index) for part in (train, validation, test)
    ]
    assert not split_bank_marketing(made_up, seed=6)[2].index.equals(test.index)
    # In no part are the calls in the order of their dates.
    assert not any(part.index.is_monotonic_increasing for part in again)


def test_encoded_columns_are_the_same_whatever_the_rows(made_up):
    encoded = encode_bank_marketing(made_up)
    one = encode_bank_marketing(made_up[:1])
    assert list(one.columns) == list(encoded.columns)
    assert list(encoded.columns[:5]) == [
        *("y", "age", "campaign", "previous", "contacted_before")
    ]
    assert encoded.shape[1] == 5 + sum(map(len, BANK_CATEGORIES.values()))
    for column, categories in BANK_CATEGORIES.items():
        names = [f"{column}_{category}" for category in categories]
        assert (encoded[names].sum(axis=1) == 1).all()
        for name, category in zip(names, categories, strict=True):
            assert (encoded[name] == (made_up[column] == category)).all()
    assert (encoded["y"] == (made_up["y"] == "yes")).all()
    assert (encoded["contacted_before"] == (made_up["pdays"] != 999)).all()
    assert all(dtype.kind == "i" for dtype in encoded.dtypes)
    dropped = ("duration", "emp.var.rate", "euribor3m", "pdays")
    assert not any(name.startswith(dropped) for name in encoded)
    assert list(encode_bank_marketing(made_up[:3].drop(columns="y"))) == list(
        encoded.columns[1:]
    )


def test_an_unknown_category_is_refused(made_up):
    strange = made_up[:5].assign(job="astronaut")
    with pytest.raises(ValueError, match='column job has no category "astronaut"'):
        encode_bank_marketing(strange)


# --- the data card --------------------------------------------------------------------

CARD = (ROOT / "data" / "bank_marketing.md").read_text(encoding="utf-8")


def test_the_card_names_every_column_in_order_and_every_place():
    rows = re.findall(r"^\| \**`([\w.]+)`\** \|", CARD, re.MULTILINE)
    assert tuple(rows) == COLUMNS
    for column, categories in BANK_CATEGORIES.items():
        if len(categories) < 9:  # not the jobs and months
            (row,) = re.findall(rf"^\| `{column}` .*$", CARD, re.MULTILINE)
            missing = [name for name in categories if f"`{name}`" not in row]
            assert missing == ([] if column != "day_of_week" else ["tue", "wed", "thu"])
    for words in (SHA256[WHOLE], bank_marketing_file.UCI, "CC BY 4.0", "2014.03.001"):
        assert words in CARD
    assert f"`{MADE_UP}`" in CARD.replace("\n", " ")


# --- the made-up data -----------------------------------------------------------------


def test_made_up_calls_have_the_form_of_the_real_ones(made_up):
    assert tuple(made_up.columns) == COLUMNS
    assert not made_up.isna().any().any()
    for column, categories in BANK_CATEGORIES.items():
        assert set(made_up[column]) == set(categories)
    assert len(made_up) == 41188
    # What UCI's pages and the data set's authors tell of it.
    assert (made_up["y"] == "yes").sum() == 4640
    assert made_up["age"].between(17, 98).all()
    assert made_up["campaign"].between(1, 56).all()
    assert made_up["previous"].between(0, 7).all()
    assert (made_up["pdays"].between(0, 27) | (made_up["pdays"] == 999)).all()
    assert made_up["duration"].between(0, 4918).all()
    assert made_up["euribor3m"].between(0.634, 5.045).all()
    # The order is that of dates: months follow each other.
    changes = (made_up["month"] != made_up["month"].shift()).sum()
    assert changes == 26
    # No earlier outcome without an earlier call, and nobody buys without a word.
    assert ((made_up["previous"] > 0) == (made_up["poutcome"] != "nonexistent")).all()
    assert (made_up["pdays"][made_up["poutcome"] == "success"] != 999).all()
    assert made_up["duration"][made_up["y"] == "yes"].min() > 0


def test_the_same_seed_makes_the_same_calls(made_up):
    pd.testing.assert_frame_equal(made_up, make_synthetic_bank_marketing())
    assert not made_up.equals(make_synthetic_bank_marketing(seed=1))


def auc(calls: pd.DataFrame) -> float:
    """The ROC AUC of a model on the course's features, on test data."""
    train, _, test = (
        encode_bank_marketing(part) for part in split_bank_marketing(calls, seed=5)
    )
    model = xgboost.XGBClassifier(
        n_estimators=15, max_depth=4, learning_rate=0.3, n_jobs=1
    )
    model.fit(train.drop(columns="y"), train["y"])
    scores = model.predict_proba(test.drop(columns="y"))[:, 1]
    return roc_auc_score(test["y"], scores)


def test_a_model_finds_in_them_about_as_much_as_in_the_real_ones(made_up):
    """The real data gives 0.76 to 0.78; labels that were shuffled give 0.5."""
    assert 0.72 < auc(made_up) < 0.81
    shuffled = np.random.default_rng(0).permutation(made_up["y"])
    assert 0.45 < auc(made_up.assign(y=shuffled)) < 0.55


# --- tables of what was measured ------------------------------------------------------


@pytest.mark.parametrize(
    "script", [compare_bank_splits, make_linear_learner_splits], ids=["card", "lesson"]
)
def test_made_up_calls_are_not_measured(script, made_up, monkeypatch):
    calls = made_up.copy()
    calls.attrs["source"] = "synthetic"
    monkeypatch.setattr(script, "load_bank_marketing", lambda: calls)
    monkeypatch.setattr(script, "encode_bank_marketing", None)  # no further than that
    with pytest.raises(SystemExit, match="real data is needed"):
        script.main()


def test_a_table_stays_if_its_measuring_breaks_off(made_up, tmp_path, monkeypatch):
    calls = made_up[:1].copy()
    calls.attrs["source"] = "UCI"
    script, table = make_linear_learner_splits, tmp_path / "table.csv"
    monkeypatch.setattr(script, "load_bank_marketing", lambda: calls)
    monkeypatch.setattr(
        script, "compare", lambda calls, seed: [(seed, 1 // (1 - seed))]
    )
    script.main(table, 1)
    assert table.read_text().splitlines()[1:] == ["0,1"]
    before = table.read_bytes()
    with pytest.raises(ZeroDivisionError):
        script.main(table, 2)
    assert table.read_bytes() == before


# --- the real data --------------------------------------------------------------------


@pytest.fixture
def _real():
    if reason := why_not_real(WHOLE) or why_not_real(SAMPLE):
        pytest.skip(reason)


@pytest.mark.usefixtures("_real")
class TestRealData:
    def test_both_files_are_those_of_uci(self):
        for name, sha256 in SHA256.items():
            assert hashlib.sha256(read_file(name)).hexdigest() == sha256

    def test_what_is_loaded(self, capsys):
        calls = load_bank_marketing()
        assert calls.shape == (41188, 21)
        assert (calls["y"] == "yes").sum() == 4640
        assert load_bank_marketing(sample=True).shape == (4119, 21)
        assert "4,119 phone calls" in capsys.readouterr().out
        assert encode_bank_marketing(calls).shape == (41188, 58)

    def test_a_copy_with_commas_becomes_the_same_bytes(self):
        """As AWS's bucket has it: written by pandas from UCI's file."""
        calls = pd.read_csv(io.BytesIO(read_file()), sep=";")
        assert b";" not in in_the_way_of_aws(calls)
        archive = archive_of(in_the_way_of_aws(calls))
        assert bank_marketing_file.member(archive, WHOLE) == read_file()

    def test_what_the_card_says_of_the_values(self):
        calls = load_bank_marketing()
        sold, days = calls["y"] == "yes", calls["pdays"] != 999
        fifths = sold.groupby(np.arange(len(calls)) * 5 // len(calls)).mean()
        assert list((100 * fifths).round()) == [3, 5, 6, 11, 31]
        of_age = {
            "24 % below the age of 25": calls["age"] < 25,
            "47 % from 65 on": calls["age"] >= 65,
            "9 % between 35 and 54": calls["age"].between(35, 54),
            "14 % among the single": calls["marital"] == "single",
            "10 % among the married": calls["marital"] == "married",
            "31 % among students": calls["job"] == "student",
            "25 % among the retired": calls["job"] == "retired",
        }
        text = " ".join(CARD.split())
        for words, group in of_age.items():
            assert words in text
            assert round(100 * sold[group].mean()) == int(words[: words.index(" ")])
        features = encode_bank_marketing(calls).drop(columns="y")
        counts = {
            "(1,515 rows)": days.sum(),
            "4,110 rows have 999": (~days & (calls["previous"] > 0)).sum(),
            "for 142 others": (days & (calls["poutcome"] == "failure")).sum(),
            "in 8,597 rows": (calls["default"] == "unknown").sum(),
            "same 990 rows": calls[["housing", "loan"]].eq("unknown").all(axis=1).sum(),
            "2,759 rows repeat": features.duplicated().sum(),
            "12 rows are equal": calls.duplicated().sum(),
            "5,834,924 bytes": len(read_file()),
            "4,119 rows": len(load_bank_marketing(sample=True)),
            "41,188, in the order": len(calls),
            "4,640 of them": sold.sum(),
            "more than 449 seconds": calls["duration"][sold].median(),
        }
        for words, count in counts.items():
            assert f"{int(count):,}" in words, words
            assert words in text

    def test_made_up_calls_have_its_types_and_frequencies(self, made_up):
        calls = load_bank_marketing()
        assert list(calls.dtypes) == list(made_up.dtypes)
        for column in (*BANK_CATEGORIES, "previous", "y"):
            real = calls[column].value_counts(normalize=True)
            ours = made_up[column].value_counts(normalize=True)
            assert (real - ours).abs().max() < 0.005, column
        for column in ("age", "campaign", "euribor3m", "cons.price.idx"):
            assert abs(calls[column].mean() / made_up[column].mean() - 1) < 0.03
            assert abs(calls[column].std() / made_up[column].std() - 1) < 0.06
        for answer, of_real in calls.groupby("y")["duration"]:
            of_ours = made_up["duration"][made_up["y"] == answer]
            assert abs(of_ours.median() / of_real.median() - 1) < 0.1
