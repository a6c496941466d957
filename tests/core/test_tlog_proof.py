"""Proofs as C2SP tlog-proof files: written, read back, and refused when anything was changed."""

from __future__ import annotations

import base64

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rtgf_node.core import checkpoint, merkle, tlog_proof
from rtgf_node.core.checkpoint import Checkpoint
from rtgf_node.core.keys import SeedSigner
from rtgf_node.core.tlog_proof import TlogProof
from rtgf_node.errors import Code, RtgfError

SIGNER = SeedSigner("rtgf.eu.example:ed25519:2026-11:002", bytes([2] * 32))
OTHER = SeedSigner("rtgf.eu.example:ed25519:2026-11:009", bytes([9] * 32))
NAME = "rtgf.eu.example/log"
KEYS = (checkpoint.verifier_key(NAME, SIGNER.public),)
LEAVES = [merkle.leaf_hash(bytes([n])) for n in range(11)]


def note(leaves=LEAVES, signer=SIGNER) -> str:
    head = Checkpoint(NAME, len(leaves), merkle.root_hash(leaves))
    return checkpoint.sign_note(head, NAME, signer).decode()


def file(index=6, leaves=LEAVES, **changes) -> bytes:
    path = merkle.inclusion_proof(leaves, index)
    return tlog_proof.to_text(index, path, note(leaves), **changes).encode()


def refusal(function, *arguments, **named) -> Code:
    with pytest.raises(RtgfError) as caught:
        function(*arguments, **named)
    return caught.value.code


def test_the_text_is_that_of_the_specification():
    """Format of c2sp.org/tlog-proof: header, extra, index, path, an empty line, the checkpoint."""
    lines = file(extra=b"age-v1.2.1").decode().split("\n")
    assert lines[0] == "c2sp.org/tlog-proof@v1"
    assert lines[1] == "extra YWdlLXYxLjIuMQ=="
    assert lines[2] == "index 6"
    path = merkle.inclusion_proof(LEAVES, 6)
    assert [base64.b64decode(line) for line in lines[3:7]] == path
    assert lines[7] == ""
    assert "\n".join(lines[8:]) == note()
    assert tlog_proof.parse(file()).extra is None


@given(st.integers(1, 40).flatmap(lambda n: st.tuples(st.just(n), st.integers(0, n - 1))))
def test_every_entry_of_every_tree_is_proved(case):
    size, index = case
    leaves = [merkle.leaf_hash(bytes([n])) for n in range(size)]
    signed = tlog_proof.verify(file(index, leaves), leaf_hash=leaves[index], verifier_keys=KEYS)
    assert (signed.origin, signed.size) == (NAME, size)


def test_it_reads_what_it_writes():
    written = file(extra=b"\x00\xff")
    path = tuple(merkle.inclusion_proof(LEAVES, 6))
    assert tlog_proof.parse(written) == TlogProof(6, path, note(), b"\x00\xff")


def test_cosignatures_stay_as_they_came():
    cosigned = note() + "— witness.example/w1 " + "A" * 104 + "\n"
    written = tlog_proof.to_text(6, merkle.inclusion_proof(LEAVES, 6), cosigned).encode()
    assert tlog_proof.parse(written).checkpoint == cosigned
    tlog_proof.verify(written, leaf_hash=LEAVES[6], verifier_keys=KEYS)


@pytest.mark.parametrize(
    ("old", "new"),
    [
        (b"c2sp.org/tlog-proof@v1", b"c2sp.org/tlog-proof@v2"),
        (b"index 6", b"index 06"),
        (b"index 6", b"index -6"),
        (b"index 6", b"index 9007199254740992"),
        (b"index 6\n", b""),
        (b"index 6", b"extra !\nindex 6"),
        (b"index 6", b"index 6\nAAAA"),
        (b"index 6\n", b"index 6\n" + b"A" * 43 + b"=\n" * 64),
        (b"index 6", b"index 6 "),
        (b"\n\n", b"\n"),
        (b"rtgf", b"\xff\xfe"),
    ],
)
def test_a_malformed_file_is_refused(old, new):
    changed = file().replace(old, new)
    assert changed != file()
    code = refusal(tlog_proof.verify, changed, leaf_hash=LEAVES[6], verifier_keys=KEYS)
    assert code is Code.RTGF_TXP_PROOF_INVALID


@given(st.binary(max_size=200))
def test_no_bytes_break_the_reader(data):
    for text in (data, file()[:40] + data):
        assert refusal(tlog_proof.parse, text) is Code.RTGF_TXP_PROOF_INVALID


def test_a_file_without_end_is_refused():
    huge = file() + b"x" * (2 << 20)
    assert refusal(tlog_proof.parse, huge) is Code.RTGF_TXP_PROOF_INVALID


def test_another_leaf_another_index_or_another_tree_is_not_proved():
    for data, leaf in (
        (file(), LEAVES[5]),
        (file().replace(b"index 6", b"index 7"), LEAVES[6]),
        (file().replace(note().encode(), note(LEAVES[:10]).encode()), LEAVES[6]),
    ):
        code = refusal(tlog_proof.verify, data, leaf_hash=leaf, verifier_keys=KEYS)
        assert code is Code.RTGF_TXP_PROOF_INVALID


def test_a_checkpoint_of_another_key_is_refused():
    data = file().replace(note().encode(), note(signer=OTHER).encode())
    code = refusal(tlog_proof.verify, data, leaf_hash=LEAVES[6], verifier_keys=KEYS)
    assert code is Code.RTGF_TXP_ROOT_SIGNATURE_INVALID
