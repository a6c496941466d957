"""What is written whole is durable under its name, and leaves nothing beside it."""

from __future__ import annotations

import errno
import os

import pytest

from rtgf_node.whole_file import write_whole


def test_the_name_is_made_durable_after_the_bytes(tmp_path, monkeypatch):
    done = []
    fsync, replace = os.fsync, os.replace

    def synced(descriptor):
        done.append(os.path.basename(os.readlink(f"/proc/self/fd/{descriptor}")))
        fsync(descriptor)

    def replaced(old, new, **named):
        done.append("replace")
        replace(old, new, **named)

    monkeypatch.setattr(os, "fsync", synced)
    monkeypatch.setattr(os, "replace", replaced)
    write_whole(tmp_path / "file", b"bytes", mode=0o600)
    assert done == [".file.new", "replace", tmp_path.name]
    assert (tmp_path / "file").stat().st_mode & 0o777 == 0o600


def test_what_could_not_be_written_leaves_the_old_file_and_nothing_else(tmp_path, monkeypatch):
    write_whole(tmp_path / "file", b"old")

    def full(descriptor):
        raise OSError(errno.ENOSPC, "no space left")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(OSError, match="no space"):
        write_whole(tmp_path / "file", b"new")
    assert [path.name for path in tmp_path.iterdir()] == ["file"]
    assert (tmp_path / "file").read_bytes() == b"old"


def test_what_could_not_be_written_is_named_as_it_was_asked_for(tmp_path):
    with pytest.raises(FileNotFoundError) as caught:
        write_whole(tmp_path / "no-folder/file", b"new")
    assert caught.value.filename == str(tmp_path / "no-folder/file")
