"""Terms documents of the pinned authorities, for tests."""

from __future__ import annotations

import copy
from typing import Any, Final

from rtgf_node.core import snapshot
from tests.worlds import Identity, authority

CORRIDOR: Final[dict[str, Any]] = {
    "@type": "terms:Corridor",
    "corridor": "EU-SG",
    "name": "instant",
    "terms": {
        "operators": [{"id": "did:web:op.example", "role": "settlement"}],
        "handoff_evidence": ["pacs.008"],
        "splits": [{"party": "a", "pct": "0.6"}, {"party": "b", "pct": "0.4"}],
    },
}
ROUTE: Final[dict[str, Any]] = {
    "@type": "terms:PaymentRoute",
    "corridor": "EU-SG",
    "name": "cards",
    "rests_on": "instant",
    "terms": {
        "acquirer": "did:web:acquirer.example",
        "scheme": "cards",
        "limits": {"per_txn": "500.00", "per_day": "5000.00", "currency": "EUR"},
        "capture": {"mode": "delayed", "window_sec": 3600},
        "dispute": {"reserve_pct": "0.05", "callback_url": "https://acquirer.example/disputes"},
        "compliance_flags": ["psd2"],
        "kyb": {"attestation_hash": "sha256:" + "0" * 64},
    },
}
PRICES: Final[dict[str, Any]] = {
    "@type": "terms:RevenueRules",
    "jurisdiction": "EU",
    "terms": {
        "currency": "EUR",
        "pricing": {
            "mode": "tiered",
            "tiers": [{"from": "0", "to": "100", "rate": "0.02"}, {"from": "100", "rate": "0.01"}],
            "surcharges": [],
        },
        "tax": {},
    },
}
TOKEN_OF: Final = {
    "terms:Corridor": "cort",
    "terms:PaymentRoute": "psrt",
    "terms:RevenueRules": "rrmt",
}


def stated(kind: dict[str, Any], **changes: Any) -> dict[str, Any]:
    """Return unsigned terms; `changes` replace members, and None removes one.

    Those of `terms` itself replace its members. The id follows from the rest, unless it is given.
    """
    inner = {**kind["terms"], **changes.pop("terms", {})}
    made: dict[str, Any] = {
        "@context": snapshot.CONTEXT,
        "version": "2026-10",
        "domain": "payments_aml",
        "effective_date": "2026-10-01T00:00:00Z",
        "expires_at": "2027-10-01T00:00:00Z",
        "issuer": authority("EU").did,
        "assurance_level": "substantial",
        "ttl_sec": 3600,
        "policy_max_ttl": 86400,
        "status": "illustrative",
        **kind,
        **changes,
        "terms": inner,
    }
    place, name = made.get("corridor", made.get("jurisdiction")), made.get("name", made["domain"])
    token = TOKEN_OF.get(made["@type"], "none")
    made = {"id": f"terms:{token}:{place}:{name}:{made['version']}".lower(), **made}
    return copy.deepcopy({member: value for member, value in made.items() if value is not None})


def signed(made: dict[str, Any], by: Identity | None = None) -> bytes:
    """Return it hashed and signed, by the authority of the EU unless another is named."""
    return snapshot.seal(made, (by or authority("EU")).signers)
