"""What the Raft core says: the work of one round, and where it stands. Read from flat bytes."""

from __future__ import annotations

import struct
from collections.abc import Iterable
from typing import Literal, NamedTuple, TypeAlias

from msgspec import Struct

from rtgf_node.replication.raftcore.wire import ConfState

Role: TypeAlias = Literal["follower", "candidate", "leader", "precandidate"]

ROLES: tuple[Role, ...] = ("follower", "candidate", "leader", "precandidate")
"""In the order of `StateType` in raft.go."""

Flow: TypeAlias = Literal["probe", "replicate", "snapshot"]

FLOWS: tuple[Flow, ...] = ("probe", "replicate", "snapshot")
"""In the order of `StateType` in tracker/state.go."""


class Entry(Struct, frozen=True, gc=False):
    """One entry of the Raft log.

    Attributes:
      kind: 0 for a proposal, 1 or 2 for a change of members (`ConfChange`, `ConfChangeV2`).
      data: what was proposed; empty for the first entry of a leader and where a change was dropped.
    """

    term: int
    index: int
    kind: int
    data: bytes


class Message(NamedTuple):
    """What a peer is to be sent. `kind` is a number of `wire.MessageKind`."""

    to: int
    kind: int
    data: bytes


class Ready(NamedTuple):
    """The work of one round.

    Attributes:
      must_sync: whether it must be on disk before messages of `wire.AFTER_SAVE` leave.
      lead: who leads now, 0 for nobody; None if neither it nor the role changed.
      role: what this node is now; None if neither it nor the leader changed.
      hard_state: to be saved (protobuf), empty if it did not change.
      entries: to be saved; they replace everything from the first one's index on.
      snapshot: to be saved and taken in place of all state (protobuf), empty if there is none. The
        members it names are those of the node's status from now on.
      snapshot_index: the last index that the snapshot contains.
      snapshot_term: the term of that index.
      snapshot_data: what the leader put into it.
      committed: to be applied, in this order; they are saved already or among `entries`.
      messages: to be sent.
      read_states: for each read that was asked and is confirmed, the index to wait for and its
        context.
    """

    must_sync: bool
    lead: int | None
    role: Role | None
    hard_state: bytes
    entries: tuple[Entry, ...]
    snapshot: bytes
    snapshot_index: int
    snapshot_term: int
    snapshot_data: bytes
    committed: tuple[Entry, ...]
    messages: tuple[Message, ...]
    read_states: tuple[tuple[int, bytes], ...]


class Progress(NamedTuple):
    """What a leader knows of one member.

    Attributes:
      node_id: whose.
      match: the last index that the member is known to hold.
      next: the index that it is sent next.
      flow: whether it is being probed, kept up, or waited for to take a snapshot.
      active: whether it answered within the last election timeout.
      learner: whether it decides nothing.
    """

    node_id: int
    match: int
    next: int
    flow: Flow
    active: bool
    learner: bool


class Status(NamedTuple):
    """Where a node of the core stands.

    Attributes:
      vote: whom it voted for in this term, 0 for nobody.
      lead: who leads, 0 for nobody it knows.
      transfer_to: to whom it is handing the lead, 0 for nobody.
      first_index: the first index that is still in memory, one after the last compaction.
      last_index: the last that is on disk.
      members: who is in the cluster, as far as changes are applied here.
      progress: of every member, sorted; empty unless it leads.
    """

    node_id: int
    term: int
    vote: int
    commit: int
    applied: int
    lead: int
    transfer_to: int
    first_index: int
    last_index: int
    role: Role
    members: ConfState
    progress: tuple[Progress, ...]


_COUNT = struct.Struct("<I")
_ENTRY = struct.Struct("<QQBI")
_READY = struct.Struct("<??")
_LEADER = struct.Struct("<QB")
_SNAPSHOT = struct.Struct("<QQ")
_MESSAGE = struct.Struct("<QBI")
_READ = struct.Struct("<QI")
_STATUS = struct.Struct("<9QB")
_PROGRESS = struct.Struct("<QQQB??")


def encode_entries(entries: Iterable[Entry]) -> bytes:
    """Return entries in the form in which a node of the core is begun with them."""
    parts = [
        _ENTRY.pack(entry.term, entry.index, entry.kind, len(entry.data)) + entry.data
        for entry in entries
    ]
    return _COUNT.pack(len(parts)) + b"".join(parts) if parts else b""


class _Reader:
    """Walks the bytes that frames.go wrote."""

    def __init__(self, data: bytes) -> None:
        self._data = data
        self._at = 0

    def take(self, form: struct.Struct) -> tuple[int, ...]:
        values = form.unpack_from(self._data, self._at)
        self._at += form.size
        return values

    def count(self) -> range:
        return range(self.take(_COUNT)[0])

    def text(self, size: int | None = None) -> bytes:
        if size is None:
            (size,) = self.take(_COUNT)
        self._at += size
        return self._data[self._at - size : self._at]

    def entries(self) -> tuple[Entry, ...]:
        return tuple(
            Entry(term, index, kind, self.text(size))
            for term, index, kind, size in (self.take(_ENTRY) for _ in self.count())
        )


def decode_ready(data: bytes) -> Ready:
    """Read the work of one round."""
    reader = _Reader(data)
    must_sync, changed = reader.take(_READY)
    lead: int | None = None
    role: Role | None = None
    if changed:
        lead, state = reader.take(_LEADER)
        role = ROLES[state]
    hard_state = reader.text()
    entries = reader.entries()
    snapshot, index, term, content = reader.text(), 0, 0, b""
    if snapshot:
        index, term = reader.take(_SNAPSHOT)
        content = reader.text()
    committed = reader.entries()
    messages = tuple(
        Message(to, kind, reader.text(size))
        for to, kind, size in (reader.take(_MESSAGE) for _ in reader.count())
    )
    reads = tuple(
        (at, reader.text(size)) for at, size in (reader.take(_READ) for _ in reader.count())
    )
    return Ready(
        must_sync=bool(must_sync),
        lead=lead,
        role=role,
        hard_state=hard_state,
        entries=entries,
        snapshot=snapshot,
        snapshot_index=index,
        snapshot_term=term,
        snapshot_data=content,
        committed=committed,
        messages=messages,
        read_states=reads,
    )


def decode_status(data: bytes) -> Status:
    """Read where a node stands."""
    reader = _Reader(data)
    node_id, term, vote, commit, applied, lead, to, first, final, role = reader.take(_STATUS)
    members = ConfState.decode(reader.text())
    progress = tuple(
        Progress(node_id, match, following, FLOWS[flow], bool(active), bool(learner))
        for node_id, match, following, flow, active, learner in (
            reader.take(_PROGRESS) for _ in reader.count()
        )
    )
    return Status(
        node_id=node_id,
        term=term,
        vote=vote,
        commit=commit,
        applied=applied,
        lead=lead,
        transfer_to=to,
        first_index=first,
        last_index=final,
        role=ROLES[role],
        members=members,
        progress=progress,
    )
