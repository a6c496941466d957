"""The Raft log and what else one node of a cluster must never forget, in the node's database.

All of it is this node's own and never copied to another, but for the members.
"""

from __future__ import annotations

import sqlite3
import zlib
from collections.abc import Sequence
from typing import Annotated, Literal, NamedTuple, Protocol, TypeAlias

import msgspec

from rtgf_node.errors import Code, RtgfError

MemberRole: TypeAlias = Literal["voter", "learner", "removed"]

_TABLES = ("raft_state", "raft_log", "raft_members", "raft_cluster", "raft_starts", "raft_met")
_STATE = "raft_id, hard_state, conf_state, compacted, compacted_term, delivered, applied"


class Member(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One node of the cluster, also after it was removed: its Raft id is never given again.

    Attributes:
      raft_id: its id in the core, from 1 on.
      name: what its certificate says after `urn:rtgf:node:`.
      address: where it listens for its peers, as `host:port`.
      role: voters decide, learners hold everything and decide nothing.
    """

    raft_id: int
    name: str
    address: str
    role: MemberRole


class RaftState(NamedTuple):
    """Where this node stands.

    Attributes:
      raft_id: this node's.
      hard_state: term, vote and commit, as the core encodes them; empty before the first.
      conf_state: who decides, as the core encodes it, as of `delivered`.
      compacted: the index up to which the log was forgotten, since what it did is in the state.
      compacted_term: the term of that index.
      delivered: up to where the core handed entries out, and changes of members took effect.
      applied: up to where commands are applied; never after `delivered`.
    """

    raft_id: int
    hard_state: bytes
    conf_state: bytes
    compacted: int
    compacted_term: int
    delivered: int
    applied: int


class Start(NamedTuple):
    """One start of a member.

    Attributes:
      number: how many there were, with this one.
      nonce: random; of a second copy of the folder that is started as often, another.
    """

    number: Annotated[int, msgspec.Meta(ge=1, le=(1 << 63) - 1)]
    nonce: Annotated[bytes, msgspec.Meta(min_length=1, max_length=64)]


class LogEntry(Protocol):
    """One entry of the Raft log; the core's own type is one."""

    @property
    def term(self) -> int:
        """In which term it was proposed."""

    @property
    def index(self) -> int:
        """Its place, from 1 on."""

    @property
    def kind(self) -> int:
        """Whether it is a proposal or a change of members."""

    @property
    def data(self) -> bytes:
        """What was proposed."""


class EntryRow(msgspec.Struct, frozen=True):
    """An entry as it is read back."""

    term: int
    index: int
    kind: int
    data: bytes


class RaftStore:
    """The tables that begin with `raft_`, through one connection.

    What writes does so inside a transaction of the caller's.
    """

    def __init__(self, conn: sqlite3.Connection) -> None:
        self._conn = conn

    def found(
        self,
        raft_id: int,
        members: Sequence[Member],
        *,
        cluster_id: str,
        conf_state: bytes = b"",
        index: int = 0,
        term: int = 0,
    ) -> None:
        """Make this node a member: the first one, with a `conf_state`, index and term, or a joiner.

        The `cluster_id` is of this cluster alone, also where another one had the same log.

        Raises:
          RtgfError: RTGF_EXISTS if it is one already.
        """
        if self._conn.execute("SELECT 1 FROM raft_state").fetchone() is not None:
            raise RtgfError(Code.RTGF_EXISTS, "this node is a member of a cluster already")
        self._conn.execute("INSERT INTO raft_cluster VALUES (1, ?)", (cluster_id,))
        self._put(RaftState(raft_id, b"", conf_state, index, term, index, index))
        self.put_members(members, index)

    def leave(self) -> None:
        """Forget the cluster: the node stands alone with the state it has."""
        for table in _TABLES:
            self._conn.execute(f"DELETE FROM {table}")  # noqa: S608  constant text

    def state(self) -> RaftState | None:
        """Return where this node stands, None if it is in no cluster.

        Raises:
          RtgfError: RTGF_TXP_STORE_DAMAGED if it is not what was written.
        """
        row = self._conn.execute(f"SELECT {_STATE}, crc FROM raft_state").fetchone()  # noqa: S608  constant text
        if row is None:
            return None
        *values, crc = row
        state = RaftState(*values)
        if _crc_of_state(state) != crc:
            raise _damaged("the vote of this node is not what was written")
        return state

    def cluster_id(self) -> str:
        """Return the id of the cluster; empty in one that began without."""
        row = self._conn.execute("SELECT cluster_id FROM raft_cluster").fetchone()
        return "" if row is None else str(row[0])

    def starts(self) -> list[Start]:
        """Return the starts of this node that are kept, by number.

        Raises:
          RtgfError: RTGF_TXP_STORE_DAMAGED if one is not what was written.
        """
        rows = self._conn.execute("SELECT number, nonce, crc FROM raft_starts ORDER BY number")
        return [_checked_start(0, Start(number, nonce), crc) for number, nonce, crc in rows]

    def put_start(self, start: Start, *, kept: int) -> None:
        """Write a start of this node, and forget all but the newest `kept`."""
        row = (*start, _crc_of_start(0, start))
        self._conn.execute("INSERT INTO raft_starts VALUES (?, ?, ?)", row)
        oldest = start.number - kept
        self._conn.execute("DELETE FROM raft_starts WHERE number <= ?", (oldest,))

    def met(self) -> dict[int, Start]:
        """Return the newest start of each peer that was met, by Raft id.

        Raises:
          RtgfError: RTGF_TXP_STORE_DAMAGED if one is not what was written.
        """
        rows = self._conn.execute("SELECT raft_id, number, nonce, crc FROM raft_met")
        return {
            raft_id: _checked_start(raft_id, Start(number, nonce), crc)
            for raft_id, number, nonce, crc in rows
        }

    def put_met(self, raft_id: int, start: Start) -> None:
        """Write which start of a peer was met."""
        row = (raft_id, *start, _crc_of_start(raft_id, start))
        self._conn.execute("INSERT OR REPLACE INTO raft_met VALUES (?, ?, ?, ?)", row)

    def entries(self, after: int) -> list[EntryRow]:
        """Return the log after an index, checked.

        Raises:
          RtgfError: RTGF_TXP_STORE_DAMAGED if one is missing or is not what was written.
        """
        rows = self._conn.execute("SELECT term, idx, kind, data, crc FROM raft_log ORDER BY idx")
        held: list[EntryRow] = []
        for *values, crc in rows:
            entry = EntryRow(*values)
            if entry.index != after + 1 + len(held) or _crc_of_entry(entry) != crc:
                raise _damaged(f"entry {after + 1 + len(held)} of the Raft log is not as written")
            held.append(entry)
        return held

    def append(self, entries: Sequence[LogEntry]) -> None:
        """Write entries; they replace everything from the first one's index on."""
        if entries:
            self._conn.execute("DELETE FROM raft_log WHERE idx >= ?", (entries[0].index,))
        self._conn.executemany(
            "INSERT INTO raft_log (idx, term, kind, data, crc) VALUES (?, ?, ?, ?, ?)",
            [(one.index, one.term, one.kind, one.data, _crc_of_entry(one)) for one in entries],
        )

    def put_state(self, state: RaftState) -> None:
        """Write where this node stands, and forget the log up to what was compacted."""
        before = self._conn.execute("SELECT compacted FROM raft_state").fetchone()
        if before is not None and before[0] != state.compacted:
            self._conn.execute("DELETE FROM raft_log WHERE idx <= ?", (state.compacted,))
        self._put(state)

    def restart_at(self, state: RaftState, entries: Sequence[LogEntry]) -> None:
        """Write where this node stands with another one's state: its log is what follows that."""
        self._conn.execute("DELETE FROM raft_log")
        self.append(entries)
        self._put(state)

    def members(self) -> list[Member]:
        """Return every member there ever was, by Raft id."""
        rows = self._conn.execute(
            "SELECT raft_id, name, address, role FROM raft_members ORDER BY raft_id"
        )
        return [Member(*row) for row in rows]

    def members_changed_at(self) -> int:
        """Return the index of the entry that last changed a member, 0 before the first."""
        row = self._conn.execute("SELECT coalesce(max(changed_at), 0) FROM raft_members").fetchone()
        return int(row[0])

    def put_members(self, members: Sequence[Member], index: int) -> None:
        """Write members as the entry at `index` changed them."""
        self._conn.executemany(
            "INSERT OR REPLACE INTO raft_members (raft_id, name, address, role, changed_at) "
            "VALUES (?, ?, ?, ?, ?)",
            [(one.raft_id, one.name, one.address, one.role, index) for one in members],
        )

    def _put(self, state: RaftState) -> None:
        self._conn.execute(
            f"INSERT OR REPLACE INTO raft_state (id, {_STATE}, crc) "  # noqa: S608  constant text
            "VALUES (1, ?, ?, ?, ?, ?, ?, ?, ?)",
            (*state, _crc_of_state(state)),
        )


def _crc_of_entry(entry: LogEntry) -> int:
    # SQLite does not check its pages; a flipped bit in here would be a fork of the cluster's log.
    head = f"{entry.index} {entry.term} {entry.kind} ".encode("ascii")
    return zlib.crc32(entry.data, zlib.crc32(head))


def _crc_of_state(state: RaftState) -> int:
    return zlib.crc32(repr(tuple(state)).encode("ascii"))


def _crc_of_start(raft_id: int, start: Start) -> int:
    return zlib.crc32(repr((raft_id, *start)).encode("ascii"))


def _checked_start(raft_id: int, start: Start, crc: int) -> Start:
    if _crc_of_start(raft_id, start) != crc:
        raise _damaged("a start that this node remembers is not what was written")
    return start


def _damaged(what: str) -> RtgfError:
    return RtgfError(
        Code.RTGF_TXP_STORE_DAMAGED,
        f"{what}; remove this node from the cluster and join it anew under a new id",
    )
