"""Judge what a node publishes, trusting nothing but the pinned public key of its offline root.

`audit.log` proves the keys and the log; here every token, revocation, snapshot and terms
document that is served is held against that log, both ways: nothing is served that was not logged,
and nothing that was logged is hidden. The same material gives the same report: nothing is fetched
here.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

import msgspec

from rtgf_node import wire
from rtgf_node.audit import decisions as audit_decisions
from rtgf_node.audit import status as audit_status
from rtgf_node.audit.log import Findings, ProvedLog, as_object
from rtgf_node.audit.material import Finding, Material, Remembered
from rtgf_node.core import canonical_json, identifiers, jose, merkle, snapshot, times, tokens
from rtgf_node.core.event import Event
from rtgf_node.core.proof_bundle import hash_of
from rtgf_node.core.shapes import fit
from rtgf_node.errors import Code, RtgfError
from rtgf_node.wire.decisions import DecisionEntry

REVOCATIONS_TYP: Final = "rtgf-revocations+jws"

MAX_FINDINGS: Final = 1_000
"""A damaged log would repeat one finding for each leaf; the first thousand tell the story."""


class Report(msgspec.Struct, frozen=True):
    """What was checked and what does not hold."""

    url: str
    at: str
    origin: str
    tree_size: int
    root_hash: str
    revEpoch: int  # noqa: N815 - the contract's spelling
    tokens: int
    proofs: int
    snapshots: int
    terms: int
    decisions: audit_decisions.Decided
    extends: int | None
    """Size of the remembered tree that this one was proved to extend."""
    findings: list[Finding]

    def remember(self) -> Remembered:
        """Return what the next audit must find again."""
        return Remembered(
            origin=self.origin, tree_size=self.tree_size, root_hash=self.root_hash, at=self.at
        )


class _Stated(msgspec.Struct, frozen=True):
    """What the signed revocation list says; other members are its signature's business."""

    revEpoch: int  # noqa: N815 - the contract's spelling
    entries: list[wire.RevocationEntry]


def check(
    material: Material,
    *,
    root_public: bytes,
    decisions: Iterable[DecisionEntry] | None = None,
    chain: str | None = None,
) -> Report:
    """Judge `material` and return the report; `root_public` is the pinned root key.

    `decisions` are read while they are judged: there may be more of them than fit into memory.
    `chain` is their chain, by the word of whoever shows them; without it, the issuer's.

    Raises:
      RtgfError: reading `decisions` fails, for a reason that says nothing about them.
    """
    findings = Findings(material.withheld)
    log = ProvedLog(material, root_public, findings)
    proofs = _Tokens(material, log, findings).check()
    epoch = findings.attempt("revocations", "revocations", _check_list, material, log, findings)
    audit_status.check(material, log, findings)
    _check_flags(material, log, findings)
    for _, taken in log.events("policy_snapshot"):
        body = material.snapshots.get(taken.subject)
        findings.attempt("snapshot", taken.subject, _check_document, body, taken)
    for _, taken in log.events("terms"):
        body = material.terms.get(taken.subject)
        findings.attempt("terms", taken.subject, _check_document, body, taken)
    decided = audit_decisions.check(log, decisions, findings, chain)
    return Report(
        url=material.url,
        at=times.to_text(material.at),
        origin=log.origin,
        tree_size=log.size,
        root_hash=f"sha256:{log.root(log.size).hex()}",
        revEpoch=epoch or 0,
        tokens=len(material.catalog),
        proofs=proofs,
        snapshots=len(material.snapshots),
        terms=len(material.terms),
        decisions=decided,
        extends=log.extends,
        findings=findings.found[:MAX_FINDINGS],
    )


