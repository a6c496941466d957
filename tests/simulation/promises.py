"""What must hold, looked at while the simulation runs, at every commit of every member."""

from __future__ import annotations

import math
from bisect import bisect_left
from collections.abc import Sequence
from typing import Protocol

import trio

from rtgf_node.errors import RtgfError
from rtgf_node.replication.commands import Applied, Proposal
from rtgf_node.replication.raft import RaftReplicator
from rtgf_node.store import Store
from tests.simulation.trace import Trace

Number = tuple[str, int]


class Watched(Protocol):
    """A member, as far as promises go."""

    raft_id: int
    store: Store
    replicator: RaftReplicator


class Promises:
    """Compares what the members hold with each other and with what was answered.

    Attributes:
      answered: leaf indexes by the number of the command.
      answered_size: the log is at least this long, as of what was answered.
    """

    def __init__(self, trace: Trace) -> None:
        self._trace = trace
        self._entries: dict[tuple[int, int], tuple[int, bytes, int | None]] = {}
        self._chosen: dict[int, tuple[int, int, bytes]] = {}
        self._roots: dict[int, bytes] = {}
        self._sizes: dict[int, int] = {}
        self._stands: dict[int, tuple[int, int]] = {}
        self._commands: dict[int, Number] = {}
        self._answers: list[tuple[float, int]] = []
        self.answered: dict[Number, tuple[int, ...]] = {}
        self.answered_size = 0

    # --- what is on disk ------------------------------------------------------------------------

    def look(self, member: Watched, *, taken: bool = False) -> None:
        """Look at a member's disk after a commit, or before its process begins.

        Args:
          member: whose.
          taken: it has just taken another one's state, which its process does not know.
        """
        conn = member.store.reader
        raft_id = member.raft_id
        applied, delivered = conn.execute("SELECT applied, delivered FROM raft_state").fetchone()
        were_applied, were_delivered = self._stands.get(raft_id, (0, 0))
        if applied < were_applied or delivered < were_delivered:
            self._broken(raft_id, f"had applied {were_applied} and now only {applied}")
        if applied > delivered:
            self._broken(raft_id, f"applied {applied} of {delivered} that were committed")
        self._stands[raft_id] = (applied, delivered)
        rows = conn.execute(
            "SELECT idx, term, kind, data FROM raft_log WHERE idx >= ? ORDER BY idx",
            (were_delivered,),
        ).fetchall()
        before: int | None = None
        for index, term, kind, data in rows:
            self._match(raft_id, index, term, kind, data, before)
            if index <= delivered:
                self._choose(raft_id, index, term, kind, data)
            before = term
        if not taken:
            self._same_log(member, applied)

    def _match(
        self, raft_id: int, index: int, term: int, kind: int, data: bytes, before: int | None
    ) -> None:
        """One index and term is one entry, with one entry before it: so logs match up to it."""
        known = self._entries.get((index, term))
        if known is None:
            self._entries[index, term] = (kind, data, before)
            return
        if known[:2] != (kind, data):
            self._broken(raft_id, f"holds another entry {index} of term {term}")
        if before is not None and known[2] not in (None, before):
            self._broken(raft_id, f"has another entry before {index} of term {term}")
        if known[2] is None and before is not None:
            self._entries[index, term] = (kind, data, before)

    def _choose(self, raft_id: int, index: int, term: int, kind: int, data: bytes) -> None:
        chosen = self._chosen.setdefault(index, (term, kind, data))
        if chosen != (term, kind, data):
            self._broken(raft_id, f"committed another entry {index}: terms {chosen[0]} and {term}")

    def _same_log(self, member: Watched, applied: int) -> None:
        log = member.store.log
        size, root = log.size, log.root()
        if self._roots.setdefault(size, root) != root:
            self._broken(member.raft_id, f"has another root of {size} leaves")
        if self._sizes.setdefault(applied, size) != size:
            self._broken(member.raft_id, f"has {size} leaves at {applied}")

    # --- what is told ---------------------------------------------------------------------------

    def hear(self, applied: Applied) -> None:
        """Hear news from the feed of a member."""
        index = applied.index
        if isinstance(applied.outcome, RtgfError):
            self._trace.violation(f"a refused command is news: {applied.outcome}")
            return
        # What names a command here is where its leaves are.
        number = ("leaves", applied.outcome.tree_size)
        if self._commands.setdefault(index, number) != number:
            self._trace.violation(f"command {index} came to other leaves on another member")

    def answer(
        self, member: Watched, proposals: Sequence[Proposal], applied: Sequence[Applied]
    ) -> None:
        """Note what a client was answered."""
        if len(applied) != len(proposals):
            self._broken(member.raft_id, "answered fewer commands than it was asked")
            return
        for proposal, result in zip(proposals, applied, strict=True):
            number = (proposal.client_id, proposal.seq)
            if isinstance(result.outcome, RtgfError):
                self._broken(member.raft_id, f"refused {number}: {result.outcome}")
                return
            leaves = result.outcome.leaf_indexes
            if self.answered.setdefault(number, leaves) != leaves:
                self._broken(member.raft_id, f"{number} was applied twice")
            self.answered_size = max(self.answered_size, leaves[-1] + 1)
        self._answers.append((trio.current_time(), self.answered_size))

    # --- what is read ---------------------------------------------------------------------------

    def read(self, member: Watched, least: int) -> None:
        """Look at a member when its read barrier has let somebody pass who needs `least` leaves."""
        size = member.store.log.size
        if size < least:
            self._broken(member.raft_id, f"let a reader see {size} leaves; {least} were answered")

    def fresh(self, member: Watched) -> None:
        """Look whether a member has what was answered before it says that it is up to date."""
        stale = member.replicator.staleness_seconds()
        if stale == math.inf:
            return
        before = bisect_left(self._answers, (trio.current_time() - stale - 1e-9, -1))
        if before and member.store.log.size < self._answers[before - 1][1]:
            self._broken(
                member.raft_id,
                f"says it is {stale:g} s old and has {member.store.log.size} leaves of "
                f"{self._answers[before - 1][1]}",
            )

    def _broken(self, raft_id: int, promise: str) -> None:
        self._trace.violation(f"member {raft_id} {promise}")
