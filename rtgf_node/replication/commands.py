"""Everything that may change a node's state, as values: one command, one atomic change.

Applying a command is deterministic: every time, id and signature is in it, so that each node that
applies the same commands in the same order holds the same state and the same Merkle root. Commands
are stored and sent as MessagePack; the tag is the name of the class.
"""

from __future__ import annotations

from typing import TypeAlias

import msgspec

from rtgf_node.core.decision import Interval
from rtgf_node.errors import RtgfError
from rtgf_node.replication.build_commands import NoteBuild, PublishBuild, StageTokens
from rtgf_node.replication.state_change import StateChange
from rtgf_node.store.approval_store import ApprovalState
from rtgf_node.store.key_manifest_store import KeyRow
from rtgf_node.store.registry_store import TokenRow
from rtgf_node.store.revocation_store import RevocationRow, Status
from rtgf_node.store.witness_store import CosignatureRow

__all__ = [
    "AppendEvents",
    "Applied",
    "AskApproval",
    "Command",
    "ConfirmDataset",
    "CosignCheckpoint",
    "CosignatureRow",
    "KeyRow",
    "NoteBuild",
    "NoteDelivery",
    "Outcome",
    "Proposal",
    "PublishBuild",
    "QuarantineDataset",
    "RecordCosignatures",
    "RecordDataset",
    "RecordDecisionRoot",
    "RecordFinding",
    "RecordKeys",
    "RecordRefusal",
    "RestoreCosigned",
    "Revoke",
    "RevokeEntry",
    "SeeHead",
    "SettleApproval",
    "SettleFindings",
    "SignedHead",
    "StageTokens",
    "TakeSnapshot",
    "TakeTerms",
    "TokenRow",
]


class AppendEvents(StateChange, frozen=True):
    """Append events that change nothing else. An event that is there already keeps its index."""

    events: tuple[bytes, ...]


class TakeSnapshot(StateChange, frozen=True):
    """Take in a policy snapshot. `body` is the exact signed bytes, `event` its policy_snapshot.

    The same snapshot again changes nothing; an older or equal version with other bytes is refused.
    """

    snapshot_id: str
    digest: str
    jurisdiction: str
    domain: str
    version: str
    body: bytes
    event: bytes


class RecordDataset(StateChange, frozen=True):
    """Take a dataset into force. Its bytes and its records are objects already.

    `event` is its dataset event. The same bytes again, when they are in force, change nothing.
    """

    name: str
    version: str
    provider: str
    reader: str
    raw_sha256: str
    content_sha256: str
    record_count: int
    published: str | None
    retrieved_at: int
    uri: str
    etag: str | None
    last_modified: str | None
    signature_state: str
    records_sha256: str
    event: bytes


class ConfirmDataset(StateChange, frozen=True):
    """Note that the dataset in force was found unchanged at its provider at `at`."""

    name: str
    raw_sha256: str
    at: int


class QuarantineDataset(StateChange, frozen=True):
    """Keep a fetched file from use; `record` puts it in force, should an operator say so.

    It ends with the next file of the list that is put in force, or when the one in force is found
    to be the newest again.
    """

    record: RecordDataset
    reason: str
    at: int


class RecordRefusal(StateChange, frozen=True):
    """Note and count an intake that was refused. Digests and ids, never content."""

    code: str
    subject: str
    digest: str
    at: int
    detail: str


