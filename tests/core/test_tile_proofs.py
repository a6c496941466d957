"""Proofs from tiles are those from the leaves."""

from __future__ import annotations

import base64

from hypothesis import given
from hypothesis import strategies as st

from rtgf_node.core import merkle, tiles
from rtgf_node.core.tile_proofs import consistency, needed
from rtgf_node.core.tiles import TilePath

LEAVES = [merkle.leaf_hash(number.to_bytes(2, "big")) for number in range(1100)]
UPPER = [merkle.root_hash(LEAVES[at : at + 256]) for at in range(0, 1024, 256)]


def tile(path: TilePath) -> bytes:
    row = LEAVES if path.level == 0 else UPPER
    begin = path.number * tiles.WIDTH
    return b"".join(row[begin : begin + path.width])


@given(st.integers(0, 1100), st.integers(0, 1100))
def test_they_are_those_from_the_leaves(one: int, other: int):
    old, new = sorted((one, other))
    paths = needed(old, new)
    assert all(path.is_covered(new) for path in paths)
    assert len(paths) <= 12
    found = consistency(old, new, {path: tile(path) for path in paths})
    assert found.old_root == merkle.root_hash(LEAVES[:old])
    assert found.proof == merkle.consistency_proof(LEAVES[:new], old)


def test_the_published_log_extends_itself(shared):
    folder = shared / "vectors" / "tessera-testlog" / "log"
    for old in range(1, 15):
        held = {path: (folder / str(path)).read_bytes() for path in needed(old, 15)}
        found = consistency(old, 15, held)
        note = (folder / "checkpoint").read_text().split("\n")[2]
        older = (folder / f"checkpoint.{old}").read_text().split("\n")[2]
        assert found.old_root == base64.b64decode(older)
        merkle.verify_consistency(
            old_size=old,
            new_size=15,
            old_root=found.old_root,
            new_root=base64.b64decode(note),
            proof=found.proof,
        )
