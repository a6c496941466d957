"""Tree heads: both halves signed by the log's key and saying the same."""

from __future__ import annotations

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from rtgf_node.core import jose, times, tree_head
from rtgf_node.core.canonical_json import canonical_bytes, parse
from rtgf_node.core.checkpoint import Checkpoint, open_note, sign_note, verifier_key
from rtgf_node.core.keys import KeySet, PublicKey, SeedSigner
from rtgf_node.errors import Code, RtgfError

NOW = times.parse("2026-11-22T10:00:00Z")
ORIGIN = "rtgf.eu.example/log"
ROOT = bytes(range(32))
LOG = SeedSigner("rtgf.eu.example:ed25519:2026-11:900", bytes([7] * 32))
NEXT = SeedSigner("rtgf.eu.example:ed25519:2026-11:901", bytes([8] * 32))


def public(signer, **changes):
    members = {"use": "log", "created_at": NOW - 1000, "expires_at": NOW + 1000}
    return PublicKey(kid=signer.kid, public=signer.public, **{**members, **changes})


KEYS = KeySet([public(LOG), public(NEXT)])
HEAD = tree_head.sign(ORIGIN, 42, ROOT, NOW, LOG)


def refused(head, keys=KEYS, at=NOW):
    with pytest.raises(RtgfError) as caught:
        tree_head.verify(head, keys, at)
    return caught.value.code is Code.RTGF_TXP_ROOT_SIGNATURE_INVALID


def resigned(signer=LOG, **changes):
    document = {**tree_head.to_document(HEAD), **changes}
    return tree_head.from_document(jose.sign_document(document, [signer], typ=tree_head.TYP))


@given(st.integers(0, 2**53 - 1), st.binary(min_size=32, max_size=32))
def test_a_signed_head_verifies_and_is_read_back(size, root):
    head = tree_head.sign(ORIGIN, size, root, NOW, LOG)
    tree_head.verify(head, KEYS, NOW)
    assert (head.tree_size, head.root()) == (size, root)
    document = parse(canonical_bytes(tree_head.to_document(head)))
    assert tree_head.from_document(document) == head


def test_the_same_head_is_signed_to_the_same_bytes():
    assert tree_head.sign(ORIGIN, 42, ROOT, NOW, LOG) == HEAD


def test_the_checkpoint_inside_is_an_ordinary_one():
    opened = open_note(HEAD.checkpoint.encode(), [verifier_key(ORIGIN, LOG.public)])
    assert opened == Checkpoint(ORIGIN, 42, ROOT)


@pytest.mark.parametrize(
    "change",
    [
        {"origin": "rtgf.sg.example/log"},
        {"tree_size": 43},
        {"root_hash": f"sha256:{'00' * 32}"},
        {"issued_at": "2026-11-22T10:00:01Z"},
        {"checkpoint": sign_note(Checkpoint(ORIGIN, 43, ROOT), ORIGIN, LOG).decode()},
        {"signatures": ()},
    ],
)
def test_no_altered_head_verifies(change):
    assert refused(msgspec.structs.replace(HEAD, **change))


@pytest.mark.parametrize(
    "change",
    [
        {"tree_size": 43},
        {"root_hash": f"sha256:{'00' * 32}"},
        {"origin": "rtgf.sg.example/log"},
        {"checkpoint": sign_note(Checkpoint(ORIGIN, 43, ROOT), ORIGIN, LOG).decode()},
        {"checkpoint": sign_note(Checkpoint("other", 42, ROOT), ORIGIN, LOG).decode()},
        {"checkpoint": sign_note(Checkpoint(ORIGIN, 42, ROOT, ("x",)), ORIGIN, LOG).decode()},
        {"checkpoint": sign_note(Checkpoint(ORIGIN, 42, ROOT), ORIGIN, NEXT).decode()},
        {"checkpoint": ""},
        {"checkpoint": "x"},
    ],
)
def test_a_head_whose_halves_differ_is_refused_even_if_signed(change):
    assert refused(resigned(**change))


def test_both_halves_are_signed_with_the_same_key():
    assert refused(resigned(NEXT))
    tree_head.verify(tree_head.sign(ORIGIN, 42, ROOT, NOW, NEXT), KEYS, NOW)


@pytest.mark.parametrize(
    "keys",
    [
        KeySet(),
        KeySet([public(NEXT)]),
        KeySet([public(LOG, use="token")]),
        KeySet([public(LOG, expires_at=NOW - 500)]),
        KeySet([public(LOG, revoked_at=NOW)]),
    ],
)
def test_only_a_valid_log_key_vouches(keys):
    assert refused(HEAD, keys)


def test_a_head_from_the_future_is_refused():
    tree_head.verify(HEAD, KEYS, NOW - times.SKEW_SECONDS)
    assert refused(HEAD, at=NOW - times.SKEW_SECONDS - 1)


def test_a_signature_of_another_kind_of_document_does_not_serve():
    document = tree_head.to_document(HEAD)
    forged = jose.sign_document(document, [LOG], typ="rtgf-revocations+jws")
    assert refused(tree_head.from_document(forged))


@pytest.mark.parametrize(
    "change",
    [
        {"extra": 1},
        {"tree_size": -1},
        {"tree_size": 2**53},
        {"tree_size": "42"},
        {"root_hash": f"sha512:{'00' * 64}"},
        {"root_hash": "00"},
        {"issued_at": "now"},
        {"signatures": None},
        {"origin": 1},
    ],
)
def test_a_document_that_is_no_head_is_refused(change):
    with pytest.raises(RtgfError) as caught:
        tree_head.from_document({**tree_head.to_document(HEAD), **change})
    assert caught.value.code is Code.RTGF_TXP_PROOF_INVALID


@pytest.mark.parametrize("value", [None, [], {}, "x"])
def test_other_json_is_no_head(value):
    with pytest.raises(RtgfError):
        tree_head.from_document(value)


@pytest.mark.parametrize(("size", "root"), [(-1, ROOT), (2**53, ROOT), (1, b"short")])
def test_a_head_that_cannot_be_is_not_signed(size, root):
    with pytest.raises(RtgfError):
        tree_head.sign(ORIGIN, size, root, NOW, LOG)
