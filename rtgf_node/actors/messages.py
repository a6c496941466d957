"""Everything one actor may ask another: the node's vocabulary on one page.

A request names its reply type, so `await log.ask(Commit(command))` is known to the type checker to
give an `Outcome`. Cancelling the asker does not undo a request: every operation is idempotent.
Requests go one way, fetcher -> compiler -> registry -> log; news comes back as what was applied.
"""

from __future__ import annotations

from typing import Literal, Self

import msgspec

from rtgf_node.actors.mailbox import Request
from rtgf_node.core import digests
from rtgf_node.core.as_of import AsOf
from rtgf_node.core.merkle import MAX_TREE_SIZE
from rtgf_node.errors import RtgfError
from rtgf_node.keys.key_change import KeyAct
from rtgf_node.replication.commands import Command, Outcome, RecordDataset
from rtgf_node.store.approval_store import ApprovalState
from rtgf_node.wire import (
    BuildAnswer,
    Document,
    FetchAnswer,
    IntakeAnswer,
    ProofBundle,
    RevokeAnswer,
)
from rtgf_node.wire.approvals import ApprovalAnswer
from rtgf_node.wire.cluster import MembershipAnswer
from rtgf_node.wire.keys import KeyChangeAnswer

# --- log ----------------------------------------------------------------------------------------


class Commit(Request[Outcome], frozen=True):
    """Apply a command. Answered when every subscriber has; with `covered`, under a signed head."""

    command: Command
    covered: bool = True


class Proved(msgspec.Struct, frozen=True):
    """What a command did, and the proofs of its entries, in their order, under one signed head.

    There are no proofs while an incident keeps the log from signing.
    """

    outcome: Outcome
    bundles: tuple[ProofBundle, ...]


class CommitProved(Request[Proved], frozen=True):
    """Apply a command; answered, with the proofs, when a signed head covers its entries."""

    command: Command


class ResumeSigning(Request[None], frozen=True):
    """Sign again from a store that is older than, or other than, what was signed last.

    It forks the log in the eyes of whoever saw the lost part: an operator's last resort, logged.
    """

    reason: str
    actor: str


# --- registry -----------------------------------------------------------------------------------


class AcceptSnapshot(Request[IntakeAnswer], frozen=True):
    """Hold a snapshot whose signatures were checked. The same bytes again change nothing.

    Raises:
      RTGF_POL_MATRIX_STALE: an older or equal version with other bytes.
    """

    body: bytes
    source: str
    actor: str


class AcceptTerms(Request[IntakeAnswer], frozen=True):
    """Hold terms whose signatures were checked. The same bytes again change nothing.

    Raises:
      RTGF_POL_MATRIX_STALE: an older or equal version with other bytes.
    """

    body: bytes
    source: str
    actor: str


class AcceptDataset(Request[IntakeAnswer], frozen=True):
    """Hold a dataset version that was read, passed its gate and is in the object store.

    The command's `event` is filled in here; the caller leaves it empty. `released` is why the file
    was in quarantine, if an operator let it out; the event says so.
    """

    record: RecordDataset
    actor: str
    released: str | None = None


class HoldDatasetBack(Request[None], frozen=True):
    """Keep a file that was read but is not plausible in quarantine, until an operator looks."""

    record: RecordDataset
    reason: str


class RecordRefusal(Request[None], frozen=True):
    """Count and keep a refused intake: code, what it was, and why. Nothing else changes."""

    code: str
    subject: str
    digest: str
    detail: str

    @classmethod
    def of(cls, error: RtgfError, *, subject: str, body: bytes) -> Self:
        """Return the refusal of `body`, which is empty if none came."""
        digest = digests.sha256(body) if body else ""
        return cls(code=error.code.name, subject=subject, digest=digest, detail=error.sentence)


class Stage(Request[None], frozen=True):
    """Keep signed tokens of a build, after the `first` that are kept, until it is published.

    With `first` 0 it begins anew; without tokens what was kept is forgotten, and that is all.
    """

    build_id: str
    first: int
    tokens: tuple[bytes, ...]


class Publish(Request[Outcome], frozen=True):
    """Log a build and its signed tokens, and serve them: all or nothing.

    Its tokens are the `staged` ones, and after them `tokens`.
    """

    build_id: str
    manifest: bytes
    staged: int
    tokens: tuple[bytes, ...]
    accepted_conflicts: tuple[Document, ...]
    actor: str
    approver: str
    summary: str = ""


class RecordBuild(Request[None], frozen=True):
    """Note in the register how far a build came that is not published."""

    build_id: str
    state: str
    summary: str


# --- keys and members -----------------------------------------------------------------------------


class ChangeKeys(Request[KeyChangeAnswer], frozen=True):
    """Put a key set that the root signed into force, or with `only_check` say what it would do.

    `signed` is both statements in one document. `act` is to rotate, or to revoke the key `kid`.

    Raises:
      RTGF_JWKS_SIGNATURE_INVALID: the root did not sign it, or it is not newer than what is logged.
      RTGF_CONFLICT: the node cannot go on with it, or it does something else than was asked for.
    """

    act: KeyAct
    kid: str | None
    signed: bytes
    reason: str
    actor: str
    approver: str | None = None
    only_check: bool = False


