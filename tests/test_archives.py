"""Archives are unpacked without leaving their folder."""

import bz2
import errno
import gzip
import io
import lzma
import os
import random
import resource
import shutil
import signal
import tarfile
from types import SimpleNamespace

import pytest

from local_aws.runtime.archives import UnsafeArchive, pack, unpack


def write_archive(path, *members):
    with tarfile.open(path, "w:gz") as tar:
        for member, content in members:
            member.size = len(content)
            tar.addfile(member, io.BytesIO(content))


def link(name, target, kind=tarfile.SYMTYPE):
    member = tarfile.TarInfo(name)
    member.type, member.linkname = kind, target
    return member, b""


def device(name):
    member = tarfile.TarInfo(name)
    member.type = tarfile.CHRTYPE
    return member, b""


def test_what_is_packed_is_unpacked(tmp_path):
    source, target = tmp_path / "source", tmp_path / "target"
    (source / "inner").mkdir(parents=True)
    (source / "xgboost-model").write_bytes(b"\x00model")
    (source / "inner/file").write_text("text")
    target.mkdir()
    pack(source, tmp_path / "model.tar.gz")
    unpack(tmp_path / "model.tar.gz", target)
    assert (target / "xgboost-model").read_bytes() == b"\x00model"
    assert (target / "inner/file").read_text() == "text"


def test_members_are_at_the_root_and_name_no_user(tmp_path):
    source = tmp_path / "source"
    source.mkdir()
    (source / "xgboost-model").write_bytes(b"model")
    pack(source, tmp_path / "model.tar.gz")
    with tarfile.open(tmp_path / "model.tar.gz") as tar:
        (member,) = tar.getmembers()
    assert member.name == "xgboost-model"
    assert (member.uid, member.uname, member.gname) == (0, "", "")


@pytest.mark.parametrize(
    "member",
    [
        (tarfile.TarInfo("../outside"), b"x"),
        (tarfile.TarInfo("a/../../outside"), b"x"),
        link("xgboost-model", "/etc/passwd"),
        link("inner", ".."),
        link("hard", "../outside", tarfile.LNKTYPE),
        device("null"),
    ],
    ids=["parent", "nested parent", "absolute link", "link", "hard link", "device"],
)
def test_a_member_that_leads_outside_is_refused(tmp_path, member):
    target = tmp_path / "inside" / "target"
    target.mkdir(parents=True)
    (tmp_path / "inside" / "outside").write_text("mine")
    write_archive(tmp_path / "bad.tar.gz", member)
    with pytest.raises(UnsafeArchive):
        unpack(tmp_path / "bad.tar.gz", target)
    assert (tmp_path / "inside" / "outside").read_text() == "mine"
    assert list(target.iterdir()) == []


def test_an_absolute_name_stays_inside(tmp_path):
    target = tmp_path / "target"
    target.mkdir()
    write_archive(tmp_path / "a.tar.gz", (tarfile.TarInfo("/etc/model"), b"x"))
    unpack(tmp_path / "a.tar.gz", target)
    assert (target / "etc/model").read_bytes() == b"x"


@pytest.mark.parametrize("content", [b"", b"no archive", b"\x1f\x8b\x08 broken"])
def test_a_damaged_archive_is_refused(tmp_path, content):
    (tmp_path / "a.tar.gz").write_bytes(content)
    with pytest.raises(UnsafeArchive):
        unpack(tmp_path / "a.tar.gz", tmp_path)


def test_what_is_no_archive_names_no_errno(tmp_path):
    name = "x" * 300  # longer than a file's name may be
    write_archive(tmp_path / "a.tar.gz", (tarfile.TarInfo(name), b"x"))
    with pytest.raises(UnsafeArchive):
        unpack(tmp_path / "a.tar.gz", tmp_path)


