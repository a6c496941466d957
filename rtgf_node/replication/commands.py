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
from rtgf_node.store.key_manifest_store import KeyRow
from rtgf_node.store.registry_store import TokenRow
from rtgf_node.store.revocation_store import RevocationRow, Status
from rtgf_node.store.witness_store import CosignatureRow

__all__ = [
    "AppendEvents",
    "Applied",
    "Command",
    "ConfirmDataset",
    "CosignCheckpoint",
    "CosignatureRow",
    "KeyRow",
    "NoteBuild",
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
    "Revoke",
    "RevokeEntry",
    "SeeHead",
    "SettleFindings",
    "SignedHead",
    "TakeSnapshot",
    "TokenRow",
]


class _Command(msgspec.Struct, frozen=True, tag=True, forbid_unknown_fields=True):
    """A change of state."""


class AppendEvents(_Command, frozen=True):
    """Append events that change nothing else. An event that is there already keeps its index."""

    events: tuple[bytes, ...]


class TakeSnapshot(_Command, frozen=True):
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


class RecordDataset(_Command, frozen=True):
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


class ConfirmDataset(_Command, frozen=True):
    """Note that the dataset in force was found unchanged at its provider at `at`."""

    name: str
    raw_sha256: str
    at: int


class QuarantineDataset(_Command, frozen=True):
    """Keep a fetched file from use; `record` puts it in force, should an operator say so.

    It ends with the next file of the list that is put in force, or when the one in force is found
    to be the newest again.
    """

    record: RecordDataset
    reason: str
    at: int


class RecordRefusal(_Command, frozen=True):
    """Note and count an intake that was refused. Digests and ids, never content."""

    code: str
    subject: str
    digest: str
    at: int
    detail: str


class PublishBuild(_Command, frozen=True):
    """Publish a build, all or nothing.

    `events` are the build event and then one token_issue event for each of `tokens`, in their
    order, `approvals` those of what people accepted for it. Tokens may rest on each other or on
    published ones, and only on valid ones. Refused if the newest issue of the same rules was
    withdrawn after `rev_epoch`, at which the build was planned: it would bring them back.
    """

    build_id: str
    manifest_digest: str
    at: int
    events: tuple[bytes, ...]
    tokens: tuple[TokenRow, ...]
    rev_epoch: int = 0
    approvals: tuple[bytes, ...] = ()
    summary: str = ""


class NoteBuild(_Command, frozen=True):
    """Note how far a build came that is not published: running, refused, diverged."""

    build_id: str
    state: str
    at: int
    summary: str
    manifest_digest: str | None = None


class RevokeEntry(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The status that one token is to have, and why."""

    token_id: str
    status: Status
    reason: str


class Revoke(_Command, frozen=True):
    """Change the status of tokens and of all that rest on them, all or nothing.

    The state machine makes the `revocation` events itself, since only it knows the epoch and what
    rests on what; `at` and `actor` are theirs.
    """

    entries: tuple[RevokeEntry, ...]
    at: int
    actor: str


class RecordKeys(_Command, frozen=True):
    """Publish keys: the manifest, the key set, its signature, and the events that log them.

    The entry of a key is the event whose subject is its kid, else the last of `events`.
    """

    manifest: bytes
    jwks: bytes
    jwks_jws: str
    keys: tuple[KeyRow, ...]
    events: tuple[bytes, ...]


class RecordDecisionRoot(_Command, frozen=True):
    """Log the root of the next interval of a chain of decisions; `event` is its decision_root.

    Refused unless the interval begins where the chain's last one ended; the same one again changes
    nothing.
    """

    chain: str
    interval: Interval
    event: bytes


class SignedHead(_Command, frozen=True):
    """Keep a signed tree head. Refused unless the tree had this root at this size."""

    document: bytes
    tree_size: int
    root: bytes


class RecordCosignatures(_Command, frozen=True):
    """Keep what witnesses signed under our head of this size and root; the signatures are checked.

    Refused unless that head is held.
    """

    tree_size: int
    root: bytes
    cosignatures: tuple[CosignatureRow, ...]


class CosignCheckpoint(_Command, frozen=True):
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


class SeeHead(_Command, frozen=True):
    """Remember another log's newest head, which was proved to extend the one before."""

    origin: str
    tree_size: int
    root: bytes
    at: int
    note: bytes


class RecordFinding(_Command, frozen=True):
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


class SettleFindings(_Command, frozen=True):
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
    | PublishBuild
    | NoteBuild
    | Revoke
    | RecordKeys
    | RecordDecisionRoot
    | RecordCosignatures
    | CosignCheckpoint
    | SeeHead
    | RecordFinding
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
    """What an accepted command did; the tree is as it stood right after it.

    `leaf_indexes` are those of its events in their order, also of those that were there before.
    """

    leaf_indexes: tuple[int, ...]
    tree_size: int
    root: bytes
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
