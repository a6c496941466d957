"""What a witness is asked, and when it may agree."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rtgf_node.core import add_checkpoint, merkle, note
from rtgf_node.core.add_checkpoint import AddCheckpoint, Held, check, parse
from rtgf_node.core.checkpoint import Checkpoint, open_note, verifier_key
from rtgf_node.errors import Code, RtgfError

LEAVES = [merkle.leaf_hash(bytes([number])) for number in range(12)]


def root(size: int) -> bytes:
    return merkle.root_hash(LEAVES[:size])


def held(size: int) -> Held | None:
    return Held(size, root(size)) if size else None


def refused(function, *arguments, **named) -> Code:
    with pytest.raises(RtgfError) as caught:
        function(*arguments, **named)
    return caught.value.code


def test_the_example_of_the_specification_is_read_and_written_back(shared):
    path = shared / "vectors" / "transcribed" / "c2sp-spec-examples.json"
    body = json.loads(path.read_text())["add_checkpoint_parse_example"]["body"].encode()
    request = parse(body)
    assert (request.old_size, len(request.proof)) == (20852014, 4)
    assert note.split(request.note)[0].startswith("example.com/behind-the-sofa\n20852163\n")
    assert request.to_bytes() == body


def test_the_published_requests_are_decided_as_published(shared):
    path = shared / "vectors" / "transcribed" / "witness-add-checkpoint.json"
    vectors = json.loads(path.read_text())
    key = verifier_key(vectors["origin"], bytes.fromhex(vectors["log_public_key_hex"]))
    last: Held | None = None
    statuses = []
    for step in vectors["steps_in_order"]:
        request = parse(step["body"].encode())
        try:
            shown = open_note(request.note, [key])
            check(last, shown, old_size=request.old_size, proof=request.proof)
            last = Held(shown.size, shown.root)
            statuses.append(200)
        except RtgfError as error:
            unsigned = error.code is Code.RTGF_TXP_ROOT_SIGNATURE_INVALID
            statuses.append(403 if unsigned else error.code.value.status)
    # Which origins are known is decided before this; by name, the third is not this log.
    assert statuses == [step["status"] for step in vectors["steps_in_order"]]


@given(st.integers(0, 12), st.integers(0, 12))
def test_a_tree_that_grew_may_be_cosigned_and_one_that_shrank_may_not(old: int, new: int):
    shown = Checkpoint("log", new, root(new))
    if old <= new:
        proof = merkle.consistency_proof(LEAVES[:new], old)
        check(held(old), shown, old_size=old, proof=proof)
    else:
        assert refused(check, held(old), shown, old_size=old, proof=[]) is Code.RTGF_BAD_REQUEST


def test_another_size_than_the_held_one_is_a_conflict():
    shown, proof = Checkpoint("log", 5, root(5)), merkle.consistency_proof(LEAVES[:5], 2)
    assert refused(check, held(3), shown, old_size=2, proof=proof) is Code.RTGF_CONFLICT
    assert refused(check, None, shown, old_size=2, proof=proof) is Code.RTGF_CONFLICT


def test_another_root_of_the_held_size_is_a_conflict():
    shown = Checkpoint("log", 3, root(4))
    assert refused(check, held(3), shown, old_size=3, proof=[]) is Code.RTGF_CONFLICT


def test_a_fork_is_not_cosigned_whatever_is_proved():
    forked = [*LEAVES[:2], merkle.leaf_hash(b"fork"), *LEAVES[3:8]]
    shown = Checkpoint("log", 8, merkle.root_hash(forked))
    for proof in ([], merkle.consistency_proof(forked, 3), merkle.consistency_proof(LEAVES[:8], 3)):
        code = refused(check, held(3), shown, old_size=3, proof=proof)
        assert code is Code.RTGF_TXP_PROOF_INVALID


def test_a_proof_from_nothing_is_empty():
    shown = Checkpoint("log", 3, root(3))
    code = refused(check, None, shown, old_size=0, proof=[root(1)])
    assert code is Code.RTGF_TXP_PROOF_INVALID


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"old 1",
        b"old 1\n",
        b"old 01\n\nnote\n",
        b"old -1\n\nnote\n",
        b"old 9007199254740992\n\nnote\n",
        b"new 1\n\nnote\n",
        b"old 1\r\n\r\nnote\n",
        b"old 1\nAAAA\n\nnote\n",
        b"old 1\n" + b"A" * 10_000 + b"\n\nnote\n",
        b"old 1\n\xff\n\nnote\n",
        AddCheckpoint(1, (bytes(32),) * 64, b"note\n").to_bytes(),
    ],
)
def test_a_body_of_another_form_is_refused(body: bytes):
    assert refused(parse, body) is Code.RTGF_BAD_REQUEST


def test_the_longest_proof_is_read():
    request = AddCheckpoint(1, (bytes(32),) * add_checkpoint.MAX_PROOF_LINES, b"note\n")
    assert parse(request.to_bytes()) == request
