"""A backup holds what it says, and leads out of no folder."""

from __future__ import annotations

import io
import shutil
import tarfile
from pathlib import Path

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from rtgf_node.copies import backup_file
from rtgf_node.copies.backup_file import MANIFEST, Entry, Manifest, Source
from rtgf_node.errors import Code, RtgfError

FILES = {"rtgf.toml": b"[node]\n", "data/node.db": b"\x00" * 3000, "data/objects/ab/cd": b""}


def describe(entries: tuple[Entry, ...]) -> Manifest:
    return Manifest(
        format="rtgf-backup/1",
        made_at="2026-11-23T00:00:00Z",
        program="0",
        origin="fma.example/log",
        tree_size=0,
        root_hash="sha256:",
        head=None,
        decisions=0,
        data="data",
        keys=False,
        member=None,
        elsewhere=(),
        files=entries,
    )


def made(folder: Path, *, tar: bool) -> Path:
    sources = []
    for name, data in FILES.items():
        path = folder / "source" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(data)
        sources.append(Source(name, path, private=name != "rtgf.toml"))
    backup_file.write(folder / "backup", sources, describe, tar=tar)
    return folder / "backup"


def refused(backup: Path, to: Path | None = None) -> RtgfError:
    with pytest.raises(RtgfError) as caught:
        backup_file.read(backup, to)
    return caught.value


@pytest.fixture(scope="module")
def tar(tmp_path_factory) -> Path:
    return made(tmp_path_factory.mktemp("tar"), tar=True)


@pytest.mark.parametrize("tar", [True, False])
def test_what_is_read_is_what_was_written(tmp_path, tar):
    backup = made(tmp_path, tar=tar)
    (tmp_path / "to").mkdir()
    manifest = backup_file.read(backup, tmp_path / "to")
    assert [entry.name for entry in manifest.files] == list(FILES)
    assert {name: (tmp_path / "to" / name).read_bytes() for name in FILES} == FILES
    modes = {name: (tmp_path / "to" / name).stat().st_mode & 0o777 for name in FILES}
    assert modes == {"rtgf.toml": 0o644, "data/node.db": 0o600, "data/objects/ab/cd": 0o600}


@given(st.data())
def test_a_tar_that_was_cut_anywhere_is_refused(tar, tmp_path_factory, data):
    whole = tar.read_bytes()
    # Behind the manifest there is only padding.
    end = whole.rindex(b"}") + 1
    cut = tmp_path_factory.mktemp("cut") / "cut.tar"
    cut.write_bytes(whole[: data.draw(st.integers(0, end - 1))])
    error = refused(cut)
    assert error.code in {Code.RTGF_TXP_STORE_DAMAGED, Code.RTGF_INPUT_INVALID}
    assert error.pointer is not None or cut.stat().st_size < 512


@given(st.data())
def test_a_flipped_bit_of_a_file_is_refused(tar, tmp_path_factory, data):
    whole = bytearray(tar.read_bytes())
    with tarfile.open(tar) as read:
        place = read.getmember("data/node.db").offset_data
    at = place + data.draw(st.integers(0, len(FILES["data/node.db"]) - 1))
    whole[at] ^= 1 << data.draw(st.integers(0, 7))
    altered = tmp_path_factory.mktemp("altered") / "altered.tar"
    altered.write_bytes(whole)
    error = refused(altered)
    assert error.code is Code.RTGF_TXP_STORE_DAMAGED
    assert error.pointer == "altered.tar: data/node.db"


@pytest.mark.parametrize("name", ["../out", "/tmp/out", "data/../../out", "a//b", "./a", "a\\b"])
def test_no_name_leads_out_of_the_folder(tmp_path, name):
    path = tmp_path / "bad.tar"
    with tarfile.open(path, "w:") as tar:
        tar.addfile(tarfile.TarInfo(name), io.BytesIO())
    (tmp_path / "to").mkdir()
    assert refused(path, tmp_path / "to").code is Code.RTGF_TXP_STORE_DAMAGED
    assert sorted(one.name for one in tmp_path.iterdir()) == ["bad.tar", "to"]
    assert not list((tmp_path / "to").iterdir())


def test_links_are_refused(tmp_path):
    path = tmp_path / "bad.tar"
    with tarfile.open(path, "w:") as tar:
        link = tarfile.TarInfo("data")
        link.type, link.linkname = tarfile.SYMTYPE, "/tmp"
        tar.addfile(link)
    assert "data" in str(refused(path).pointer)
    backup = made(tmp_path, tar=False)
    (backup / "rtgf.toml").unlink()
    (backup / "rtgf.toml").symlink_to("/etc/passwd")
    assert refused(backup).pointer == "backup: rtgf.toml"


def test_what_is_left_out_put_in_or_shorter_is_named(tmp_path):
    backup = made(tmp_path, tar=False)
    for name, edit in {
        "data/more": lambda path: path.write_bytes(b""),
        "data/node.db": lambda path: path.write_bytes(b"\x00" * 2999),
        "rtgf.toml": lambda path: path.unlink(),
        MANIFEST: lambda path: path.unlink(),
    }.items():
        copy = tmp_path / name.replace("/", "-")
        shutil.copytree(backup, copy)
        edit(copy / name)
        error = refused(copy)
        assert (error.code, error.pointer) == (
            Code.RTGF_TXP_STORE_DAMAGED,
            f"{copy.name}: {name}",
        )


def test_a_manifest_of_another_kind_is_refused(tmp_path):
    backup = made(tmp_path, tar=False)
    said = msgspec.json.decode((backup / MANIFEST).read_bytes())
    (backup / MANIFEST).write_bytes(msgspec.json.encode({**said, "format": "rtgf-backup/2"}))
    error = refused(backup)
    assert (error.code, error.pointer) == (Code.RTGF_INPUT_INVALID, f"backup: {MANIFEST}")
