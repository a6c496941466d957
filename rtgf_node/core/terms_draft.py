"""A terms document to begin with: every member in its place, the values to be filled."""

from __future__ import annotations

from typing import Final, Literal

from rtgf_node.core import identifiers
from rtgf_node.core.canonical_json import JsonValue
from rtgf_node.core.snapshot import CONTEXT, MAX_TTL_SECONDS
from rtgf_node.core.snapshot_draft import TTL_SECONDS
from rtgf_node.core.snapshot_faults import TO_FILL
from rtgf_node.core.terms_document import TOKEN_TYPES, Subject, terms_id

Document = dict[str, JsonValue]
Kind = Literal["Corridor", "PaymentRoute", "RevenueRules"]


def _fill(what: str) -> str:
    return f"{TO_FILL}{what}"


_BODIES: Final[dict[Kind, Document]] = {
    "Corridor": {
        "operators": [{"id": _fill("who operates it, by DID or name"), "role": _fill("as what")}],
        "handoff_evidence": [_fill("a proof that is handed over, such as pacs.008; or no line")],
        "splits": [{"party": _fill("whose share"), "pct": "1"}],
    },
    "PaymentRoute": {
        "acquirer": _fill("who acquires"),
        "scheme": _fill("the scheme that is used"),
        "limits": {
            "per_txn": _fill('what one payment may come to, such as "500.00"'),
            "per_day": _fill("what all of a day may come to, at least as much"),
            "currency": _fill("of both, such as EUR"),
        },
        "capture": {"mode": _fill("one of immediate, delayed, manual"), "window_sec": 0},
        "dispute": {
            "reserve_pct": _fill('the share that is held back, such as "0.05"'),
            "callback_url": _fill("where disputes are announced, https://"),
        },
        "compliance_flags": [],
        "kyb": {"attestation_hash": _fill("the digest of the attestation, sha256:")},
    },
    "RevenueRules": {
        "currency": _fill("of all prices, such as EUR"),
        "pricing": {
            "mode": _fill("one of flat, tiered, percentage"),
            "tiers": [
                {"from": "0", "to": _fill("where the next begins"), "rate": _fill('as "0.02"')},
                {"from": _fill("where the last one ended"), "rate": _fill('such as "0.01"')},
            ],
            "surcharges": [],
        },
        "tax": {},
    },
}


def draft(
    kind: Kind,
    *,
    place: str,
    domain: str,
    name: str | None,
    effective: str,
    expires: str,
    issuer: str,
) -> Document:
    """Return terms of this kind, to be filled in.

    Raises:
      RtgfError: RTGF_INPUT_INVALID for a place, domain or name that is none.
    """
    subject, version = identifiers.domain(domain), effective[:7]
    if kind == "RevenueRules":
        where, called = identifiers.jurisdiction(place), subject
        members: Document = {"jurisdiction": where}
    else:
        where, called = identifiers.corridor(place), identifiers.domain(name or "")
        members = {"corridor": where, "name": called}
    if kind == "PaymentRoute":
        members["rests_on"] = _fill("the name of the CORT that it uses")
    return {
        "@context": CONTEXT,
        "@type": f"terms:{kind}",
        "id": terms_id(Subject(TOKEN_TYPES[f"terms:{kind}"], where, called), version),
        "version": version,
        **members,
        "domain": subject,
        "status": "illustrative",
        "issuer": issuer,
        "effective_date": effective,
        "expires_at": expires,
        "assurance_level": _fill("low, substantial or high"),
        "ttl_sec": TTL_SECONDS,
        "policy_max_ttl": MAX_TTL_SECONDS,
        "signature_threshold": 1,
        "terms": _BODIES[kind],
    }