@pytest.mark.parametrize("place", [-8, 50_000])
def test_a_damaged_byte_is_the_archives_fault(tmp_path, place):
    """In the checksum, and in content that does not compress."""
    content = random.Random(0).randbytes(100_000)
    write_archive(tmp_path / "a.tar.gz", (tarfile.TarInfo("model"), content))
    content = bytearray((tmp_path / "a.tar.gz").read_bytes())
    content[place] ^= 0xFF
    (tmp_path / "a.tar.gz").write_bytes(content)
    with pytest.raises(UnsafeArchive):
        unpack(tmp_path / "a.tar.gz", tmp_path)


def repacked(path, change):
    """Give the archive the content that `change` makes of its tar's."""
    content = bytearray(gzip.decompress(path.read_bytes()))
    path.write_bytes(gzip.compress(bytes(change(content))))


FILES = [(tarfile.TarInfo(name), 3000 * name.encode()) for name in "abc"]


@pytest.mark.parametrize(
    "damage",
    [
        lambda content: content[:-4] + bytes([content[-4] ^ 1]) + content[-3:],
        lambda content: content[:-8],
        lambda content: content[:-1],
        lambda content: content[: len(content) // 2],
        lambda content: content + b"garbage",
        lambda content: content + gzip.compress(b"more")[:-3],
        gzip.decompress,
        lambda content: bz2.compress(gzip.decompress(content)),
        lambda content: lzma.compress(gzip.decompress(content)),
        lambda content: gzip.compress(content),
    ],
    ids=[
        "length",
        "no-trailer",
        "short",
        "half",
        "garbage",
        "member",
        "tar",
        "bz2",
        "xz",
        "twice",
    ],
)
def test_what_gnu_tar_refuses_is_refused(tmp_path, damage):
    write_archive(tmp_path / "a.tar.gz", *FILES)
    content = (tmp_path / "a.tar.gz").read_bytes()
    (tmp_path / "a.tar.gz").write_bytes(damage(content))
    with pytest.raises(UnsafeArchive):
        unpack(tmp_path / "a.tar.gz", tmp_path)


@pytest.mark.parametrize(
    "damage",
    [
        lambda content: content,
        lambda content: content + gzip.compress(b""),
        lambda content: content + gzip.compress(b"more"),
        lambda content: content + bytes(1024),
        lambda content: gzip.compress(gzip.decompress(content).rstrip(b"\0")),
        lambda content: b"".join(
            gzip.compress(gzip.decompress(content)[part])
            for part in (slice(1000), slice(1000, None))
        ),
    ],
    ids=["whole", "empty-member", "member", "zeros", "no-end", "two-members"],
)
def test_what_gnu_tar_takes_is_taken(tmp_path, damage):
    write_archive(tmp_path / "a.tar.gz", *FILES[:1], (tarfile.TarInfo("b"), b"x" * 512))
    content = (tmp_path / "a.tar.gz").read_bytes()
    (tmp_path / "a.tar.gz").write_bytes(damage(content))
    unpack(tmp_path / "a.tar.gz", tmp_path)
    assert (tmp_path / "b").read_bytes() == b"x" * 512


def past_frombuf(cls, tar):
    block = tar.fileobj.read(tarfile.BLOCKSIZE)
    member = tarfile.TarInfo.frombuf.__func__(cls, block, tar.encoding, tar.errors)
    member.offset = tar.fileobj.tell() - tarfile.BLOCKSIZE
    return member._proc_member(tar)


@pytest.fixture(params=["this Python", "newer Python"])
def releases(request, monkeypatch):
    """Newer releases of Python read headers past what a subclass makes of frombuf."""
    if request.param == "newer Python":
        monkeypatch.setattr(tarfile.TarInfo, "fromtarfile", classmethod(past_frombuf))


@pytest.mark.usefixtures("releases")
def test_a_damaged_header_is_not_the_end(tmp_path):
    """Of the second member: the third would be missing in silence."""

    def damage(content):
        content[512 + 3072 + 150] ^= 1  # in the header's checksum
        return content

    write_archive(tmp_path / "a.tar.gz", *FILES)
    repacked(tmp_path / "a.tar.gz", damage)
    with pytest.raises(UnsafeArchive):
        unpack(tmp_path / "a.tar.gz", tmp_path)


def write_pax_archive(path, headers):
    member = tarfile.TarInfo("model")
    member.pax_headers = headers
    member.size = 10
    with tarfile.open(path, "w:gz", format=tarfile.PAX_FORMAT) as tar:
        tar.addfile(member, io.BytesIO(b"0123456789"))


@pytest.mark.parametrize(
    "headers",
    [
        {"mtime": "inf"},
        {"mtime": "nan"},
        {"mtime": "1e300"},
        {"path": "a\0b"},
        {"path": "a/\0"},
        {"size": "-5"},
        {"GNU.sparse.map": "1,x"},
        {"GNU.sparse.map": "0,10", "GNU.sparse.size": "ten"},
        {"GNU.sparse.major": "1", "GNU.sparse.minor": "0", "GNU.sparse.name": "m"},
    ],
    ids=lambda headers: " ".join(f"{k}={v!r}" for k, v in headers.items()),
)
def test_headers_that_make_no_sense_are_the_archives_fault(tmp_path, headers):
    write_pax_archive(tmp_path / "a.tar.gz", headers)
    (tmp_path / "target").mkdir()
    with pytest.raises(UnsafeArchive):
        unpack(tmp_path / "a.tar.gz", tmp_path / "target")


def test_headers_one_in_another_are_the_archives_fault(tmp_path):
    header = tarfile.TarInfo("long")
    header.type, header.size = tarfile.GNUTYPE_LONGNAME, 2
    block = header.tobuf(tarfile.GNU_FORMAT) + b"a".ljust(512, b"\0")
    (tmp_path / "a.tar.gz").write_bytes(gzip.compress(5000 * block))
    with pytest.raises(UnsafeArchive):
        unpack(tmp_path / "a.tar.gz", tmp_path)


@pytest.mark.usefixtures("releases")
def test_a_header_that_would_fill_the_memory_is_refused(tmp_path):
    header = tarfile.TarInfo("long")
    header.type, header.size = tarfile.XHDTYPE, 2**40
    (tmp_path / "a.tar.gz").write_bytes(gzip.compress(header.tobuf(tarfile.GNU_FORMAT)))
    with pytest.raises(UnsafeArchive, match="1,099,511,627,776 bytes"):
        unpack(tmp_path / "a.tar.gz", tmp_path)


@pytest.mark.parametrize(("files", "size"), [(2, 300_000), (200, 0)])
def test_more_than_the_disk_has_room_for_is_not_begun(
    tmp_path, monkeypatch, files, size
):
    members = [(tarfile.TarInfo(f"file-{n}"), bytes(size)) for n in range(files)]
    write_archive(tmp_path / "a.tar.gz", *members)
    (tmp_path / "target").mkdir()
    free = SimpleNamespace(free=500_000)
    monkeypatch.setattr(shutil, "disk_usage", lambda folder: free)
    with pytest.raises(OSError, match="500,000 are free") as caught:
        unpack(tmp_path / "a.tar.gz", tmp_path / "target")
    assert caught.value.errno == errno.ENOSPC
    written = [file.stat().st_size for file in (tmp_path / "target").iterdir()]
    assert sum(written) < 500_000
    assert len(written) < files


def test_a_disk_without_room_is_not_the_archives_fault(tmp_path):
    write_archive(tmp_path / "a.tar.gz", (tarfile.TarInfo("model"), bytes(100_000)))
    (tmp_path / "target").mkdir()
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    handler = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (4096, before[1]))
    try:
        with pytest.raises(OSError, match=os.strerror(errno.EFBIG)):
            unpack(tmp_path / "a.tar.gz", tmp_path / "target")
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
        signal.signal(signal.SIGXFSZ, handler)
