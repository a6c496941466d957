"""A small honest node's published material, made without a node, for frauds to be planted in."""

from __future__ import annotations

import msgspec

from rtgf_node import wire
from rtgf_node.audit_material import Material
from rtgf_node.core import (
    base64url,
    canonical_json,
    digests,
    event,
    identifiers,
    jose,
    merkle,
    snapshot,
    status_list,
    times,
    tokens,
    tree_head,
)
from rtgf_node.core.keys import KeySet, PublicKey, SeedSigner

NOW = times.parse("2026-11-22T10:00:00Z")
LATER = times.parse("2027-11-22T10:00:00Z")
ISSUER = "did:web:rtgf.eu.example"
ORIGIN = "rtgf.eu.example"
ROOT = SeedSigner("rtgf.eu.example:ed25519:2026-11:900", bytes([9] * 32))
SIGNERS = {
    use: SeedSigner(f"rtgf.eu.example:ed25519:2026-11:{number:03}", bytes([number] * 32))
    for number, use in enumerate(("token", "log", "status", "receipt"), start=1)
}
LIST_URI = "https://rtgf.eu.example/revocations/status-list/0"
CONTENT = digests.sha256(b"records")


def token(token_id: str, *, derived_from=(), policy: str, signer=SIGNERS["token"], idx=0) -> bytes:
    parts = identifiers.split_token_id(token_id)
    nbf, exp = times.to_text(NOW), times.to_text(LATER)
    place = "jurisdiction" if parts.type == "RMT" else "corridor"
    document = {
        "type": parts.type,
        "token_id": token_id,
        f"{parts.type.lower()}_id": token_id,
        "jti": identifiers.jti("build", token_id),
        "version": token_id.rpartition(":")[2],
        "schema_version": tokens.SCHEMA_VERSION,
        "issuer": ISSUER,
        "domain": parts.name,
        place: parts.place,
        "effective": {"nbf": nbf, "exp": exp},
        "effective_date": nbf,
        "expires_at": exp,
        "ttl_sec": 3600,
        "policy_max_ttl": 86400,
        "policy_snapshot_hash": policy,
        "scope_hash": digests.of_documents([policy, CONTENT]),
        "derived_from": list(derived_from),
        "controls": [],
        "prohibitions": [],
        "duties": [],
        "assurance_level": "low",
        "required_assurance_level": "low",
        "effective_conflicts": [],
        "unmapped_clauses": [],
        "predicate_set": [],
        "eval_plan": {},
        "evidence": {
            "policy_snapshot": policy,
            "datasets": [
                {
                    "provider": "p",
                    "dataset": "un-sc",
                    "version": "1",
                    "content_sha256": CONTENT,
                }
            ],
            "inputs": sorted([policy, CONTENT]),
        },
        "evidence_requirements": [],
        "revocation": {
            "revEpoch": 0,
            "status_list": {"uri": LIST_URI, "idx": idx},
            "transparency_log": "https://rtgf.eu.example/transparency",
            "anchor": {"tree_size": 0, "root_hash": f"sha256:{merkle.EMPTY_ROOT.hex()}"},
        },
        "build_manifest_id": digests.sha256(b"build"),
        "compiler_version": "0.1.0",
        "kid": signer.kid,
    }
    return tokens.sign(document, [signer])


