"""The Merkle tree: known roots, and proofs that hold for the truth and nothing else."""

from __future__ import annotations

import hashlib
import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rtgf_node.core import merkle
from rtgf_node.errors import Code, RtgfError

LEAVES = [merkle.leaf_hash(n.to_bytes(2, "big")) for n in range(300)]
ROOTS = [merkle.root_hash(LEAVES[:size]) for size in range(len(LEAVES) + 1)]
SIZES = st.integers(1, 40) | st.integers(1, len(LEAVES))


def recursive_root(leaves):
    """RFC 6962 §2.1, word for word."""
    if not leaves:
        return hashlib.sha256(b"").digest()
    if len(leaves) == 1:
        return leaves[0]
    k = 1
    while k * 2 < len(leaves):
        k *= 2
    return merkle.node_hash(recursive_root(leaves[:k]), recursive_root(leaves[k:]))


def inclusion_refused(**arguments):
    with pytest.raises(RtgfError) as caught:
        merkle.verify_inclusion(**arguments)
    return caught.value.code is Code.RTGF_TXP_PROOF_INVALID


def consistency_refused(**arguments):
    with pytest.raises(RtgfError) as caught:
        merkle.verify_consistency(**arguments)
    return caught.value.code is Code.RTGF_TXP_PROOF_INVALID


def altered_proofs(proof, data):
    """Return the proof with a bit flipped, a hash dropped, added, doubled, cut, or two swapped."""
    altered = [
        [*proof, bytes(32)],
        [bytes(32), *proof],
        [*proof, proof[-1] if proof else LEAVES[0]],
    ]
    if proof:
        at = data.draw(st.integers(0, len(proof) - 1))
        flipped = bytearray(proof[at])
        flipped[data.draw(st.integers(0, 31))] ^= 1 << data.draw(st.integers(0, 7))
        altered += [
            [*proof[:at], bytes(flipped), *proof[at + 1 :]],
            [*proof[:at], *proof[at + 1 :]],
            [*proof[:at], proof[at][:31], *proof[at + 1 :]],
            [*proof[:at], proof[at] + b"\x00", *proof[at + 1 :]],
        ]
    if len(proof) > 1:
        altered.append([proof[1], proof[0], *proof[2:]])
    return altered


def test_the_known_hashes_and_roots(shared):
    path = shared / "vectors" / "transcribed" / "rfc6962-known-roots.json"
    known = json.loads(path.read_text())
    leaves = [merkle.leaf_hash(bytes.fromhex(entry)) for entry in known["leaf_inputs_hex"]]
    roots = [merkle.root_hash(leaves[:size]).hex() for size in range(len(leaves) + 1)]
    assert roots == known["root_by_tree_size"]
    level = leaves
    for expected in known["node_hashes_hex_by_level"]:
        assert [node.hex() for node in level] == expected
        level = [merkle.node_hash(*level[at : at + 2]) for at in range(0, len(level) - 1, 2)]


def test_proofs_of_the_seven_leaf_tree_of_rfc_6962():
    # RFC 6962 §2.1.3 draws this tree: its nodes by their names there.
    a, b, c, d, e, f, j = LEAVES[:7]
    g, h, i = (merkle.node_hash(*pair) for pair in ((a, b), (c, d), (e, f)))
    k, m = merkle.node_hash(g, h), merkle.node_hash(i, j)
    assert merkle.root_hash(LEAVES[:7]) == merkle.node_hash(k, m)
    assert merkle.inclusion_proof(LEAVES[:7], 0) == [b, h, m]
    assert merkle.inclusion_proof(LEAVES[:7], 3) == [c, g, m]
    assert merkle.inclusion_proof(LEAVES[:7], 4) == [f, j, k]
    assert merkle.inclusion_proof(LEAVES[:7], 6) == [i, k]
    assert merkle.consistency_proof(LEAVES[:7], 3) == [c, d, g, m]
    assert merkle.consistency_proof(LEAVES[:7], 4) == [m]
    assert merkle.consistency_proof(LEAVES[:7], 6) == [i, j, k]


def test_roots_are_those_of_the_definition():
    assert all(ROOTS[size] == recursive_root(LEAVES[:size]) for size in range(70))


def test_a_frontier_has_the_root_of_its_tree_at_every_size():
    frontier = merkle.Frontier()
    for size, leaf in enumerate(LEAVES):
        assert (frontier.size, frontier.root()) == (size, ROOTS[size])
        frontier = merkle.Frontier(frontier.size, frontier.hashes)
        frontier.append(leaf)


@pytest.mark.parametrize(("size", "count"), [(0, 1), (1, 0), (3, 1), (4, 2), (-1, 1)])
def test_a_frontier_that_cannot_be_is_refused(size, count):
    with pytest.raises(RtgfError):
        merkle.Frontier(size, LEAVES[:count])
    with pytest.raises(RtgfError):
        merkle.Frontier(1, [b"short"])


@given(SIZES, st.data())
def test_every_inclusion_proof_verifies_and_no_altered_one_does(size, data):
    index = data.draw(st.integers(0, size - 1))
    leaves = LEAVES[:size]
    truth = {"leaf_hash": leaves[index], "index": index, "tree_size": size, "root": ROOTS[size]}
    proof = merkle.inclusion_proof(leaves, index)
    merkle.verify_inclusion(**truth, proof=proof)
    for altered in altered_proofs(proof, data):
        assert inclusion_refused(**truth, proof=altered)
    other_index = data.draw(st.integers(-1, size + 1).filter(lambda n: n != index))
    other_leaf = LEAVES[data.draw(st.integers(0, 299).filter(lambda n: n != index))]
    other_root = ROOTS[data.draw(st.integers(0, 300).filter(lambda n: n != size))]
    for change in (
        {"index": other_index},
        {"leaf_hash": other_leaf},
        {"root": other_root},
        {"leaf_hash": leaves[index][:31]},
        {"root": ROOTS[size] + b"\x00"},
        {"root": b""},
        {"tree_size": 0},
        {"tree_size": index},
        {"tree_size": 2 * size + 1},
    ):
        assert inclusion_refused(**{**truth, **change}, proof=proof)


