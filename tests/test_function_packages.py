"""Zips of functions: what is refused before anything is written, what is unpacked."""

import errno
import io
import stat
import struct
import zipfile
import zlib

import pytest
from lambda_functions import zip_of

from local_aws.errors import AwsError
from local_aws.functions import operations, packages
from local_aws.functions.packages import BadZip, CodeStore, check

NOT_UNZIPPED = "Could not unzip uploaded file"


def with_mode(name: str, mode: int, content: str = "") -> bytes:
    made = io.BytesIO()
    with zipfile.ZipFile(made, "w") as archive:
        member = zipfile.ZipInfo(name)
        member.external_attr = mode << 16
        archive.writestr(member, content)
    return made.getvalue()


def damaged(content: bytes) -> bytes:
    place = content.index(b"print") + 2
    return content[:place] + b"?" + content[place + 1 :]


def stored(name: str, text: str) -> bytes:
    made = io.BytesIO()
    with zipfile.ZipFile(made, "w") as archive:
        archive.writestr(name, text)
    return made.getvalue()


def encrypted() -> bytes:
    """A zip that says that its member is encrypted."""
    content = bytearray(stored("a.py", "print()"))
    for signature, place in ((b"PK\3\4", 6), (b"PK\1\2", 8)):
        at = content.index(signature) + place
        struct.pack_into("<H", content, at, 1)
    return bytes(content)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        pytest.param(b"", NOT_UNZIPPED, id="nothing"),
        pytest.param(b"\x1f\x8b no zip", NOT_UNZIPPED, id="no-zip"),
        pytest.param(zip_of({}), "non-empty zip", id="empty"),
        pytest.param(zip_of({"a.py": "print()"})[:-8], NOT_UNZIPPED, id="cut"),
        pytest.param(damaged(stored("a.py", "print()")), NOT_UNZIPPED, id="damaged"),
        pytest.param(
            zip_of({"a.py": "print()"}, zipfile.ZIP_LZMA), NOT_UNZIPPED, id="lzma"
        ),
        pytest.param(encrypted(), NOT_UNZIPPED, id="encrypted"),
        pytest.param(zip_of({"../a.py": ""}), NOT_UNZIPPED, id="parent"),
        pytest.param(zip_of({"a/../../b": ""}), NOT_UNZIPPED, id="inner-parent"),
        pytest.param(zip_of({"/tmp/a.py": ""}), NOT_UNZIPPED, id="absolute"),
        pytest.param(zip_of({"a\\..\\b": ""}), NOT_UNZIPPED, id="backslash"),
        pytest.param(zip_of({"a": "", "a/b": ""}), NOT_UNZIPPED, id="file-and-folder"),
        pytest.param(zip_of({"a" * 256: ""}), NOT_UNZIPPED, id="name"),
        pytest.param(zip_of({"a/" * 600: ""}), NOT_UNZIPPED, id="path"),
        pytest.param(
            with_mode("link", stat.S_IFLNK | 0o777, "/etc"), "is a link", id="link"
        ),
        pytest.param(with_mode("pipe", stat.S_IFIFO | 0o600), "is a link", id="pipe"),
    ],
)
def test_a_zip_that_is_refused(content, message) -> None:
    with pytest.raises(BadZip, match=message):
        check(content)


def test_a_bomb_is_refused_whatever_it_says_of_its_size(tmp_path, monkeypatch) -> None:
    monkeypatch.setattr(packages, "LARGEST_UNZIPPED", 10_000)
    content = zip_of({"a": bytes(6000), "b": bytes(6000)})
    monkeypatch.setattr(packages, "LARGEST_ZIP", len(content) - 1)
    with pytest.raises(AwsError, match="Zipped size must be smaller than") as caught:
        operations._package({"ZipFile": content}, None)
    assert caught.value.code == "InvalidParameterValueException"
    with pytest.raises(BadZip, match="Unzipped size must be smaller than 10000 bytes"):
        check(content)
    # Of one that says that it holds a byte no more is read, nor written.
    lying = bytearray(zip_of({"a": bytes(20_000)}))
    at = lying.index(b"PK\1\2") + 16
    struct.pack_into("<L", lying, at, zlib.crc32(b"\0"))
    struct.pack_into("<L", lying, at + 8, 1)
    store = CodeStore(tmp_path / "code")
    task = store.task(store.add(check(bytes(lying))))
    assert (task / "a").read_bytes() == b"\0"
    monkeypatch.setattr(packages, "MOST_FILES", 2)
    for names in ("abc", "abcdefgh"):
        with pytest.raises(BadZip, match="more than 2 files"):
            check(zip_of(dict.fromkeys(names, "")))


def test_a_zip_is_kept_and_unpacked(tmp_path) -> None:
    content = zip_of({"lambda_function.py": "x = 1", "data/é ☁.json": "{}", "d/": ""})
    store = CodeStore(tmp_path / "code")
    name = store.add(check(content))
    assert store.zip(name) == content
    task = store.task(name)
    found = {str(p.relative_to(task)) for p in task.rglob("*")}
    assert found == {"lambda_function.py", "data", "data/é ☁.json", "d"}
    program = store.add(check(with_mode("run", stat.S_IFREG | 0o755, "x")))
    assert store.task(program).joinpath("run").stat().st_mode & 0o777 == 0o700
    # What was cut off is begun anew, and what nobody has is removed.
    store.sweep({name})
    assert [p.name for p in (tmp_path / "code").iterdir()] == [name]
    assert not task.exists()
    assert (store.task(name) / "lambda_function.py").read_text() == "x = 1"


def fail(*arguments: object) -> None:
    raise OSError(errno.ENOSPC, "No space left on device")


def test_a_full_disk_leaves_nothing(tmp_path, monkeypatch) -> None:

    monkeypatch.setattr(packages, "fsync", fail)
    store = CodeStore(tmp_path / "code")
    with pytest.raises(OSError, match="No space left"):
        store.add(check(zip_of({"a.py": ""})))
    assert not list((tmp_path / "code").iterdir())


def test_what_can_not_be_unpacked_whole_is_removed(tmp_path, monkeypatch) -> None:
    store = CodeStore(tmp_path / "code")
    name = store.add(check(with_mode("run", stat.S_IFREG | 0o755)))
    monkeypatch.setattr(packages.os, "chmod", fail)
    with pytest.raises(OSError, match="No space left"):
        store.task(name)
    assert [p.name for p in (tmp_path / "code" / name).iterdir()] == ["code.zip"]
