"""Everything that may change a node's state, as values: one command, one atomic change.

Applying a command is deterministic: every time, id and signature is in it, so that each node that
applies the same commands in the same order holds the same state and the same Merkle root. Commands
are stored and sent as MessagePack; the tag is the name of the class.
"""

from __future__ import annotations

from typing import TypeAlias

import msgspec

from rtgf_node.errors import RtgfError
from rtgf_node.store.key_manifest_store import KeyRow
from rtgf_node.store.registry_store import TokenRow
from rtgf_node.store.revocation_store import RevocationRow, Status

__all__ = [
    "AppendEvents",
    "Applied",
    "Command",
    "ConfirmDataset",
    "KeyRow",
    "NoteBuild",
    "Outcome",
    "Proposal",
    "PublishBuild",
    "QuarantineDataset",
    "RecordDataset",
    "RecordKeys",
    "RecordRefusal",
    "Revoke",
    "RevokeEntry",
    "SignedHead",
    "TakeSnapshot",
    "TokenRow",
]


STATUS_LIST = 0
"""The number of the status list that tokens are entered in."""


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
    """Keep a fetched file from use. `RecordDataset` of the same bytes releases it."""

    name: str
    raw_sha256: str
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
    order. Tokens may rest on each other or on published ones, and only on valid ones.
    """

    build_id: str
    manifest_digest: str
    at: int
    events: tuple[bytes, ...]
    tokens: tuple[TokenRow, ...]
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


class SignedHead(_Command, frozen=True):
    """Keep a signed tree head. Refused unless the tree had this root at this size."""

    document: bytes
    tree_size: int
    root: bytes


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
decode = msgspec.msgpack.Decoder(Command).decode
