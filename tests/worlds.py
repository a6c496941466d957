"""A small world for tests: authorities with keys, and snapshots that they sign.

Everything follows from names, so that the same test always sees the same keys and bytes.
"""

from __future__ import annotations

import copy
import hashlib
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from rtgf_node.core import digests, manifest, policy, snapshot, times
from rtgf_node.core.keys import KeySet, PublicKey, SeedSigner
from rtgf_node.core.lists import record, record_file
from rtgf_node.core.policy.templates import Library

NOW = times.parse("2026-11-22T10:00:00Z")
KEYS_FROM = times.parse("2026-01-01T00:00:00Z")
KEYS_UNTIL = times.parse("2028-01-01T00:00:00Z")
NODE_DID = "did:web:rtgf.node.example"


class Identity:
    """A DID with Ed25519 keys of one use."""

    def __init__(self, did: str, *, use: str, keys: int = 1) -> None:
        self.did = did
        name = did.removeprefix("did:web:")
        self.signers = [
            SeedSigner(
                f"{name}:ed25519:2026-11:{number:03d}",
                hashlib.sha256(f"{did}#{number}".encode()).digest(),
            )
            for number in range(1, keys + 1)
        ]
        self.public_keys = [
            PublicKey(
                kid=signer.kid,
                public=signer.public,
                use=use,
                created_at=KEYS_FROM,
                expires_at=KEYS_UNTIL,
            )
            for signer in self.signers
        ]
        self.keys = KeySet(self.public_keys)

    @property
    def signer(self) -> SeedSigner:
        return self.signers[0]


def authority(jurisdiction: str, *, keys: int = 1) -> Identity:
    """The demo authority of a jurisdiction."""
    return Identity(f"did:web:authority.{jurisdiction.lower()}.example", use="authority", keys=keys)


def node(*, keys: int = 1) -> Identity:
    """The node that issues tokens."""
    return Identity(NODE_DID, use="token", keys=keys)


def reference(name: str = "law-1", **changes: Any) -> dict[str, Any]:
    return {
        "id": name,
        "instrument": "Example Act 2020",
        "title": "An act for tests",
        "in_force": {"from": "2020-01-01"},
        **changes,
    }


def clause(clause_id: str = "retain", **changes: Any) -> dict[str, Any]:
    """A clause that needs no list: keep records for five years."""
    return {
        "clause_id": clause_id,
        "kind": "obligation",
        "template": "record_retention",
        "params": {"minimum_period": "P5Y"},
        "applies_to": "both",
        "citation": {"ref": "law-1", "article": "5"},
        **changes,
    }


def document(
    jurisdiction: str = "EU",
    *,
    domain: str = "payments_aml",
    version: str = "2026-10",
    **changes: Any,
) -> dict[str, Any]:
    """An unsigned snapshot; `changes` replace members, and None removes one."""
    made: dict[str, Any] = {
        "@context": snapshot.CONTEXT,
        "@type": snapshot.TYPE,
        "id": f"snapshot:{jurisdiction}:{domain}:{version}".lower(),
        "version": version,
        "jurisdiction": jurisdiction,
        "domain": domain,
        "effective_date": "2026-10-01T00:00:00Z",
        "expires_at": "2027-10-01T00:00:00Z",
        "issuer": authority(jurisdiction).did,
        "normative_references": [reference()],
        "clauses": [clause()],
        "assurance_level": "substantial",
        "ttl_sec": 3600,
        "policy_max_ttl": 86400,
        "status": "illustrative",
        **changes,
    }
    return copy.deepcopy({k: v for k, v in made.items() if v is not None})


def sealed(made: dict[str, Any], signers: Sequence[SeedSigner] | None = None) -> bytes:
    """The snapshot's bytes, hashed and signed by its authority unless others are named."""
    return snapshot.seal(made, signers or authority(made["jurisdiction"]).signers)


def digest_of(text: str) -> str:
    """Some digest, for members whose content does not matter."""
    return digests.sha256(text.encode())


def token(kind: str = "RMT", **changes: Any) -> dict[str, Any]:
    """An unsigned token of this type; `changes` replace members, and None removes one."""
    place = "EU" if kind in {"RMT", "RRMT"} else "EU-SG"
    token_id = f"{kind}:{place}:payments_aml:2026-10.1"
    made: dict[str, Any] = {
        "type": kind,
        "token_id": token_id,
        "jti": "0" * 32,
        "version": "2026-10.1",
        "schema_version": "rtgf-token/1",
        "issuer": NODE_DID,
        "domain": "payments_aml",
        "jurisdiction" if len(place) == 2 else "corridor": place,
        "effective": {"nbf": "2026-10-01T00:00:00Z", "exp": "2027-10-01T00:00:00Z"},
        "effective_date": "2026-10-01T00:00:00Z",
        "expires_at": "2027-10-01T00:00:00Z",
        "ttl_sec": 3600,
        "policy_max_ttl": 86400,
        "policy_snapshot_hash": digest_of("snapshot"),
        "scope_hash": digest_of("scope"),
        "derived_from": [],
        "controls": [],
        "prohibitions": [],
        "duties": [],
        "assurance_level": "substantial",
        "required_assurance_level": "substantial",
        "effective_conflicts": [],
        "unmapped_clauses": [],
        "evidence": {"policy_snapshot": digest_of("snapshot"), "datasets": [], "inputs": []},
        "evidence_requirements": [],
        "revocation": {
            "revEpoch": 0,
            "status_list": {"uri": "https://rtgf.node.example/status/1", "idx": 7},
            "transparency_log": "https://rtgf.node.example/transparency",
            "anchor": {"tree_size": 3, "root_hash": digest_of("root")},
        },
        "build_manifest_id": digest_of("build"),
        "compiler_version": "rtgf-node/test",
        "kid": node().signer.kid,
        **changes,
    }
    if kind in {"RMT", "IMT"}:
        made = {
            f"{kind.lower()}_id": token_id,
            "predicate_set": [],
            "eval_plan": {"sequence": []},
            **made,
        }
    return copy.deepcopy({k: v for k, v in made.items() if v is not None})


