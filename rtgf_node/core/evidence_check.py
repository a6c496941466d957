"""Judge an evidence file with the pinned root key and nothing else: no network, no clock.

What is checked, in this order: the form of the file; the keys, against the root; the head, against
the log's key, and its checkpoint, against the witnesses that are asked for; every entry, against
the head; the token, against the keys; that all of them are
about this token; that the log only grew since the token's anchor; the status list, against its key
and against the revocations in the log. The verdict then says what the token was worth at the time
of the file. A hidden revocation needs the status key and the log's key to lie together, and the
log's auditors find it.
"""

from __future__ import annotations

from typing import Any

from msgspec import Struct

from rtgf_node.core import (
    canonical_json,
    digests,
    evidence,
    identifiers,
    jose,
    merkle,
    note,
    signed_keys,
    times,
    tokens,
    tree_head,
)
from rtgf_node.core.event import Event
from rtgf_node.core.evidence import Evidence
from rtgf_node.core.evidence_entry import check_included, event_of, failing, require
from rtgf_node.core.evidence_status import check_revocations, check_status
from rtgf_node.core.keys import KeySet
from rtgf_node.core.tokens import Token
from rtgf_node.core.tree_head import TreeHead
from rtgf_node.core.witness_policy import NOBODY, WitnessPolicy
from rtgf_node.errors import Code, RtgfError


class Cosigner(Struct, frozen=True):
    """A witness whose cosignature holds, and when it says that it saw the head."""

    name: str
    at: str


class Verdict(Struct, frozen=True):
    """What an evidence file proves.

    Attributes:
      reason: why the token was not to be relied upon at `status_at`, or None.
      status: `valid`, `invalid` or `suspended`.
      status_at: when the status was stated; it holds for the first `tree_size` entries of the log.
      cosigned: the witnesses that were asked for and have cosigned the checkpoint.
      unchecked: the names on its other lines: nothing here tells whether those are genuine.
    """

    token_id: str
    uri: str
    type: str
    issuer: str
    place: str
    domain: str
    canonical_hash: str
    signed_by: list[str]
    nbf: str
    exp: str
    issued_at: str
    leaf_index: int
    origin: str
    tree_size: int
    root_hash: str
    head_at: str
    cosigned: list[Cosigner]
    unchecked: list[str]
    snapshots: list[str]
    terms: list[str]
    datasets: list[str]
    status: str
    status_at: str
    status_reason: str | None
    revEpoch: int  # noqa: N815 - the contract's spelling
    reason: str | None

    def code(self) -> Code | None:
        """Return `reason` as the code it names."""
        return None if self.reason is None else Code[self.reason]


def check(data: bytes, *, root_public: bytes, witnesses: WitnessPolicy = NOBODY) -> Verdict:
    """Return what an evidence file proves.

    Args:
      data: the file.
      root_public: the issuer's pinned root key, 32 bytes.
      witnesses: who must have cosigned the checkpoint; by default nobody is looked at.

    Raises:
      RtgfError: the first check that fails. RTGF_JSON_INVALID, RTGF_INPUT_INVALID,
        RTGF_TOKEN_SCHEMA_INVALID, RTGF_TOKEN_CANONICAL_MISMATCH, RTGF_TXP_EVENT_INVALID: it is
        malformed. RTGF_JWKS_SIGNATURE_INVALID, RTGF_VERIFY_SIGNATURE_INVALID,
        RTGF_TOKEN_SIGNATURE_INVALID, RTGF_KID_UNKNOWN: a signature. RTGF_KID_EXPIRED: a key outside
        its window. RTGF_TXP_PROOF_INVALID: it is not what the log holds.
    """
    return _Examination(evidence.parse(data), root_public, witnesses).run()