@given(SIZES, st.data())
def test_every_consistency_proof_verifies_and_no_altered_one_does(new, data):
    old = data.draw(st.integers(0, new))
    truth = {"old_size": old, "new_size": new, "old_root": ROOTS[old], "new_root": ROOTS[new]}
    proof = merkle.consistency_proof(LEAVES[:new], old)
    merkle.verify_consistency(**truth, proof=proof)
    for altered in altered_proofs(proof, data):
        assert consistency_refused(**truth, proof=altered)
    other = data.draw(st.integers(0, 300).filter(lambda n: n not in (old, new)))
    changes = [{"old_root": ROOTS[other]}, {"old_root": b""}, {"new_root": ROOTS[new][:31]}]
    if old:
        # Every tree extends the empty one, so only then the new root is proved.
        changes += [{"new_root": ROOTS[other]}, {"new_size": old - 1}]
    if old != new:
        changes += [{"old_size": new}, {"new_size": old}, {"old_size": new + 1}]
    for change in changes:
        assert consistency_refused(**{**truth, **change}, proof=proof)


@given(SIZES, st.data())
def test_a_fork_has_no_consistency_proof(new, data):
    old = data.draw(st.integers(1, new))
    fork = [*LEAVES[: old - 1], bytes(32), *LEAVES[old:new]]
    assert consistency_refused(
        old_size=old,
        new_size=new,
        old_root=ROOTS[old],
        new_root=merkle.root_hash(fork),
        proof=merkle.consistency_proof(fork, old),
    )


def test_the_edges_of_consistency():
    empty = merkle.EMPTY_ROOT
    merkle.verify_consistency(old_size=0, new_size=0, old_root=empty, new_root=empty, proof=[])
    for old, new, old_root, new_root in (
        (0, 0, empty, ROOTS[1]),
        (0, 0, ROOTS[1], ROOTS[1]),
        (0, 3, ROOTS[3], ROOTS[3]),
        (3, 0, ROOTS[3], empty),
        (3, 3, ROOTS[3], ROOTS[4]),
        (3, 2, ROOTS[3], ROOTS[2]),
        (-1, 3, empty, ROOTS[3]),
        (3, 2**53, ROOTS[3], ROOTS[4]),
        (True, 3, ROOTS[1], ROOTS[3]),
    ):
        for proof in ([], [ROOTS[3]]):
            assert consistency_refused(
                old_size=old, new_size=new, old_root=old_root, new_root=new_root, proof=proof
            )


def test_an_entry_cannot_be_passed_off_as_a_node():
    entry = LEAVES[0] + LEAVES[1]
    assert merkle.leaf_hash(entry) != merkle.node_hash(LEAVES[0], LEAVES[1])
    assert inclusion_refused(
        leaf_hash=merkle.leaf_hash(entry), index=0, tree_size=1, proof=[], root=ROOTS[2]
    )


@pytest.mark.parametrize(("index", "size"), [(0, 0), (1, 1), (-1, 3), (3, 3)])
def test_there_is_no_proof_for_a_leaf_that_is_not_there(index, size):
    with pytest.raises(RtgfError) as caught:
        merkle.inclusion_proof(LEAVES[:size], index)
    assert caught.value.code is Code.RTGF_TXP_PROOF_NOT_FOUND


@pytest.mark.parametrize("old", [-1, 6])
def test_there_is_no_proof_that_a_tree_extends_a_larger_one(old):
    with pytest.raises(RtgfError) as caught:
        merkle.consistency_proof(LEAVES[:5], old)
    assert caught.value.code is Code.RTGF_TXP_PROOF_NOT_FOUND


class TestProofsFromCompleteNodes:
    """Proofs of a store that holds nothing but complete nodes."""

    @staticmethod
    def node(level, index):
        return recursive_root(LEAVES[index << level : (index + 1) << level])

    def hashes(self, ranges):
        return [
            merkle.fold([self.node(*node) for node in merkle.range_to_nodes(*part)])
            for part in ranges
        ]

    @given(SIZES, st.data())
    def test_they_are_the_same_proofs(self, size, data):
        index = data.draw(st.integers(0, size - 1))
        leaves = LEAVES[:size]
        inclusion = self.hashes(merkle.proof_subtrees_inclusion(index, size))
        assert inclusion == merkle.inclusion_proof(leaves, index)
        consistency = self.hashes(merkle.proof_subtrees_consistency(index, size))
        assert consistency == merkle.consistency_proof(leaves, index)

    @given(st.integers(1, 2**53 - 1), st.data())
    def test_they_stay_short_in_the_largest_trees(self, size, data):
        index = data.draw(st.integers(0, size - 1))
        assert len(merkle.proof_subtrees_inclusion(index, size)) <= 53
        assert len(merkle.proof_subtrees_consistency(index, size)) <= 54

    @given(st.integers(0, 5000), st.integers(0, 5000))
    def test_nodes_cover_a_range_once_and_in_order(self, begin, length):
        covered = begin
        for level, index in merkle.range_to_nodes(begin, begin + length):
            assert index << level == covered
            covered += 1 << level
        assert covered == begin + length
        assert len(merkle.range_to_nodes(begin, begin + length)) <= 2 * 13
