"""A report of an incident: what it proves, and that nothing else passes for one."""

from __future__ import annotations

import json

import pytest

from rtgf_node.core import checkpoint, event, incident_report, jose, merkle, times
from rtgf_node.core.canonical_json import canonical_bytes
from rtgf_node.core.checkpoint import Checkpoint
from rtgf_node.core.keys import KeySet, PublicKey, SeedSigner
from rtgf_node.errors import Code, RtgfError
from rtgf_node.wire import ProofBundle

NOON = times.parse("2026-11-23T12:00:00Z")
ORIGIN = "fma.example/log"
ROOT = SeedSigner("fma.example:ed25519:2026-11:000", bytes(32))
LOG = SeedSigner("fma.example:ed25519:2026-11:001", b"\1" * 32)


def entry(kind: str = "incident") -> bytes:
    if kind == "incident":
        return event.incident("fork", "two heads", at=NOON, actor=ORIGIN, what="log_forked")
    made = event.make(
        type=kind, at=NOON, subject="x", digest="sha256:" + "0" * 64, refs={}, actor="a", payload={}
    )
    return event.to_bytes(made)


def report(data: bytes, *, signer: SeedSigner = LOG, revoked_at: int | None = None) -> bytes:
    leaf, other = merkle.leaf_hash(data), merkle.leaf_hash(b"other")
    root = merkle.node_hash(leaf, other)
    note = checkpoint.sign_note(Checkpoint(ORIGIN, 2, root), ORIGIN, signer)
    keys = KeySet([PublicKey(LOG.kid, LOG.public, "log", NOON - 9, NOON + 9, revoked_at)])
    jws = jose.sign_compact(canonical_bytes(keys.to_jwks()), ROOT, typ="rtgf-jwks+jws")
    document = json.loads(data)
    proof = ProofBundle(
        eventId=document["event_id"],
        leafIndex=0,
        treeSize=2,
        merkleRoot=root.hex(),
        leafHash=leaf.hex(),
        eventDigest="",
        path=[other.hex()],
        consistency=[],
        issuedAt="2026-11-23T12:00:00Z",
        checkpoint=note.decode(),
        signatures=[],
    )
    return incident_report.make(document, keys=jws, proof=proof)


def refused(data: bytes, root: bytes = ROOT.public) -> Code:
    with pytest.raises(RtgfError) as caught:
        incident_report.check(data, root_public=root)
    return caught.value.code


def test_a_report_says_what_the_log_signed():
    """RTGF-CT-94."""
    found = incident_report.check(report(entry()), root_public=ROOT.public)
    assert (found.origin, found.index, found.tree_size) == (ORIGIN, 0, 2)
    assert (found.subject, found.what, found.detail) == ("fork", "log_forked", "two heads")
    assert found.at == "2026-11-23T12:00:00Z"


def test_what_is_not_so_is_no_report():
    """RTGF-CT-94."""
    good = report(entry())
    assert refused(good, LOG.public) is Code.RTGF_JWKS_SIGNATURE_INVALID
    assert refused(report(entry(), signer=ROOT)) is Code.RTGF_TXP_ROOT_SIGNATURE_INVALID
    assert refused(report(entry(), revoked_at=NOON)) is Code.RTGF_TXP_ROOT_SIGNATURE_INVALID
    assert refused(report(entry("build"))) is Code.RTGF_TXP_PROOF_INVALID
    assert refused(good.replace(b"two heads", b"one head")) is Code.RTGF_TXP_EVENT_INVALID
    assert refused(good.replace(b'"leafIndex":0', b'"leafIndex":1')) is Code.RTGF_TXP_PROOF_INVALID
    assert refused(good.replace(b"rtgf-incident/1", b"rtgf-incident/2")) is Code.RTGF_INPUT_INVALID
    assert refused(b"{}") is Code.RTGF_INPUT_INVALID
    assert refused(b"{") is Code.RTGF_JSON_INVALID


def test_an_event_of_another_incident_has_no_place_in_the_proof():
    other = event.incident("fork", "other heads", at=NOON, actor=ORIGIN, what="log_forked")
    swapped = json.loads(report(entry())) | {"event": json.loads(other)}
    assert refused(canonical_bytes(swapped)) is Code.RTGF_TXP_PROOF_INVALID
