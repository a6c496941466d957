"""What is served as tiles: exactly the signed tree, and nothing that was altered on disk."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rtgf_node.api.tiles import piece
from rtgf_node.core import checkpoint, merkle, tiles
from rtgf_node.core.tiles import TilePath
from rtgf_node.errors import Code, RtgfError
from rtgf_node.store import create_store
from tests.public_log import KEY, entry, grow, sign_head

LARGE = 66_000
"""Leaves: three levels of tiles, of which the lower two have full ones."""


@pytest.fixture(scope="module")
def large(tmp_path_factory):
    """A log of 66,000 leaves, all signed."""
    with create_store(tmp_path_factory.mktemp("large") / "node") as made:
        grow(made, LARGE)
        sign_head(made)
        yield made


@pytest.fixture
def store(tmp_path):
    with create_store(tmp_path / "node") as made:
        yield made


def refused(log, path):
    with pytest.raises(RtgfError) as caught:
        piece(log, path)
    return caught.value.code


@settings(max_examples=20)
@given(st.integers(1, 2000) | st.integers(65_000, LARGE) | st.sampled_from([256, 65_536, LARGE]))
def test_every_piece_hashes_to_the_root(large, size):
    """RTGF-CT-60: bundles give tiles, tiles give the tiles above, the right edge gives the root."""
    log = large.log
    read = {path: piece(log, path) for path in tiles.covering(size)}
    for path, data in read.items():
        if path.level is None:
            entries = tiles.decode_bundle(data, path.width)
            first = path.number * tiles.WIDTH
            assert entries == [entry(first + place) for place in range(path.width)]
            hashes = b"".join(map(merkle.leaf_hash, entries))
            assert hashes == read[path._replace(level=0)]
        elif path.is_full:
            above, place = divmod(path.number, tiles.WIDTH)
            parent = next(
                found
                for width in range(256, 0, -1)
                if (found := read.get(TilePath(path.level + 1, above, width))) is not None
            )
            root = merkle.root_hash(tiles.split(path, data))
            assert parent[place * 32 : place * 32 + 32] == root
    assert tiles.tree_root(size, read.__getitem__) == log.root_at(size)


@settings(max_examples=25)
@given(st.data())
def test_every_partial_tile_begins_the_whole_one(large, data):
    level = data.draw(st.sampled_from([None, 0, 1]))
    nodes = LARGE >> (8 * (level or 0))
    number = data.draw(st.integers(0, nodes // 256 - 1))
    width = data.draw(st.integers(1, 255))
    whole = piece(large.log, TilePath(level, number))
    assert whole.startswith(piece(large.log, TilePath(level, number, width)))


@settings(max_examples=15)
@given(signed=st.integers(1, 900), more=st.integers(0, 400))
def test_only_what_the_newest_head_covers_is_served(tmp_path_factory, signed, more):
    """What is appended and not signed yet is not there, in no width."""
    with create_store(tmp_path_factory.mktemp("growing") / "node") as store:
        grow(store, signed)
        head = sign_head(store)
        grow(store, signed + more)
        root = tiles.tree_root(signed, lambda path: piece(store.log, path))
        assert checkpoint.open_note(head.checkpoint.encode(), [KEY]).root == root
        inside = set(tiles.covering(signed))
        for path in tiles.covering(signed + more):
            if path not in inside and not path.is_covered(signed):
                assert refused(store.log, path) is Code.RTGF_TXP_PROOF_NOT_FOUND


def test_before_the_first_head_there_is_nothing(store):
    grow(store, 300)
    assert refused(store.log, TilePath(0, 0)) is Code.RTGF_UNAVAILABLE


@pytest.mark.parametrize("path", [TilePath(3, 0, 1), TilePath(63, 0), TilePath(0, 10**17)])
def test_far_outside_the_tree(large, path):
    assert refused(large.log, path) is Code.RTGF_TXP_PROOF_NOT_FOUND


def test_entries_that_were_altered_on_disk_are_not_served(store):
    grow(store, 300)
    sign_head(store)
    other = entry(7).replace(b"evt", b"EVT")
    store.conn.execute("DROP TRIGGER leaves_are_never_changed")
    store.conn.execute("UPDATE leaves SET entry = ? WHERE idx = 7", (other,))
    store.conn.commit()
    assert refused(store.log, TilePath(None, 0)) is Code.RTGF_TXP_STORE_DAMAGED
    assert piece(store.log, TilePath(None, 1, 44))
