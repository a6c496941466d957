"""A small honest log with everything an evidence file is about, and the files it would give.

Made without a node, so that a test holds every key and can forge what a thief of one key could.
`World.file` returns the document; `data` writes one as a node would.
"""

from __future__ import annotations

import copy
from collections.abc import Mapping, Sequence
from typing import Any

from rtgf_node.core import (
    canonical_json,
    digests,
    event,
    evidence,
    identifiers,
    jose,
    merkle,
    status_list,
    times,
    tokens,
    tree_head,
)
from rtgf_node.core.keys import KeySet, PublicKey, SeedSigner
from tests.terms import CORRIDOR, PRICES, ROUTE

START = times.parse("2026-11-22T10:00:00Z")
YEAR = 365 * 86_400
ISSUER = "did:web:rtgf.eu.example"
ORIGIN = "rtgf.eu.example/log"
LIST_URI = "https://rtgf.eu.example/revocations/status-list/0"
USES = ("token", "log", "status", "receipt")


def kid(number: int) -> str:
    return f"rtgf.eu.example:ed25519:2026-11:{number:03}"


ROOT = SeedSigner(kid(900), bytes([90] * 32))
STRANGER = SeedSigner(kid(901), bytes([91] * 32))
SIGNERS = {use: SeedSigner(kid(n), bytes([n] * 32)) for n, use in enumerate(USES, start=1)}
SECOND = SeedSigner(kid(5), bytes([5] * 32))
"""A second token key, as after a rotation."""

RMT_EU = "RMT:EU:payments_aml:2026-10.1"
RMT_SG = "RMT:SG:payments_aml:2026-10.1"
IMT = "IMT:EU-SG:payments_aml:2026-10.1"
CORT = "CORT:EU-SG:instant:2026-10.1"
PSRT = "PSRT:EU-SG:cards:2026-10.1"
RRMT = "RRMT:EU:payments_aml:2026-10.1"
TERMS = {
    CORT: "terms:cort:eu-sg:instant:2026-10",
    PSRT: "terms:psrt:eu-sg:cards:2026-10",
    RRMT: "terms:rrmt:eu:payments_aml:2026-10",
}
"""The terms that each token is made from."""
LISTS = ("eu-fsf", "un-sc")
BUILD = digests.sha256(b"inputs")


def data(document: dict[str, Any]) -> bytes:
    return canonical_json.canonical_bytes(document)


def token(
    token_id: str,
    *,
    rules: Sequence[str],
    lists: Mapping[str, str],
    parents: Sequence[str] = (),
    window: tuple[str, str],
    rev_epoch: int = 0,
    idx: int,
    anchor: Sequence[bytes] = (),
    signer: SeedSigner = SIGNERS["token"],
    terms: Mapping[str, Any] | None = None,
    terms_digests: Sequence[str] = (),
) -> bytes:
    """Return a signed token that says nothing but where it comes from.

    Args:
      rules: the digests of its snapshots.
      lists: the digests of its lists, by name.
      window: from when to when it holds.
      idx: its place in the status list.
      anchor: the leaves of the log before its build.
      terms: its member of that name.
      terms_digests: of the documents that these come from.
    """
    parts = identifiers.split_token_id(token_id)
    policy = rules[0] if len(rules) == 1 else digests.of_documents(rules)
    inputs = sorted({*rules, *lists.values(), *terms_digests})
    nbf, exp = window
    own: dict[str, Any] = {"terms": terms}
    if terms is None:
        own = {f"{parts.type.lower()}_id": token_id, "predicate_set": [], "eval_plan": {}}
    document = {
        **own,
        "type": parts.type,
        "token_id": token_id,
        "jti": identifiers.jti(BUILD, token_id),
        "version": token_id.rpartition(":")[2],
        "schema_version": tokens.SCHEMA_VERSION,
        "issuer": ISSUER,
        "domain": parts.name,
        "jurisdiction" if parts.type in {"RMT", "RRMT"} else "corridor": parts.place,
        "effective": {"nbf": nbf, "exp": exp},
        "effective_date": nbf,
        "expires_at": exp,
        "ttl_sec": 3600,
        "policy_max_ttl": 86400,
        "policy_snapshot_hash": policy,
        "scope_hash": digests.of_documents(inputs),
        "derived_from": list(parents),
        "controls": [{"id": "c1", "title": "Überprüfung, 100 %"}],
        "prohibitions": [],
        "duties": [],
        "assurance_level": "low",
        "required_assurance_level": "low",
        "effective_conflicts": [],
        "unmapped_clauses": [],
        "evidence": {
            "policy_snapshot": policy,
            "datasets": [
                {"provider": "p", "dataset": name, "version": "1", "content_sha256": content}
                for name, content in lists.items()
            ],
            "inputs": inputs,
        },
        "evidence_requirements": [],
        "revocation": {
            "revEpoch": rev_epoch,
            "status_list": {"uri": LIST_URI, "idx": idx},
            "transparency_log": "https://rtgf.eu.example",
            "anchor": {
                "tree_size": len(anchor),
                "root_hash": f"sha256:{merkle.root_hash(anchor).hex()}",
            },
        },
        "build_manifest_id": BUILD,
        "compiler_version": "0.1.0",
        "kid": signer.kid,
    }
    return tokens.sign(document, [signer])


