"""One bit of the log's file is another one: whoever starts on it, or checks it whole, finds it."""

from __future__ import annotations

import random
import shutil
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from rtgf_node import start_checks
from rtgf_node.core.keys import KeySet, PublicKey
from rtgf_node.errors import Code, RtgfError
from rtgf_node.store import Store, create_store, open_store
from tests.public_log import AT, SIGNER, grow, sign_head

SIZES = (300, 700)
FLIPS = 40
SEED = 20261123
KEYS = KeySet([PublicKey(SIGNER.kid, SIGNER.public, "log", AT - 60, AT + 60)])
FILES: Any = SimpleNamespace(key_set=lambda: KEYS)
FOUND = {Code.RTGF_TXP_STORE_DAMAGED, Code.RTGF_TXP_ROOT_SIGNATURE_INVALID}
SEEN = 24
"""Bytes that are looked for in the file: so many hold together within a page."""


@pytest.fixture(scope="module")
def sound(tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("sound") / "data"
    with create_store(folder) as store:
        for size in SIZES:
            grow(store, size)
            sign_head(store)
    return folder


def kept(store: Store, what: str) -> list[bytes]:
    """Return the bytes of this kind as they are kept."""
    match what:
        case "leaf":
            return store.log.entries(0, 1000)
        case "node":
            rows = store.reader.execute("SELECT hashes FROM tiles").fetchall()
            return [row[0] for row in rows]
        case _:
            # An older document is checked by whoever is given it.
            heads = store.log.heads(len(SIZES))
            return [*(head.root for head in heads), heads[0].document]


def start_and_check(folder: Path) -> None:
    """What a start does with a log, and then what a check of all of it does."""
    with open_store(folder) as store:
        start_checks.check_head(store, FILES, AT, SIGNER.kid)
        store.log.check_all()


@pytest.mark.parametrize("what", ["leaf", "node", "head"])
def test_a_flipped_bit_is_found(sound, tmp_path, what):
    """RTGF-CT-61."""
    chance, whole = random.Random(SEED), (sound / "node.db").read_bytes()
    start_and_check(sound)
    with open_store(sound) as store:
        pieces = kept(store, what)
    shutil.copytree(sound, tmp_path / "data")
    for _ in range(FLIPS):
        piece = chance.choice(pieces)
        at = chance.randrange(len(piece))
        start = max(0, min(at - SEEN // 2, len(piece) - SEEN))
        place = whole.find(piece[start : start + SEEN])
        assert place >= 0
        damaged = bytearray(whole)
        damaged[place + at - start] ^= 1 << chance.randrange(8)
        (tmp_path / "data" / "node.db").write_bytes(damaged)
        with pytest.raises(RtgfError) as found:
            start_and_check(tmp_path / "data")
        assert found.value.code in FOUND, found.value
