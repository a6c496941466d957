"""A waiver: an approver's signed word that clauses without a template may pass, and why.

It names one snapshot by its hash, so that it ends with it: the next version needs its own. A waived
clause is decided by nobody's machine; every token says so in `unmapped_clauses`.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from typing import Annotated, Final, Literal

from msgspec import Meta, Struct

from rtgf_node.core import canonical_json, digests, identifiers, jose, times
from rtgf_node.core.canonical_json import JsonValue
from rtgf_node.core.jose import MAX_SIGNATURES, Signature
from rtgf_node.core.keys import KeySet, Signer
from rtgf_node.core.policy import predicates
from rtgf_node.core.policy.templates import Library
from rtgf_node.core.shapes import fit, pointer
from rtgf_node.core.snapshot import Snapshot
from rtgf_node.core.snapshot_agreement import of_texts
from rtgf_node.core.snapshot_document import CONTEXT, Name, Sha256, Text
from rtgf_node.errors import Code, RtgfError

TYPE: Final = "policy:Waiver"
SIGNATURE_TYPE: Final = "rtgf-waiver+jws"
KEY_USE: Final = "approver"
"""An authority's key states rules, an approver's key excuses this node from deciding one."""

MAX_WAIVER_BYTES: Final = 1 << 15
"""It goes into the log whole, whose entries are bounded; a hundred clauses with reasons fit."""

MAX_CLAUSES: Final = 100
"""Clauses in one waiver; who must look at more looks at them in several."""

_SCHEMA: Final = Code.RTGF_INPUT_INVALID


Did = Annotated[str, Meta(pattern=r"^did:web:[A-Za-z0-9._%:-]{1,256}$")]


class _Part(Struct, frozen=True, forbid_unknown_fields=True, omit_defaults=True):
    """What all parts share: they do not change, and unknown members are refused."""


class WaivedClause(_Part, frozen=True):
    """A clause that may pass, and why."""

    clause_id: Name
    reason: Text


class Waiver(_Part, frozen=True, rename={"context": "@context", "type": "@type"}):
    """A waiver, as its approver signed it."""

    context: Literal["urn:rtgf:context:policy-matrix:1"]
    type: Literal["policy:Waiver"]
    policy_snapshot_hash: Sha256
    clauses: Annotated[tuple[WaivedClause, ...], Meta(min_length=1, max_length=MAX_CLAUSES)]
    approver: Did
    approved_at: Text
    signatures: Annotated[tuple[Signature, ...], Meta(max_length=MAX_SIGNATURES)] = ()


def seal(
    snapshot_hash: str,
    clauses: Mapping[str, str],
    *,
    approver: str,
    at: int,
    signers: Sequence[Signer],
) -> bytes:
    """Return the canonical bytes of a signed waiver of `clauses`, each with its reason."""
    listed: list[JsonValue] = [
        {"clause_id": clause_id, "reason": reason} for clause_id, reason in sorted(clauses.items())
    ]
    document: dict[str, JsonValue] = {
        "@context": CONTEXT,
        "@type": TYPE,
        "policy_snapshot_hash": snapshot_hash,
        "clauses": listed,
        "approver": approver,
        "approved_at": times.to_text(at),
    }
    return canonical_json.canonical_bytes(jose.sign_document(document, signers, typ=SIGNATURE_TYPE))


def accept(data: bytes, *, approvers: Mapping[str, KeySet], at: int) -> Waiver:
    """Return the waiver in `data` if a pinned approver signed it.

    Args:
      data: the bytes as received.
      approvers: the pinned keys by the approver's DID.
      at: now; the key must be in its window then, and the waiver not from a later time.

    Raises:
      RtgfError: RTGF_INPUT_INVALID with a JSON Pointer; RTGF_VERIFY_SIGNATURE_INVALID or
        RTGF_KID_* for a signature that is not one of a pinned approver.
    """
    document = canonical_json.parse_object(data, max_bytes=MAX_WAIVER_BYTES)
    waiver = fit(document, Waiver, code=_SCHEMA)
    for error in of_texts(waiver):
        raise RtgfError(_SCHEMA, error.detail, pointer=error.pointer)
    seen: set[str] = set()
    for index, clause in enumerate(waiver.clauses):
        if clause.clause_id in seen:
            raise _refuse(f"{clause.clause_id!r} is named twice", "clauses", index, "clause_id")
        seen.add(clause.clause_id)
    if times.parse(waiver.approved_at) > at + times.SKEW_SECONDS:
        raise _refuse("it was approved in the future", "approved_at")
    keys = approvers.get(waiver.approver)
    if keys is None:
        raise RtgfError(
            Code.RTGF_VERIFY_SIGNATURE_INVALID,
            f"{waiver.approver} is not a pinned approver; pin its keys first",
            pointer="/approver",
        )
    for index, signature in enumerate(waiver.signatures):
        if identifiers.issuer_of_kid(signature.kid) != waiver.approver:
            raise RtgfError(
                Code.RTGF_VERIFY_SIGNATURE_INVALID,
                f"{signature.kid!r} is not a key of {waiver.approver}",
                pointer=pointer("signatures", index, "kid"),
            )
    jose.verify_document(document, keys, at=at, typ=SIGNATURE_TYPE, uses=frozenset({KEY_USE}))
    return waiver


def read(data: bytes) -> Waiver:
    """Return the waiver in bytes that were accepted before: their schema alone is checked.

    Raises:
      RtgfError: RTGF_INPUT_INVALID with a JSON Pointer.
    """
    return fit(canonical_json.parse_object(data, max_bytes=MAX_WAIVER_BYTES), Waiver, code=_SCHEMA)


def digest(data: bytes) -> str:
    """Return the digest that a waiver is known by: of its content, whoever signed it."""
    document = canonical_json.parse_object(data, max_bytes=MAX_WAIVER_BYTES)
    return digests.of_document({k: v for k, v in document.items() if k != "signatures"})


def check_against(waiver: Waiver, snapshot: Snapshot, library: Library) -> None:
    """Pass if the waiver excuses nothing but clauses that no template serves.

    Raises:
      RtgfError: RTGF_INPUT_INVALID for a clause that is not in the snapshot, or that is mapped.
    """
    unmapped = {str(one["clause_id"]) for one in manual_review(snapshot, library)}
    known = {clause.clause_id for clause in snapshot.clauses}
    for index, clause in enumerate(waiver.clauses):
        if clause.clause_id not in known:
            detail = f"{snapshot.id} has no clause {clause.clause_id!r}"
        elif clause.clause_id not in unmapped:
            detail = f"{clause.clause_id!r} needs no waiver: only what no template serves can pass"
        else:
            continue
        raise _refuse(detail, "clauses", index, "clause_id")


def manual_review(
    snapshot: Snapshot, library: Library, *, waived: Collection[str] = ()
) -> list[dict[str, JsonValue]]:
    """Return what a person must decide before the snapshot can be built: `manual_review.json`.

    Each entry has the snapshot, the clause, the code and reason, and where in the law it stands.
    """
    clauses = {clause.clause_id: clause for clause in snapshot.clauses}
    instruments = {one.id: one.instrument for one in snapshot.normative_references}
    listed: list[dict[str, JsonValue]] = []
    for one in predicates.review(snapshot, library):
        clause = clauses[str(one["clause_id"])]
        unsupported = one["code"] == Code.RTGF_MAP_UNSUPPORTED_CLAUSE.name
        if not unsupported or clause.clause_id in waived:
            continue
        citation: dict[str, JsonValue] = {
            "ref": clause.citation.ref,
            "instrument": instruments.get(clause.citation.ref, clause.citation.ref),
            "article": clause.citation.article,
        }
        if clause.citation.paragraph is not None:
            citation["paragraph"] = clause.citation.paragraph
        listed.append(
            {
                "snapshot": snapshot.id,
                "policy_snapshot_hash": snapshot.policy_snapshot_hash,
                **one,
                "kind": clause.kind,
                "template": clause.template,
                "citation": citation,
            }
        )
    return listed


def _refuse(detail: str, *place: str | int) -> RtgfError:
    return RtgfError(_SCHEMA, detail, pointer=pointer(*place))
