"""The tiled tree gives the roots and proofs of RFC 6962, at every size, from tiles alone."""

from __future__ import annotations

import hashlib

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rtgf_node.core import merkle
from rtgf_node.errors import Code, RtgfError
from rtgf_node.store.tree import RightEdge, TileCache, TreeView

LEAVES = [hashlib.sha256(number.to_bytes(4, "big")).digest() for number in range(70_000)]


class Grown:
    """A tree that was appended to, its finished tiles as a store would hold them."""

    def __init__(self, size: int) -> None:
        self.edge = RightEdge()
        for leaf in LEAVES[:size]:
            self.edge.append(leaf)
        self.tiles = dict(self.edge.finished)

    def view(self) -> TreeView:
        cache = TileCache(lambda level, index: self.tiles.get((level, index)), 64)
        return TreeView(self.edge.size, self.edge.rows, cache)


@pytest.fixture(scope="module")
def large() -> Grown:
    return Grown(66_000)


@pytest.mark.parametrize("size", [0, 1, 2, 3, 255, 256, 257, 511, 512, 513, 1000])
def test_root_is_that_of_rfc_6962(size):
    grown = Grown(size)
    assert grown.edge.root() == merkle.root_hash(LEAVES[:size])
    assert grown.view().root_at(size) == merkle.root_hash(LEAVES[:size])


@settings(max_examples=60)
@given(st.data())
def test_every_proof_equals_the_one_from_all_leaves(data):
    size = data.draw(st.integers(1, 700))
    view = Grown(size).view()
    at = data.draw(st.integers(1, size))
    index = data.draw(st.integers(0, at - 1))
    old = data.draw(st.integers(0, at))
    assert view.root_at(at) == merkle.root_hash(LEAVES[:at])
    assert view.inclusion_proof(index, at) == merkle.inclusion_proof(LEAVES[:at], index)
    assert view.consistency_proof(old, at) == merkle.consistency_proof(LEAVES[:at], old)


@settings(max_examples=60)
@given(st.data())
def test_proofs_across_three_tile_levels_verify(large, data):
    view = large.view()
    size = data.draw(st.integers(1, view.size))
    index = data.draw(st.integers(0, size - 1))
    old = data.draw(st.integers(0, size))
    root = view.root_at(size)
    merkle.verify_inclusion(
        leaf_hash=LEAVES[index],
        index=index,
        tree_size=size,
        proof=view.inclusion_proof(index, size),
        root=root,
    )
    merkle.verify_consistency(
        old_size=old,
        new_size=size,
        old_root=view.root_at(old),
        new_root=root,
        proof=view.consistency_proof(old, size),
    )


@settings(max_examples=30)
@given(st.integers(1, 66_000), st.lists(st.integers(0, 65_999), max_size=12))
def test_paths_looked_up_together_are_those_looked_up_alone(large, size, wanted):
    view, indexes = large.view(), [index % size for index in wanted]
    alone = [view.inclusion_proof(index, size) for index in indexes]
    assert view.inclusion_proofs(indexes, size) == alone


@given(st.integers(0, 70_000))
def test_an_edge_taken_up_from_its_tiles_goes_on_as_if_never_put_down(size):
    size %= 1200
    edge = Grown(size).edge
    tiles = [edge.unfinished(level)[1] for level in range((len(edge.rows) + 7) // 8)]
    resumed = RightEdge(size, tiles)
    for leaf in LEAVES[size : size + 300]:
        edge.append(leaf)
        resumed.append(leaf)
    assert resumed.root() == edge.root() == merkle.root_hash(LEAVES[: size + 300])


def test_altered_tile_is_refused_when_it_is_read(large):
    for address in [(0, 7), (0, 255), (1, 0)]:
        hashes = large.tiles[address]
        large.tiles[address] = hashes[:100] + bytes([hashes[100] ^ 1]) + hashes[101:]
        with pytest.raises(RtgfError) as refused:
            large.view().tile(*address)
        assert refused.value.code is Code.RTGF_TXP_STORE_DAMAGED
        large.tiles[address] = hashes


@pytest.mark.parametrize("hashes", [None, b"", b"x" * 8191])
def test_missing_or_cut_tile_is_refused(large, hashes):
    view = TreeView(large.edge.size, large.edge.rows, TileCache(lambda _level, _index: hashes, 4))
    with pytest.raises(RtgfError) as refused:
        view.inclusion_proof(5, 60_000)
    assert refused.value.code is Code.RTGF_TXP_STORE_DAMAGED


@pytest.mark.parametrize(
    "ask",
    [
        lambda view: view.root_at(11),
        lambda view: view.root_at(-1),
        lambda view: view.inclusion_proof(10, 10),
        lambda view: view.inclusion_proof(-1, 10),
        lambda view: view.inclusion_proof(0, 11),
        lambda view: view.consistency_proof(6, 5),
        lambda view: view.consistency_proof(-1, 5),
        lambda view: view.consistency_proof(1, 11),
    ],
)
def test_what_the_tree_does_not_hold_is_not_found(ask):
    with pytest.raises(RtgfError) as refused:
        ask(Grown(10).view())
    assert refused.value.code is Code.RTGF_TXP_PROOF_NOT_FOUND


def test_cache_holds_no_more_than_its_size(large):
    reads = []

    def load(level, index):
        reads.append((level, index))
        return large.tiles.get((level, index))

    view = TreeView(large.edge.size, large.edge.rows, TileCache(load, 2))
    for index in (0, 300, 600, 0):
        view.inclusion_proof(index, 66_000)
    assert reads.count((0, 0)) == 2
    assert len(reads) > len(set(reads))
