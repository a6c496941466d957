"""`rtgf keys prepare` makes keys only where the node can read them and the request can be kept."""

from __future__ import annotations

import os
import shutil

import pytest

from rtgf_node.cli import key_change
from rtgf_node.errors import Code, RtgfError


@pytest.fixture
def folder(node_folder, tmp_path):
    """A node of this test's own, and how many keys it has."""
    own = tmp_path / "fma"
    shutil.copytree(node_folder, own)
    return own


def keys_in(folder):
    return sorted(path.name for path in (folder / "keys").iterdir())


def test_keys_and_a_request_are_made(folder, capsys):
    before, out = keys_in(folder), folder / "r.json"
    assert key_change.prepare(out=out, config=folder / "rtgf.toml") == 0
    assert len(keys_in(folder)) == len(before) + 5
    assert capsys.readouterr().out.endswith(
        f"to be signed by the root: {out}\n"
        f"then: rtgf keys sign {out} --root FOLDER --passphrase-file FILE --out FILE\n"
    )


@pytest.mark.parametrize("out", [".", "no-folder/request.json"])
def test_where_no_request_can_be_written_no_key_is_made(folder, out):
    before = keys_in(folder)
    with pytest.raises(RtgfError, match="is no file in a folder that is there"):
        key_change.prepare(out=folder / out, config=folder / "rtgf.toml")
    assert keys_in(folder) == before


def test_another_user_than_the_nodes_makes_no_key(folder, monkeypatch):
    before, user = keys_in(folder), os.geteuid()
    monkeypatch.setattr(os, "geteuid", lambda: user + 1)
    with pytest.raises(RtgfError, match="run this as the user of the node") as caught:
        key_change.prepare(out=folder / "r.json", config=folder / "rtgf.toml")
    assert caught.value.code is Code.RTGF_CONFIG_INVALID
    assert keys_in(folder) == before