LIBRARY = Path(policy.__file__).parent / "library"
LISTED = "Zebulon Quastrophe"


def library_files() -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in sorted(LIBRARY.glob("*.json"))}


def library() -> Library:
    return Library.load(library_files())


def records(*names: str) -> tuple[record.Record, ...]:
    return tuple(
        record.make(source="un-sc", source_id=f"R{number}", kind="person", names=[name])
        for number, name in enumerate(names)
    )


def record_list(*names: str) -> tuple[bytes, str]:
    """A kept list of persons with these names, and its content digest."""
    held = records(*names)
    data = record_file.write(held, reader="un-xml", version="1")
    return data, record.content_digest(held, "un-xml", "1")


def screening_clause(**changes: Any) -> dict[str, Any]:
    return clause(
        "screen",
        kind="prohibition",
        template="sanctions_screening",
        params={
            "lists": ["un-sc"],
            "threshold": "0.92",
            "parties": ["originator", "beneficiary"],
        },
        **changes,
    )


def payment(**changes: Any) -> dict[str, Any]:
    """A context in which every clause of `screened_document` is fulfilled."""
    return {
        "amount": {"value": "250.00", "currency": "EUR"},
        "originator": {"name": "Ada Ordinary", "kind": "natural", "country": "SE"},
        "beneficiary": {"name": "Bo Everyday", "kind": "natural", "country": "SG"},
        "record_retention": "P10Y",
        **changes,
    }


def scenario(name: str, decision: str, *reasons: str, **changes: Any) -> dict[str, Any]:
    made = {
        "name": name,
        "context": payment(),
        "expect": {"decision": decision, "reasons": list(reasons)},
    }
    return {**made, **changes}


def source(dataset: str = "un-sc", **changes: Any) -> dict[str, Any]:
    """A list that a snapshot rests on."""
    return {
        "provider": "un",
        "dataset": dataset,
        "feed": {"max_age": "P2D", "min_records": 1},
        "authenticity": "tls_only",
        **changes,
    }


def screened_document(jurisdiction: str = "EU", **changes: Any) -> dict[str, Any]:
    """An unsigned snapshot that rests on the list `un-sc`."""
    return document(
        jurisdiction,
        **{
            "clauses": [clause(), screening_clause()],
            "evidence_sources": [source()],
            "scenarios": [
                scenario("lawful", "PERMIT"),
                scenario(
                    "listed",
                    "DENY",
                    "SANCTIONS_LISTED",
                    context=payment(
                        beneficiary={"name": LISTED, "kind": "natural", "country": "SG"}
                    ),
                ),
            ],
            **changes,
        },
    )


def target(place: str, *, issue: int = 1, index: int = 0) -> dict[str, Any]:
    """An RMT for a jurisdiction, an IMT for a corridor."""
    member, kind = ("corridor", "IMT") if "-" in place else ("jurisdiction", "RMT")
    return {
        "type": kind,
        member: place,
        "domain": "payments_aml",
        "issue": issue,
        "status_idx": index,
    }


def dataset_input(content_sha256: str, *, name: str = "un-sc") -> dict[str, Any]:
    return {
        "provider": "un",
        "dataset": name,
        "version": "2026-11-22",
        "content_sha256": content_sha256,
    }


def build_inputs(
    snapshots: Mapping[str, bytes], targets: Sequence[str], **changes: Any
) -> dict[str, Any]:
    """The inputs part of the manifest of a build of these targets."""
    held = library()
    return {
        "compiler_version": "rtgf-node/test",
        "schema_version": "rtgf-token/1",
        "library_digest": held.digest,
        "catalogue_digest": manifest.catalogue_digest(held),
        "issuer": NODE_DID,
        "kid": node().signer.kid,
        "issued_at": times.to_text(NOW),
        "rev_epoch": 3,
        "log_anchor": {"tree_size": 12, "root_hash": digest_of("root")},
        "transparency_log": "https://rtgf.node.example/transparency",
        "status_list_uri": "https://rtgf.node.example/status/1",
        "snapshots": [
            {"id": name, "policy_snapshot_hash": snapshot.parse(data).policy_snapshot_hash}
            for name, data in sorted(snapshots.items())
        ],
        "datasets": [],
        "targets": [target(place, index=index) for index, place in enumerate(targets)],
        "parents": [],
        **changes,
    }


def by_id(*documents: dict[str, Any]) -> dict[str, bytes]:
    """Sealed snapshots by their ids."""
    return {made["id"]: sealed(made) for made in documents}
