"""Put a CORT, a PSRT or an RRMT together from signed terms and, but for an RRMT, its base.

A CORT rests on the IMT of its corridor and a PSRT on a CORT. What the base stands for holds for
what rests on it: its window, its policy snapshots, the shorter of both lifetimes, the lower of both
assurance levels and the higher of those that are required.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import cast

from rtgf_node.core import assembly, digests, identifiers, times
from rtgf_node.core.assembly import Document
from rtgf_node.core.canonical_json import JsonValue
from rtgf_node.core.manifest import CortTarget, Inputs, PsrtTarget, RrmtTarget
from rtgf_node.core.policy import assurance
from rtgf_node.core.sealing import Sealed, sealed
from rtgf_node.core.terms_document import TermsDocument
from rtgf_node.errors import Code, RtgfError


def scope(stated: TermsDocument, base: Mapping[str, JsonValue] | None) -> list[str]:
    """Return the digests of what the token's content follows from, sorted, each once."""
    inherited: list[str] = []
    if base is not None:
        inherited = cast("list[str]", cast("Document", base["evidence"])["inputs"])
    return sorted({stated.policy_snapshot_hash, *inherited})


def token(
    target: CortTarget | PsrtTarget | RrmtTarget,
    stated: TermsDocument,
    base: Document | None,
    *,
    inputs: Inputs,
    build_id: str,
) -> Sealed:
    """Return the sealed token of these terms.

    Raises:
      RtgfError: RTGF_BUILD_SNAPSHOT_INVALID if the terms and their base never hold together.
    """
    subject = stated.subject
    token_id = identifiers.token_id(
        subject.type, subject.place, subject.name, f"{stated.version}.{target.issue}"
    )
    rests_on = stated.policy_snapshot_hash if base is None else str(base["policy_snapshot_hash"])
    inputs_of = scope(stated, base)
    proofs: list[JsonValue] = sorted(set(stated.terms.get("handoff_evidence", ())))
    vouched, required = _assurance(stated, base)
    document: Document = {
        **assembly.frame(subject.type, token_id, target, inputs=inputs, build_id=build_id),
        "jurisdiction" if base is None else "corridor": subject.place,
        **_window(stated, base),
        "ttl_sec": _least(stated, base, "ttl_sec"),
        "policy_max_ttl": _least(stated, base, "policy_max_ttl"),
        "policy_snapshot_hash": rests_on,
        "scope_hash": digests.of_documents(inputs_of),
        "derived_from": [] if base is None else [base["token_id"]],
        "controls": [],
        "prohibitions": [],
        "duties": [],
        "assurance_level": vouched,
        "required_assurance_level": required,
        "effective_conflicts": [],
        "unmapped_clauses": [],
        "terms": cast("Document", stated.terms),
        "evidence": {
            "policy_snapshot": rests_on,
            "datasets": [],
            "inputs": cast("JsonValue", inputs_of),
        },
        "evidence_requirements": proofs,
    }
    return sealed(document)


def _window(stated: TermsDocument, base: Document | None) -> Document:
    nbf, exp = stated.effective_date, stated.expires_at
    if base is not None:
        window = cast("dict[str, str]", base["effective"])
        nbf = max(nbf, window["nbf"], key=times.parse)
        exp = min(exp, window["exp"], key=times.parse)
        if times.parse(exp) <= times.parse(nbf):
            raise RtgfError(
                Code.RTGF_BUILD_SNAPSHOT_INVALID,
                f"{stated.id} holds from {stated.effective_date} to {stated.expires_at},"
                f" {base['token_id']} from {window['nbf']} to {window['exp']}: never together",
                pointer="/effective_date",
            )
    return assembly.window(nbf, exp)


def _least(stated: TermsDocument, base: Document | None, member: str) -> int:
    own: int = getattr(stated, member)
    return own if base is None else min(own, cast("int", base[member]))


def _assurance(stated: TermsDocument, base: Document | None) -> tuple[str, str]:
    own: Document = {"assurance_level": stated.assurance_level}
    return assurance.demanded([own] if base is None else [own, base])