class _Examination:
    """One file under examination; each step stands on those before it."""

    def __init__(self, file: Evidence, root_public: bytes, witnesses: WitnessPolicy) -> None:
        self._file = file
        self._root_public = root_public
        self._witnesses = witnesses
        self._keys = KeySet()
        self._payload = b""

    def run(self) -> Verdict:
        file = self._file
        with failing(Code.RTGF_JWKS_SIGNATURE_INVALID, "the key set"):
            self._read_keys()
        head, cosigned, unchecked = self._head()
        for entry in file.entries():
            check_included(entry, head)
        issue = event_of(file.issue, "token_issue")
        issued_at = times.parse(issue.at)
        document = file.token
        token = tokens.check(document, keys=self._keys, at=issued_at, window=False)
        self._check_issue(token, issue, head)
        self._check_sources(token, issue)
        with failing(Code.RTGF_TXP_PROOF_INVALID, "the token's anchor"):
            anchor = token.revocation.anchor
            merkle.verify_consistency(
                old_size=anchor.tree_size,
                new_size=head.tree_size,
                old_root=_root(anchor.root_hash),
                new_root=head.root(),
                proof=[bytes.fromhex(node) for node in file.anchor],
            )
        require(anchor.tree_size <= file.issue.index, "the token is older than its anchor")
        newest = check_revocations(file, token, issue)
        claims = check_status(file, token, keys=self._keys, head=head, newest=newest)
        signed_by = self._signers(document, token, issued_at, claims.iat)
        status = "valid" if newest is None else str(newest.payload["status"])
        return Verdict(
            token_id=token.token_id,
            uri=identifiers.token_uri(token.token_id),
            type=token.type,
            issuer=token.issuer,
            place=token.jurisdiction or token.corridor or "",
            domain=token.domain,
            canonical_hash=token.canonical_hash,
            signed_by=signed_by,
            nbf=token.effective.nbf,
            exp=token.effective.exp,
            issued_at=issue.at,
            leaf_index=file.issue.index,
            origin=head.origin,
            tree_size=head.tree_size,
            root_hash=head.root_hash,
            head_at=head.issued_at,
            cosigned=cosigned,
            unchecked=unchecked,
            snapshots=[str(entry.event["subject"]) for entry in file.snapshots],
            terms=[str(entry.event["subject"]) for entry in file.terms],
            datasets=[str(entry.event["subject"]) for entry in file.datasets],
            status=status,
            status_at=times.to_text(claims.iat),
            status_reason=None if newest is None else str(newest.payload["reason"]),
            revEpoch=claims.revEpoch,
            reason=_reason(token, status, claims.iat),
        )

    def _read_keys(self) -> None:
        """Take the key set that the root signed; nothing else makes a key a key of the issuer."""
        self._payload = signed_keys.verify(self._file.keys.jws, self._root_public)
        self._keys = KeySet.from_jwks(canonical_json.parse(self._payload))

    def _head(self) -> tuple[TreeHead, list[Cosigner], list[str]]:
        """Return the head, who has cosigned its checkpoint, and whose lines were not checked."""
        with failing(Code.RTGF_INPUT_INVALID, "the head"):
            head = tree_head.from_document(self._file.head)
        with failing(Code.RTGF_VERIFY_SIGNATURE_INVALID, "the head"):
            tree_head.verify(head, self._keys, at=times.parse(head.issued_at))
            if head != tree_head.detached(head):
                raise RtgfError(
                    Code.RTGF_VERIFY_SIGNATURE_INVALID,
                    "its own checkpoint has more than the log's signature",
                )
        with failing(Code.RTGF_VERIFY_SIGNATURE_INVALID, "the checkpoint"):
            text, lines = note.split(self._file.checkpoint.encode())
            log_keys = [
                note.key(head.origin, note.ED25519, key.public)
                for key in self._keys
                if key.use == tree_head.USE
            ]
            signed = [line for line, _ in note.verify_lines(text, lines, log_keys)]
            if not signed:
                raise RtgfError(
                    Code.RTGF_VERIFY_SIGNATURE_INVALID, "no key of the log has signed it"
                )
            seen = note.verify_lines(text, lines, self._witnesses.witnesses)
            self._witnesses.require(len(seen))
        require(
            text == note.split(head.checkpoint.encode())[0],
            "the checkpoint is of another tree than the head",
        )
        signed += [line for line, _ in seen]
        return (
            head,
            [Cosigner(line.name, times.to_text(at)) for line, at in seen if at is not None],
            [line.name for line in lines if line not in signed],
        )

    def _check_issue(self, token: Token, issue: Event, head: TreeHead) -> None:
        """The log issued this token, in this build, and logged the keys that it is signed with."""
        file = self._file
        published = event_of(file.keys.entry, "jwks_publish")
        require(published.digest == digests.sha256(self._payload), "the log has not this key set")
        require(
            (issue.subject, issue.digest) == (token.token_id, token.canonical_hash)
            and (issue.payload.get("jti"), issue.payload.get("exp"))
            == (token.jti, token.effective.exp),
            "the token_issue event is of another token",
        )
        build = event_of(file.build, "build")
        require(
            build.subject == token.build_manifest_id == issue.refs.get("build"),
            "the build event is of another build",
        )
        require(file.build.index < file.issue.index, "the token was issued before its build")
        for entry in file.entries():
            require(
                times.parse(event_of(entry).at) <= times.parse(head.issued_at) + times.SKEW_SECONDS,
                f"entry {entry.index} is dated after the head that covers it",
            )

    def _check_sources(self, token: Token, issue: Event) -> None:
        """The log took in the token's snapshots, terms and lists before it issued it."""
        source = "terms" if token.type == "RRMT" else "policy_snapshot"
        snapshots = [event_of(entry, source) for entry in self._file.snapshots]
        hashes = [each.digest for each in snapshots]
        # An RMT rests on one snapshot, an RRMT on one document of terms. What rests on several
        # names one digest of all of them.
        named = hashes[0] if len(hashes) == 1 else digests.of_documents(hashes)
        require(
            named == token.policy_snapshot_hash
            and (token.jurisdiction is None or len(hashes) == 1),
            "the snapshot events are not those of the token's rules",
        )
        stated = [event_of(entry, "terms") for entry in self._file.terms]
        require(
            [each.subject for each in stated] == evidence.terms_of(token)
            and all(each.digest in token.evidence.inputs for each in stated),
            "the terms events are not those of the token's terms",
        )
        lists = [event_of(entry, "dataset") for entry in self._file.datasets]
        require(
            [(each.subject, each.digest) for each in lists]
            == [
                (f"{each.dataset}:{each.version}", each.content_sha256)
                for each in token.evidence.datasets
            ],
            "the dataset events are not those of the token's lists",
        )
        for entry in self._file.sources():
            require(
                entry.index < self._file.issue.index
                and times.parse(event_of(entry).at) <= times.parse(issue.at) + times.SKEW_SECONDS,
                f"entry {entry.index} is newer than the token that rests on it",
            )

    def _signers(
        self, document: dict[str, Any], token: Token, issued_at: int, status_at: int
    ) -> list[str]:
        """Return the keys that vouch for the token: one revoked since then does not."""
        revoked = {
            key.kid
            for key in self._keys
            if key.revoked_at is not None and key.revoked_at <= status_at
        }
        signed = {name: value for name, value in document.items() if name != "signatures"}
        payload = canonical_json.canonical_bytes(signed)
        for at in (issued_at, status_at):
            with failing(Code.RTGF_KID_EXPIRED, "the token's keys at the time of the file"):
                kids = jose.verify_signatures(
                    payload,
                    token.signatures,
                    self._keys,
                    at=at,
                    typ=tokens.SIGNATURE_TYPE,
                    uses=("token",),
                )
            if good := [kid for kid in kids if kid not in revoked]:
                return good
        raise RtgfError(Code.RTGF_KID_EXPIRED, "every key that signed the token is revoked")


def _reason(token: Token, status: str, at: int) -> str | None:
    if status != "valid":
        return Code.RTGF_VERIFY_REVOKED.name
    try:
        tokens.check_window(token, at=at)
    except RtgfError as error:
        return error.code.name
    return None


def _root(text: str) -> bytes:
    return bytes.fromhex(text.removeprefix("sha256:"))
