"""A small honest node's published material, made without a node, for frauds to be planted in."""

from __future__ import annotations

import msgspec

from rtgf_node import wire
from rtgf_node.audit.material import Material
from rtgf_node.core import (
    base64url,
    canonical_json,
    decision,
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
from rtgf_node.core.keys import KeySet, PublicKey
from rtgf_node.wire.decisions import DecisionEntry
from tests import evidence_world
from tests.evidence_world import ISSUER, LIST_URI, ROOT, SIGNERS, START, YEAR

NOW, LATER = START, START + YEAR
ORIGIN = "rtgf.eu.example"
CONTENT = digests.sha256(b"records")
TERMS = "terms:cort:eu-sg:instant:2026-10"


def token(token_id: str, *, rules: list[str], parents=(), idx=0, signer=SIGNERS["token"]) -> bytes:
    return evidence_world.token(
        token_id,
        rules=rules,
        lists={"un-sc": CONTENT},
        parents=parents,
        window=(times.to_text(NOW), times.to_text(LATER)),
        idx=idx,
        signer=signer,
    )


class World:
    """An honest node. Its parts may be changed before `material` shows them, signed and logged."""

    def __init__(self) -> None:
        self.events: list[event.Event] = []
        self.tokens: dict[str, bytes] = {}
        self.snapshots: dict[str, bytes] = {}
        self.terms: dict[str, bytes] = {}
        self.entries: list[dict] = []
        self.packed = status_list.empty()
        self.chain = decision.Chain()
        self.decisions: list[DecisionEntry] = []
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
        stated = {"id": TERMS, "terms": {}}
        self.terms[TERMS] = canonical_json.canonical_bytes(stated)
        self.log("terms", TERMS, snapshot.digest(stated))
        rmt = "RMT:EU:payments_aml:2026-10.1"
        self.issue(token(rmt, rules=[policy]))
        imt = "IMT:EU-SG:payments_aml:2026-10.1"
        self.issue(token(imt, rules=[policy, policy], parents=[rmt], idx=1))
        self.withdraw(imt)

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
        held = tokens.parse(self.tokens[identifiers.token_uri(token_id)])
        entry = {"jti": held.jti, "status": "invalid", "reason": "superseded"}
        epoch = len(self.entries) + 1
        idx = held.revocation.status_list.idx
        status_list.put(self.packed, idx, status_list.INVALID)
        listed = {"number": 0, "idx": idx, "sha256": status_list.digest(self.packed)}
        self.log("revocation", token_id, CONTENT, **entry, rev_epoch=epoch, status_list=listed)
        self.entries.append(
            {"token_id": token_id, **entry, "revEpoch": epoch, "at": times.to_text(NOW)}
        )

    def decide(self, count: int, *, log_root: bool = True) -> None:
        for _ in range(count):
            number = self.chain.seq + 1
            draft = decision.Draft(NOW, f"r-{number}", None, "POST /verify", CONTENT, CONTENT)
            self.decisions.append(decision.read_entry(self.chain.add(draft).body))
        if log_root:
            self.log_root(self.chain.seal())

    def log_root(self, interval: decision.Interval) -> None:
        self.events.append(decision.root_event(interval, chain=ISSUER, at=NOW, actor=ORIGIN))

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
            "terms": dict(self.terms),
            "status_lists": {0: self.status_list()},
        }
        return Material(**{**honest, **changes})