class ChangeMembership(Request[MembershipAnswer], frozen=True):
    """Change who is in the cluster; raises RTGF_CONFLICT, RTGF_NOT_FOUND and RTGF_UNAVAILABLE."""

    act: Literal["add", "promote", "remove"]
    name: str
    address: str
    actor: str
    approver: str | None = None


# --- approvals ----------------------------------------------------------------------------------


class AskForApproval(Request[str], frozen=True):
    """Let something wait for a second person; gives its id. What waits already is asked once."""

    acts: tuple[str, ...]
    subject: str
    digest: str
    request: bytes
    actor: str


class Settle(Request[ApprovalAnswer], frozen=True):
    """Approve or refuse what waits.

    Raises:
      RTGF_NOT_FOUND: there is no such request.
      RTGF_CONFLICT: it was settled before, or its deadline has passed.
      RTGF_FORBIDDEN: who approves is who asked.
    """

    approval_id: str
    state: ApprovalState
    reason: str
    actor: str


class SettleBuild(Request[None], frozen=True):
    """Publish a build that waited, or give it up, as it was settled."""

    build_id: str
    state: ApprovalState
    by: str | None
    reason: str
    request: bytes


# --- revocation ---------------------------------------------------------------------------------


class ChangeStatus(Request[RevokeAnswer], frozen=True):
    """Revoke or reinstate tokens, with everything that rests on them, all or nothing.

    `items` are `(token id, URI or jti, reason)`; `status` is `revoked` or `valid`; `proofs` says
    whether the answer is to have them.
    """

    items: tuple[tuple[str, str], ...]
    status: str
    actor: str
    proofs: bool = False


class RevocationList(Request[Document], frozen=True):
    """The signed list of status changes after epoch `since`, of tokens of `type` or of all.

    Only what stands in the first `tree_size` entries of the log is in it.
    """

    since: int
    type: str | None
    tree_size: int = MAX_TREE_SIZE


class StatusList(Request[str], frozen=True):
    """The signed status list of this number, as a JWT.

    With `tree_size`, one that states the status as of exactly so many entries of the log.

    Raises:
      RTGF_NOT_FOUND: there is no such list.
      RTGF_UNAVAILABLE: something was revoked after the first `tree_size` entries; ask with more.
    """

    number: int
    tree_size: int | None = None


class PastStatusList(Request[str], frozen=True):
    """The status list of this number as it was, as a JWT that is valid then.

    Raises:
      RTGF_NOT_FOUND: there was no such list, or no key that can sign it.
    """

    number: int
    as_of: AsOf


# --- verifier -----------------------------------------------------------------------------------


class PrepareDatasets(Request[None], frozen=True):
    """Have a name index ready for each of these contents.

    Tokens that rest on them can then be decided from the moment they are published.
    """

    content_digests: tuple[str, ...]


# --- compiler -----------------------------------------------------------------------------------


class Compile(Request[BuildAnswer], frozen=True):
    """Start a build of whatever is due; answered with its id once it is planned."""

    jurisdictions: tuple[str, ...] | None
    domains: tuple[str, ...] | None
    accept_conflicts: bool
    actor: str


class BuildStatus(Request[BuildAnswer], frozen=True):
    """Where a build stands. Raises RTGF_NOT_FOUND for one that nobody knows."""

    build_id: str


class CancelBuild(Request[BuildAnswer], frozen=True):
    """Give a running build up. Answered at once; it has ended when its state says so.

    Raises RTGF_CONFLICT for one that is over or that the log has in hand.
    """

    build_id: str
    actor: str


# --- fetcher ------------------------------------------------------------------------------------


class Fetch(Request[FetchAnswer], frozen=True):
    """Fetch one source, or all of them, now."""

    source: str | None
    actor: str


class PushSnapshot(Request[IntakeAnswer], frozen=True):
    """Take in a snapshot that an authority sent, checked exactly as a fetched one is."""

    body: bytes
    actor: str


class PushTerms(Request[IntakeAnswer], frozen=True):
    """Take in a terms document that an authority sent, checked exactly as a fetched one is."""

    body: bytes
    actor: str


class PushWaiver(Request[IntakeAnswer], frozen=True):
    """Take in a waiver that an approver signed, for a snapshot that is held."""

    body: bytes
    actor: str


class AcceptWaiver(Request[IntakeAnswer], frozen=True):
    """Log and keep a waiver that passed every check."""

    body: bytes
    actor: str


class PushDataset(Request[IntakeAnswer], frozen=True):
    """Take in a dataset file that was sent for the configured dataset `name`."""

    name: str
    body: bytes
    actor: str


class ReleaseQuarantine(Request[IntakeAnswer], frozen=True):
    """Put the quarantined file of dataset `name` in force on an operator's word."""

    name: str
    actor: str


# --- witness ------------------------------------------------------------------------------------


class Cosigned(msgspec.Struct, frozen=True):
    """Our signature line under a checkpoint; or, without one, the size that was cosigned last."""

    line: str | None
    held_size: int


class Cosign(Request[Cosigned], frozen=True):
    """Cosign another log's checkpoint. Answered when it is remembered durably.

    Raises:
      RTGF_BAD_REQUEST, RTGF_NOT_FOUND (an unknown log), RTGF_FORBIDDEN (not signed by the log),
      RTGF_TXP_PROOF_INVALID (not proved to extend what was cosigned last).
    """

    body: bytes