def terms_of(token_id: str) -> list[str]:
    """The terms that a file has besides the rules: of a PSRT its own, then its CORT's."""
    return [TERMS[one] for one in {CORT: [CORT], PSRT: [PSRT, CORT]}.get(token_id, [])]


def lists_of(token_id: str) -> tuple[str, ...]:
    return () if token_id in TERMS else LISTS


def posing_as(use: str) -> SeedSigner:
    """A stranger's key under the name of one of the issuer's."""
    return SeedSigner(SIGNERS[use].kid, bytes([91] * 32))


class World:
    """An honest log that grows: keys, rules, lists, three tokens; `revoke` and `file`.

    Args:
      windows: other validity of a key, by kid: (created, expires, revoked or None).
      window: other validity of the tokens, as texts.
    """

    def __init__(
        self,
        windows: dict[str, tuple[int, int, int | None]] | None = None,
        window: tuple[str, str] | None = None,
    ) -> None:
        self.events: list[event.Event] = []
        self.tokens: dict[str, dict[str, Any]] = {}
        self.index: dict[str, int] = {}
        self.changes: list[int] = []
        self.packed = status_list.empty()
        self.window = window or (times.to_text(START), times.to_text(START + YEAR))
        normal = (START - 3600, START + YEAR, None)
        signers = [*SIGNERS.items(), ("token", SECOND)]
        keys = KeySet(
            PublicKey(signer.kid, signer.public, use, *(windows or {}).get(signer.kid, normal))
            for use, signer in signers
        )
        self.jwks = canonical_json.canonical_bytes(keys.to_jwks())
        self.log("jwks_publish", ISSUER, digests.sha256(self.jwks), name="keys")
        for place in ("eu", "sg", "us"):
            name = f"snapshot:{place}:payments_aml:2026-10"
            self.log("policy_snapshot", name, digests.sha256(name.encode()), name=place)
        for name in (*LISTS, "us-ofac-sdn"):
            self.log("dataset", f"{name}:1", digests.sha256(name.encode()), name=name)
        anchor = len(self.events)
        self.log("build", BUILD, digests.sha256(b"manifest"), name="build")
        for token_id, rules, parents in (
            (RMT_EU, ["eu"], []),
            (RMT_SG, ["sg"], []),
            (IMT, ["eu", "sg"], [RMT_EU, RMT_SG]),
        ):
            self.issue(token_id, rules=rules, parents=parents, anchor=anchor)
        self.log("build", digests.sha256(b"others"), digests.sha256(b"manifest"), name="build 2")

    def with_terms(self) -> World:
        """Add a CORT, a PSRT that rests on it, and an RRMT."""
        anchor = len(self.events)
        for name in TERMS.values():
            self.log("terms", name, digests.sha256(name.encode()), name=name)
        for token_id, rules, parents, said in (
            (CORT, ["eu", "sg"], [IMT], CORRIDOR),
            (PSRT, ["eu", "sg"], [CORT], ROUTE),
            (RRMT, [TERMS[RRMT]], [], PRICES),
        ):
            self.issue(token_id, rules=rules, parents=parents, anchor=anchor, terms=said["terms"])
        return self

    # --- the log --------------------------------------------------------------------------------

    def log(self, kind: str, subject: str, digest: str, *, name: str = "", **more: Any) -> int:
        made = event.make(
            type=kind,
            at=START + len(self.events),
            subject=subject,
            digest=digest,
            refs=more.get("refs", {}),
            actor=ISSUER,
            payload=more.get("payload", {}),
        )
        self.events.append(made)
        self.index[name or made.event_id] = len(self.events) - 1
        return len(self.events) - 1

    def leaves(self, size: int | None = None) -> list[bytes]:
        return [merkle.leaf_hash(event.to_bytes(entry)) for entry in self.events[:size]]

    def issue(
        self,
        token_id: str,
        *,
        rules: list[str],
        parents: list[str],
        anchor: int,
        terms: Mapping[str, Any] | None = None,
    ) -> None:
        hashes = [self.events[self.index[rule]].digest for rule in rules]
        body = token(
            token_id,
            rules=hashes,
            lists={name: self.events[self.index[name]].digest for name in lists_of(token_id)},
            parents=parents,
            window=self.window,
            rev_epoch=len(self.changes),
            idx=len(self.tokens),
            anchor=self.leaves(anchor),
            terms=terms,
            terms_digests=[self.events[self.index[name]].digest for name in terms_of(token_id)],
        )
        signed = canonical_json.parse_object(body)
        self.tokens[token_id] = signed
        self.log(
            "token_issue",
            token_id,
            str(signed["canonical_hash"]),
            name=token_id,
            refs={"build": BUILD, "derived_from": parents},
            payload={"jti": signed["jti"], "exp": self.window[1]},
        )

    def revoke(self, token_id: str, *, status: str = "invalid", reason: str = "superseded") -> int:
        token = self.tokens[token_id]
        idx = token["revocation"]["status_list"]["idx"]
        status_list.put(self.packed, idx, status_list.NUMBERS[status])
        at = self.log(
            "revocation",
            token_id,
            digests.sha256(data(token)),
            refs={"token_issue": self.events[self.index[token_id]].event_id},
            payload={
                "token_id": token_id,
                "jti": token["jti"],
                "status": status,
                "reason": reason,
                "rev_epoch": len(self.changes) + 1,
                "status_list": {
                    "number": 0,
                    "idx": idx,
                    "sha256": status_list.digest(self.packed),
                },
            },
        )
        self.changes.append(at)
        return at

    # --- what a node would serve ----------------------------------------------------------------

    def signed_jwks(self, jwks: bytes | None = None, signer: SeedSigner = ROOT) -> str:
        return jose.sign_compact(jwks or self.jwks, signer, typ="rtgf-jwks+jws")

    def head(
        self, size: int | None = None, *, signer: SeedSigner | None = None, late: int = 0
    ) -> dict[str, Any]:
        leaves = self.leaves(size)
        made = tree_head.sign(
            ORIGIN,
            len(leaves),
            merkle.root_hash(leaves),
            at=START + len(leaves) + late,
            signer=signer or SIGNERS["log"],
        )
        return tree_head.to_document(made)

    def list(
        self,
        size: int | None = None,
        *,
        uri: str = LIST_URI,
        signer: SeedSigner | None = None,
        packed: bytes | None = None,
        at: int | None = None,
    ) -> str:
        size = len(self.events) if size is None else size
        return status_list.sign(
            bytes(self.packed) if packed is None else packed,
            signer or SIGNERS["status"],
            uri=uri,
            at=START + size if at is None else at,
            rev_epoch=len([leaf for leaf in self.changes if leaf < size]),
            tree_size=size,
        )

    def entry(self, index: int, size: int | None = None) -> dict[str, Any]:
        leaves = self.leaves(size)
        return {
            "event": canonical_json.parse_object(event.to_bytes(self.events[index])),
            "index": index,
            "path": [node.hex() for node in merkle.inclusion_proof(leaves, index)],
        }

    def file(self, token_id: str = RMT_EU) -> dict[str, Any]:
        """The honest evidence of a token, as of the whole log."""
        head = self.head()
        token = copy.deepcopy(self.tokens[token_id])
        rules = {RMT_EU: ("eu",), RMT_SG: ("sg",), RRMT: (TERMS[RRMT],)}.get(token_id, ("eu", "sg"))
        anchor = token["revocation"]["anchor"]["tree_size"]
        own = [leaf for leaf in self.changes if self.events[leaf].subject == token_id]
        return {
            "format": evidence.FORMAT,
            "token": token,
            "keys": {"entry": self.entry(self.index["keys"]), "jws": self.signed_jwks()},
            "head": head,
            "checkpoint": head["checkpoint"],
            "issue": self.entry(self.index[token_id]),
            "build": self.entry(self.index["build"]),
            "snapshots": [self.entry(self.index[rule]) for rule in rules],
            "terms": [self.entry(self.index[name]) for name in terms_of(token_id)],
            "datasets": [self.entry(self.index[name]) for name in lists_of(token_id)],
            "anchor": [node.hex() for node in merkle.consistency_proof(self.leaves(), anchor)],
            "revocations": [self.entry(leaf) for leaf in own],
            "status": {
                "entry": self.entry(self.changes[-1]) if self.changes else None,
                "list": self.list(),
            },
        }
