"""What a member saves: everything of one round of the core, and what was applied, in one commit."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from rtgf_node.errors import Code, RtgfError
from rtgf_node.replication import divergence
from rtgf_node.replication.apply_queue import Batch
from rtgf_node.replication.commands import Applied
from rtgf_node.replication.log_tail import LogTail
from rtgf_node.replication.raftcore import wire
from rtgf_node.replication.raftcore.core import Entry, RaftCore, Ready
from rtgf_node.replication.raftcore.wire import ConfState
from rtgf_node.replication.starts import Starts
from rtgf_node.replication.state_machine import StateMachine
from rtgf_node.store import Store
from rtgf_node.store.log_writer import LogWriter
from rtgf_node.store.raft_store import EntryRow, Member, RaftState, RaftStore


class Boot(NamedTuple):
    """What a member begins with.

    Attributes:
      state: where it stands.
      entries: its log.
      members: whom it knows.
      members_changed_at: the index of the newest change among them.
    """

    state: RaftState
    entries: tuple[Entry, ...]
    members: tuple[Member, ...]
    members_changed_at: int

    def core(self, *, election_ticks: int) -> RaftCore:
        """Return the core as it was."""
        state = self.state
        snapshot = b""
        if state.compacted:
            # The core takes the members from here, and then hands out what comes after
            # `delivered`: they are as of then.
            conf_state = ConfState.decode(state.conf_state)
            snapshot = wire.snapshot(state.compacted, state.compacted_term, conf_state)
        return RaftCore(
            state.raft_id,
            snapshot=snapshot,
            hard_state=state.hard_state,
            entries=self.entries,
            applied=state.delivered,
            election_ticks=election_ticks,
        )

    def unapplied(self) -> tuple[Entry, ...]:
        """Return what was handed out by the core before and is not applied yet."""
        applied, delivered = self.state.applied, self.state.delivered
        return tuple(one for one in self.entries if applied < one.index <= delivered)

    def tail(self, *, compact_every: int) -> LogTail:
        """Return what is in the log."""
        return LogTail(self.entries, compact_every=compact_every)


class Round(NamedTuple):
    """What one commit holds.

    Attributes:
      state: where the node stands after it.
      entries: for the Raft log.
      members: who changed, and by which entry.
      batch: what is applied.
    """

    state: RaftState
    entries: Sequence[Entry]
    members: Sequence[tuple[tuple[Member, ...], int]]
    batch: Batch

    def says_nothing(self, before: RaftState) -> bool:
        """Whether there is nothing to write."""
        return self.state == before and not self.entries


class RaftDisk:
    """Reads and writes through the state machine's connection; used by the writer only."""

    def __init__(self, store: Store, machine: StateMachine, starts: Starts) -> None:
        self._store = store
        self._machine = machine
        self._starts = starts
        self._raft = RaftStore(store.conn)

    def boot(self) -> Boot:
        """Read what is held, and write this start down.

        Raises:
          RtgfError: RTGF_TXP_STORE_DAMAGED if it is not what was written, or if two histories were
            found here; RTGF_CONFLICT if this node is in no cluster.
        """
        divergence.refuse(self._store.folder)
        state = self._raft.state()
        if state is None:
            raise RtgfError(
                Code.RTGF_CONFLICT, "this node is in no cluster; see rtgf cluster init and join"
            )
        rows: list[EntryRow] = self._raft.entries(state.compacted)
        with self._store.conn:
            self._store.conn.execute("BEGIN IMMEDIATE")
            self._starts.load(self._raft)
        return Boot(
            state,
            tuple(Entry(one.term, one.index, one.kind, one.data) for one in rows),
            tuple(self._raft.members()),
            self._raft.members_changed_at(),
        )

    def save(self, work: Round) -> list[Applied]:
        """Write a round and apply its batch, all or nothing, and return what the commands came to.

        Raises:
          DivergenceError: the leader applied something else; nothing is written but the evidence.
          sqlite3.Error: the disk did not take it.
        """
        raft_id = work.state.raft_id

        def write_round(applied: Sequence[Applied], log: LogWriter) -> None:
            divergence.check(raft_id, applied, work.batch.marks, log)
            self._raft.append(work.entries)
            self._raft.put_state(work.state)
            self._starts.save(self._raft)
            for members, index in work.members:
                self._raft.put_members(members, index)

        try:
            return self._machine.apply_batch(work.batch.proposals, write_round)
        except divergence.DivergenceError as error:
            divergence.keep(self._store.folder, error.found)
            raise


def after(before: RaftState, ready: Ready | None, batch: Batch) -> RaftState:
    """Return where the node stands after a round, but for its members and what is forgotten."""
    state = before
    if ready is not None and ready.hard_state:
        state = state._replace(hard_state=ready.hard_state)
    if ready is not None and ready.committed:
        state = state._replace(delivered=ready.committed[-1].index)
    if batch.index:
        state = state._replace(applied=batch.index)
    return state