class _Tokens:
    """The catalogue against the log."""

    def __init__(self, material: Material, log: ProvedLog, findings: Findings) -> None:
        self._material = material
        self._log = log
        self._findings = findings
        self._issued = {entry.subject: (index, entry) for index, entry in log.events("token_issue")}
        self._lists = {entry.digest for _, entry in log.events("dataset")}
        self._policies = {entry.digest for _, entry in log.events("policy_snapshot")}

    def check(self) -> int:
        """Check every token and return how many inclusion proofs hold."""
        listed: set[str] = set()
        proved = 0
        for item in self._material.catalog:
            token_id = _id_of(item)
            listed.add(token_id)
            index, issue = self._issued.get(token_id, (None, None))
            if index is None or issue is None or index != item.leafIndex:
                self._findings.add(
                    "token", token_id, f"leaf {item.leafIndex} of the log did not issue it"
                )
                continue
            body = self._material.tokens.get(item.uri)
            if body is not None:
                self._findings.attempt("token", token_id, self._check_token, issue, item, body)
            bundle = self._material.proofs.get(issue.event_id)
            if bundle is not None:
                held = self._findings.attempt("proof", token_id, self._check_proof, index, bundle)
                proved += held is not None
        for token_id in sorted(self._issued.keys() - listed):
            self._findings.add("token", token_id, "the log issued it and the catalogue hides it")
        return proved

    def _check_token(self, issue: Event, item: wire.CatalogEntry, body: bytes) -> None:
        # The window is left out: a catalogue honestly lists what has expired. The key must have
        # been in its window when the token was issued, by the log's own time.
        token = tokens.check(
            body, keys=self._log.keys, at=times.parse(issue.at), threshold=1, window=False
        )
        kids = {signature.kid for signature in token.signatures}
        problems = {
            "it is not served as its canonical bytes": (
                canonical_json.canonical_bytes(as_object(body)) == body
            ),
            "another token is served than the log issued": (
                (token.token_id, token.canonical_hash) == (issue.subject, issue.digest)
            ),
            "the catalogue states another hash than the log": item.hash == issue.digest,
            "it is signed with a key that is not for tokens": all(
                key.use == "token" for key in self._log.keys if key.kid in kids
            ),
            "the log has not its snapshot": (
                token.type != "RMT" or token.policy_snapshot_hash in self._policies
            ),
            "the log has not all the lists it rests on": all(
                dataset.content_sha256 in self._lists for dataset in token.evidence.datasets
            ),
            "the log did not issue what it is derived from": all(
                parent in self._issued for parent in token.derived_from
            ),
        }
        for problem, holds in problems.items():
            if not holds:
                self._findings.add("token", issue.subject, problem)

    def _check_proof(self, index: int, bundle: wire.ProofBundle) -> bool:
        leaf, root = self._log.leaf(index), hash_of(bundle.merkleRoot)
        if (bundle.leafIndex, hash_of(bundle.leafHash)) != (index, leaf):
            raise RtgfError(Code.RTGF_TXP_PROOF_INVALID, "the proof is for another leaf")
        merkle.verify_inclusion(
            leaf_hash=leaf,
            index=index,
            tree_size=bundle.treeSize,
            proof=[hash_of(text) for text in bundle.path],
            root=root,
        )
        size = self._log.size
        if bundle.treeSize > size:
            # The log grew while it was read: the newer tree must begin with the one rebuilt here.
            merkle.verify_consistency(
                old_size=size,
                new_size=bundle.treeSize,
                old_root=self._log.root(size),
                new_root=root,
                proof=[hash_of(text) for text in bundle.consistency],
            )
        elif self._log.root(bundle.treeSize) != root:
            raise RtgfError(Code.RTGF_TXP_GOSSIP_INCONSISTENT, "the proof leads to another tree")
        self._log.check_note(bundle.checkpoint, bundle.treeSize, root)
        return True


def _check_list(material: Material, log: ProvedLog, findings: Findings) -> int:
    """Hold the signed list against the revocation events, one by one; return its revEpoch."""
    document = as_object(material.revocations)
    jose.verify_document(document, log.keys, at=material.at, typ=REVOCATIONS_TYP, uses=("status",))
    stated = fit(document, _Stated, code=Code.RTGF_JSON_INVALID)
    logged = list(log.events("revocation"))
    due = sum(1 for index, _ in logged if index < material.settled_size)
    if stated.revEpoch != len(stated.entries) or not due <= stated.revEpoch <= len(logged):
        findings.add(
            "revocations",
            "revEpoch",
            f"it is {stated.revEpoch}, with {len(stated.entries)} entries and at least {due} "
            "revocations in the log",
        )
    # A list that was fetched before the newest head may be the shorter one.
    for number, (entry, (_, event)) in enumerate(
        zip(stated.entries, logged, strict=False), start=1
    ):
        said = (entry.token_id, entry.jti, entry.status, entry.reason, entry.revEpoch, entry.at)
        payload = event.payload
        done = (
            event.subject,
            *(payload.get(name) for name in ("jti", "status", "reason", "rev_epoch")),
            event.at,
        )
        if said != done or entry.revEpoch != number or entry.root != payload.get("root"):
            findings.add(
                "revocations", entry.token_id, f"entry {number} is not what the log recorded"
            )
    return stated.revEpoch


def _check_flags(material: Material, log: ProvedLog, findings: Findings) -> None:
    """A token that the log withdrew is not offered as valid, and none is withdrawn in secret."""
    settled: dict[str, bool] = {}
    ever: set[str] = set()
    for index, event in log.events("revocation"):
        ever.add(event.subject)
        if index < material.settled_size:
            settled[event.subject] = event.payload.get("status") != "valid"
    changed_since = {
        event.subject for index, event in log.events("revocation") if index >= material.settled_size
    }
    for item in material.catalog:
        token_id = _id_of(item)
        if token_id in changed_since:
            continue
        if settled.get(token_id, False) and not item.revoked:
            findings.add("revocations", token_id, "the log withdrew it, the catalogue offers it")
        if item.revoked and token_id not in ever:
            findings.add("revocations", token_id, "it is withdrawn without an event in the log")


def _check_document(body: bytes | None, taken: Event) -> None:
    """What is served is the snapshot, or the terms, that the log took in."""
    if body is not None and snapshot.digest(as_object(body)) != taken.digest:
        raise RtgfError(
            Code.RTGF_BUILD_HASH_MISMATCH, "another document is served than the log took in"
        )


def _id_of(item: wire.CatalogEntry) -> str:
    """Return the token id of a catalogue entry; what is no token URI stands for itself."""
    try:
        return identifiers.token_reference(item.uri)
    except RtgfError:
        return item.uri
