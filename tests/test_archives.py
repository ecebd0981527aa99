"""Archives are unpacked without leaving their folder."""

import errno
import io
import os
import random
import resource
import signal
import tarfile

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
