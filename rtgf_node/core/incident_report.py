"""An incident report: an incident of the log and all that proves it, for who has no node to ask.

What is signed is the head of the log that it stands in, and by the offline root the set of keys
with the log's. Nothing else is in it: what nobody signed proves nothing.
"""

from __future__ import annotations

from typing import Final

from msgspec import Struct, to_builtins

from rtgf_node.core import (
    canonical_json,
    checkpoint,
    event,
    merkle,
    proof_bundle,
    signed_keys,
    tree_head,
)
from rtgf_node.core.evidence_entry import failing, require
from rtgf_node.core.keys import KeySet
from rtgf_node.core.shapes import fit
from rtgf_node.errors import Code
from rtgf_node.wire import Document, ProofBundle

FORMAT: Final = "rtgf-incident/1"
MAX_BYTES: Final = 1 << 20
"""An event has at most 60 KB, a set of keys and a proof a few more."""


class IncidentReport(Struct, frozen=True, forbid_unknown_fields=True):
    """The file. `keys` is the key set as a compact JWS of the root."""

    format: str
    event: Document
    keys: str
    proof: ProofBundle


class Incident(Struct, frozen=True):
    """What a report proves: that the log of this origin holds this, as of this head."""

    origin: str
    index: int
    at: str
    subject: str
    what: str | None
    detail: str
    actor: str
    event_id: str
    tree_size: int
    root_hash: str


def make(incident: Document, *, keys: str, proof: ProofBundle) -> bytes:
    """Return the file."""
    report = IncidentReport(FORMAT, incident, keys, proof)
    return canonical_json.canonical_bytes(to_builtins(report))


def check(data: bytes, *, root_public: bytes) -> Incident:
    """Return what a report proves.

    Args:
      data: the file.
      root_public: the issuer's pinned root key, 32 bytes.

    Raises:
      RtgfError: RTGF_JSON_INVALID or RTGF_INPUT_INVALID: it is no report. RTGF_TXP_EVENT_INVALID:
        nor is its event. RTGF_JWKS_SIGNATURE_INVALID, RTGF_TXP_ROOT_SIGNATURE_INVALID: a signature.
        RTGF_TXP_PROOF_INVALID: it is not what the log holds.
    """
    value = canonical_json.parse(data, max_bytes=MAX_BYTES)
    report = fit(value, IncidentReport, code=Code.RTGF_INPUT_INVALID)
    with failing(Code.RTGF_INPUT_INVALID, "the report"):
        require(report.format == FORMAT, f"its format is not {FORMAT}")
    entry = canonical_json.canonical_bytes(report.event)
    told = event.parse(entry)
    require(told.type == "incident", f"it is a {told.type} event, not an incident")
    origin = report.proof.checkpoint.partition("\n")[0]
    signed = proof_bundle.verify(
        report.proof,
        leaf_hash=merkle.leaf_hash(entry),
        verifier_keys=[
            checkpoint.verifier_key(origin, key.public)
            for key in _keys(report.keys, root_public)
            if key.use == tree_head.USE and key.revoked_at is None
        ],
    )
    what = told.payload.get("what")
    return Incident(
        origin=origin,
        index=report.proof.leafIndex,
        at=told.at,
        subject=told.subject,
        what=what if isinstance(what, str) else None,
        detail=str(told.payload.get("detail", "")),
        actor=told.actor,
        event_id=told.event_id,
        tree_size=signed.size,
        root_hash=f"sha256:{signed.root.hex()}",
    )


def _keys(jws: str, root_public: bytes) -> KeySet:
    with failing(Code.RTGF_JWKS_SIGNATURE_INVALID, "the key set"):
        return KeySet.from_jwks(canonical_json.parse(signed_keys.verify(jws, root_public)))