class World:
    """An honest node. Its parts may be changed before `material` shows them, signed and logged."""

    def __init__(self) -> None:
        self.events: list[event.Event] = []
        self.tokens: dict[str, bytes] = {}
        self.snapshots: dict[str, bytes] = {}
        self.entries: list[dict] = []
        self.packed = status_list.empty()
        self.key_uses = {use: signer.kid for use, signer in SIGNERS.items()}
        jwks = KeySet(
            PublicKey(signer.kid, signer.public, use, NOW - 3600, LATER)
            for use, signer in SIGNERS.items()
        ).to_jwks()
        self.jwks = canonical_json.canonical_bytes(jwks)
        self.signed_jwks = jose.sign_compact(self.jwks, ROOT, typ="rtgf-jwks+jws")
        self.manifest = {
            "keys": [
                {"kid": signer.kid, "purpose": use, "public": base64url.encode(signer.public)}
                for use, signer in SIGNERS.items()
            ]
        }
        self.log("jwks_publish", ISSUER, digests.sha256(self.jwks))
        document = {"id": "snapshot:eu:payments_aml:2026-10", "clauses": []}
        policy = snapshot.digest(document)
        self.snapshots["snapshot:eu:payments_aml:2026-10"] = canonical_json.canonical_bytes(
            document
        )
        self.log("policy_snapshot", "snapshot:eu:payments_aml:2026-10", policy)
        self.log("dataset", "un-sc:1", CONTENT)
        self.issue(token("RMT:EU:payments_aml:2026-10.1", policy=policy))
        self.issue(
            token(
                "IMT:EU-SG:payments_aml:2026-10.1",
                policy=digests.of_documents([policy, policy]),
                derived_from=["RMT:EU:payments_aml:2026-10.1"],
                idx=1,
            )
        )
        self.withdraw("IMT:EU-SG:payments_aml:2026-10.1")

    def log(self, type_, subject, digest, **payload) -> event.Event:
        made = event.make(
            type=type_,
            at=NOW,
            subject=subject,
            digest=digest,
            refs={},
            actor=ISSUER,
            payload=payload,
        )
        self.events.append(made)
        return made

    def issue(self, body: bytes) -> None:
        issued = tokens.parse(body)
        self.log("token_issue", issued.token_id, issued.canonical_hash, jti=issued.jti)
        self.tokens[identifiers.token_uri(issued.token_id)] = body

    def withdraw(self, token_id: str) -> None:
        entry = {
            "jti": identifiers.jti("build", token_id),
            "status": "invalid",
            "reason": "superseded",
        }
        epoch = len(self.entries) + 1
        held = tokens.parse(self.tokens[identifiers.token_uri(token_id)])
        idx = held.revocation.status_list.idx
        status_list.put(self.packed, idx, status_list.INVALID)
        listed = {"number": 0, "idx": idx, "sha256": status_list.digest(self.packed)}
        self.log("revocation", token_id, CONTENT, **entry, rev_epoch=epoch, status_list=listed)
        self.entries.append(
            {"token_id": token_id, **entry, "revEpoch": epoch, "at": times.to_text(NOW)}
        )

    def status_list(self, *, packed=None, signer=SIGNERS["status"], uri=LIST_URI) -> str:
        return status_list.sign(
            bytes(self.packed if packed is None else packed),
            signer,
            uri=uri,
            at=NOW,
            rev_epoch=len([one for one in self.events if one.type == "revocation"]),
            tree_size=len(self.events),
        )

    def leaves(self) -> list[bytes]:
        return [merkle.leaf_hash(event.to_bytes(entry)) for entry in self.events]

    def head(self, *, signer=SIGNERS["log"], root: bytes | None = None) -> bytes:
        leaves = self.leaves()
        head = tree_head.sign(
            ORIGIN, len(leaves), root or merkle.root_hash(leaves), at=NOW, signer=signer
        )
        return canonical_json.canonical_bytes(tree_head.to_document(head))

    def proof(self, index: int) -> wire.ProofBundle:
        leaves = self.leaves()
        head = tree_head.from_document(canonical_json.parse(self.head()))
        data = event.to_bytes(self.events[index])
        return wire.ProofBundle(
            eventId=self.events[index].event_id,
            leafIndex=index,
            treeSize=len(leaves),
            merkleRoot=head.root_hash,
            leafHash=f"sha256:{leaves[index].hex()}",
            eventDigest=digests.sha256(data),
            path=[item.hex() for item in merkle.inclusion_proof(leaves, index)],
            consistency=[],
            issuedAt=head.issued_at,
            checkpoint=head.checkpoint,
            signatures=[msgspec.to_builtins(item) for item in head.signatures],
        )

    def material(self, **changes) -> Material:
        issued = {
            entry.subject: index
            for index, entry in enumerate(self.events)
            if entry.type == "token_issue"
        }
        gone = {entry["token_id"] for entry in self.entries}
        catalog = []
        for uri, body in self.tokens.items():
            held = tokens.parse(body)
            catalog.append(
                wire.CatalogEntry(
                    uri=uri,
                    type=held.type,
                    slug=identifiers.slug(held.token_id),
                    hash=held.canonical_hash,
                    version=held.version,
                    issued_at=times.to_text(NOW),
                    nbf=held.effective.nbf,
                    exp=held.effective.exp,
                    revoked=held.token_id in gone,
                    leafIndex=issued[held.token_id],
                )
            )
        revocations = jose.sign_document(
            {
                "revEpoch": len(self.entries),
                "treeSize": len(self.events),
                "since": 0,
                "entries": self.entries,
            },
            [SIGNERS["status"]],
            typ="rtgf-revocations+jws",
        )
        manifest = jose.sign_document(self.manifest, [ROOT], typ="rtgf-key-manifest+jws")
        honest = {
            "url": "https://localhost:8443",
            "at": NOW,
            "settled_size": len(self.events),
            "signed_jwks": self.signed_jwks,
            "jwks": self.jwks,
            "key_manifest": canonical_json.canonical_bytes(manifest),
            "head": self.head(),
            "entries": [
                wire.LogEntry(index=index, event=msgspec.to_builtins(entry))
                for index, entry in enumerate(self.events)
            ],
            "catalog": catalog,
            "tokens": dict(self.tokens),
            "proofs": {self.events[index].event_id: self.proof(index) for index in issued.values()},
            "revocations": canonical_json.canonical_bytes(revocations),
            "snapshots": dict(self.snapshots),
            "status_lists": {0: self.status_list()},
        }
        return Material(**{**honest, **changes})
