"""Archives are unpacked without leaving their folder."""

import io
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