class RevokeEntry(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The status that one token is to have, and why."""

    token_id: str
    status: Status
    reason: str


class Revoke(StateChange, frozen=True):
    """Change the status of tokens and of all that rest on them, all or nothing.

    The state machine makes the `revocation` events itself, since only it knows the epoch and what
    rests on what; `at` and `actor` are theirs.
    """

    entries: tuple[RevokeEntry, ...]
    at: int
    actor: str


class RecordKeys(StateChange, frozen=True):
    """Publish keys: the manifest, the key set, its signature, and the events that log them.

    The entry of a key is the event whose subject is its kid, else the last of `events`.
    """

    manifest: bytes
    jwks: bytes
    jwks_jws: str
    keys: tuple[KeyRow, ...]
    events: tuple[bytes, ...]


class TakeWaiver(StateChange, frozen=True):
    """Keep an approver's waiver and log it; `event` is its approval. Kept before: nothing."""

    digest: str
    policy_snapshot_hash: str
    body: bytes
    at: int
    event: bytes


class TakeTerms(StateChange, frozen=True):
    """Take in a terms document. `body` is the exact signed bytes, `event` its terms event.

    The same document again changes nothing; an older or equal version of what it is of,
    `token_type`, `place` and `name`, with other bytes is refused.
    """

    terms_id: str
    digest: str
    token_type: str
    place: str
    name: str
    domain: str
    version: str
    body: bytes
    event: bytes


class AskApproval(StateChange, frozen=True):
    """Let something wait for a second person until `deadline`. `event` is its approval.

    What waits already, with the same acts and digest, changes nothing.
    """

    approval_id: str
    acts: str
    subject: str
    digest: str
    request: bytes
    asked_by: str
    asked_at: int
    deadline: int
    event: bytes


class SettleApproval(StateChange, frozen=True):
    """Approve, refuse, or let lapse what waits. `by` is who did; nobody lets lapse.

    Refused if `by` approves what they asked for, or if the deadline says otherwise.
    """

    approval_id: str
    state: ApprovalState
    by: str | None
    at: int
    reason: str
    event: bytes


class RecordDecisionRoot(StateChange, frozen=True):
    """Log the root of the next interval of a chain of decisions; `event` is its decision_root.

    Refused unless the interval begins where the chain's last one ended; the same one again changes
    nothing.
    """

    chain: str
    interval: Interval
    event: bytes


class SignedHead(StateChange, frozen=True):
    """Keep a signed tree head. Refused unless the tree had this root at this size."""

    document: bytes
    tree_size: int
    root: bytes


class RecordCosignatures(StateChange, frozen=True):
    """Keep what witnesses signed under our head of this size and root; the signatures are checked.

    Refused unless that head is held.
    """

    tree_size: int
    root: bytes
    cosignatures: tuple[CosignatureRow, ...]


class CosignCheckpoint(StateChange, frozen=True):
    """Remember that we, as a witness, cosign another log's checkpoint, whose signature is checked.

    Compare and swap: refused unless `old_size` is what was cosigned last and `proof` shows that
    this tree extends it. `note` is the checkpoint with that log's signature and ours. The same
    checkpoint again changes nothing.
    """

    origin: str
    old_size: int
    tree_size: int
    root: bytes
    proof: tuple[bytes, ...]
    at: int
    note: bytes


class RestoreCosigned(StateChange, frozen=True):
    """Take over from outside the store what we cosigned last; `events` are its incident, or none.

    What is held already, or is older than what is held, changes nothing.
    """

    origin: str
    tree_size: int
    root: bytes
    at: int
    note: bytes
    events: tuple[bytes, ...]


class SeeHead(StateChange, frozen=True):
    """Remember another log's newest head, which was proved to extend the one before."""

    origin: str
    tree_size: int
    root: bytes
    at: int
    note: bytes


class RecordFinding(StateChange, frozen=True):
    """Keep a signed head that contradicts another of its log; `event` is the incident.

    The evidence is an object already. With `halts` nothing is signed until it is settled. The same
    head again changes nothing.
    """

    origin: str
    tree_size: int
    root: bytes
    peer: str
    evidence: str
    detail: str
    halts: bool
    at: int
    event: bytes


class NoteDelivery(StateChange, frozen=True):
    """Note up to which revocation a webhook was told. What is not newer changes nothing."""

    webhook: str
    rev_epoch: int
    at: int


class SettleFindings(StateChange, frozen=True):
    """Go on although heads contradict each other, by an operator's word; `event` says so."""

    at: int
    event: bytes


Command: TypeAlias = (
    AppendEvents
    | TakeSnapshot
    | RecordDataset
    | ConfirmDataset
    | QuarantineDataset
    | RecordRefusal
    | StageTokens
    | PublishBuild
    | NoteBuild
    | Revoke
    | RecordKeys
    | TakeWaiver
    | TakeTerms
    | AskApproval
    | SettleApproval
    | RecordDecisionRoot
    | RecordCosignatures
    | CosignCheckpoint
    | RestoreCosigned
    | SeeHead
    | RecordFinding
    | NoteDelivery
    | SettleFindings
    | SignedHead
)


class Proposal(msgspec.Struct, frozen=True):
    """A command with its number. A client that proposes a number again gets the same outcome.

    A client is one run of one asker; its numbers grow.
    """

    client_id: str
    seq: int
    command: Command


class Outcome(msgspec.Struct, frozen=True):
    """What an accepted command did; size and epoch are as they stood right after it.

    `leaf_indexes` are those of its events in their order, also of those that were there before.
    """

    leaf_indexes: tuple[int, ...]
    tree_size: int
    rev_epoch: int
    revocations: tuple[RevocationRow, ...] = ()


class Applied(msgspec.Struct, frozen=True):
    """A proposal's place in the command log and what it came to, refused or accepted.

    `repeated` says that it had been applied before and changed nothing now.
    """

    index: int
    command: Command
    outcome: Outcome | RtgfError
    repeated: bool = False


encode = msgspec.msgpack.Encoder().encode
decode_record = msgspec.msgpack.Decoder(RecordDataset).decode
decode = msgspec.msgpack.Decoder(Command).decode
