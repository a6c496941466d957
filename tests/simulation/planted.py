"""Mistakes that the simulation must find: each is put into the program for a while."""

from __future__ import annotations

import contextlib
import sqlite3
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any
from unittest import mock

import trio

from rtgf_node.replication import freshness, raft, rounds
from rtgf_node.replication.commands import Applied, Outcome
from rtgf_node.replication.raft_disk import Boot, RaftDisk
from rtgf_node.replication.raftcore import wire
from rtgf_node.store import snapshot_file
from rtgf_node.store.command_store import CommandStore
from rtgf_node.store.raft_store import RaftStore

Mistake = Callable[[], Any]


@contextmanager
def answers_before_commit() -> Iterator[None]:
    """A leader answers what it has only taken in."""
    propose = raft.RaftReplicator.propose

    async def hasty(self: Any, proposals: Any) -> list[Applied]:
        if not self.leader:
            return await propose(self, proposals)
        self._check_open()
        trio.lowlevel.spawn_system_task(_quietly, propose, self, proposals)
        await trio.sleep(0.03)
        size, applied = self._store.log.size, []
        for proposal in proposals:
            count = len(getattr(proposal.command, "events", (None,)))
            outcome = Outcome(tuple(range(size, size + count)), size + count, 0)
            applied.append(Applied(0, proposal.command, outcome))
            size += count
        return applied

    with mock.patch.object(raft.RaftReplicator, "propose", hasty):
        yield


async def _quietly(propose: Any, *arguments: Any) -> None:
    with contextlib.suppress(Exception):
        await propose(*arguments)


@contextmanager
def applies_before_commit() -> Iterator[None]:
    """A member applies what it has taken in, although it may yet be replaced."""
    turn = rounds.Rounds._round

    async def hasty(self: Any, ready: Any) -> None:
        if ready is not None:
            new = {
                one.index: one
                for one in (*ready.committed, *ready.entries)
                if one.index > self.state.delivered
            }
            ready = ready._replace(committed=tuple(new[index] for index in sorted(new)))
        await turn(self, ready)

    with mock.patch.object(rounds.Rounds, "_round", hasty):
        yield


@contextmanager
def forgets_numbers() -> Iterator[None]:
    """A command that is proposed twice is applied twice."""
    flush = CommandStore.flush

    def lenient(self: Any) -> None:
        for client_id, seq in self._outcomes:
            self._conn.execute(
                "DELETE FROM applied WHERE client_id = ? AND seq = ?", (client_id, seq)
            )
        flush(self)

    with (
        mock.patch.object(CommandStore, "outcome", return_value=None),
        mock.patch.object(CommandStore, "is_new", return_value=True),
        mock.patch.object(CommandStore, "flush", lenient),
    ):
        yield


@contextmanager
def loses_a_row_of_a_state() -> Iterator[None]:
    """A state that is sent lacks what the newest command came to."""
    copy = snapshot_file._copy

    def careless(conn: sqlite3.Connection) -> None:
        copy(conn)
        conn.execute("DELETE FROM main.applied WHERE idx = (SELECT max(idx) FROM main.applied)")

    with mock.patch.object(snapshot_file, "_copy", careless):
        yield


@contextmanager
def reads_without_a_majority() -> Iterator[None]:
    """A reader is let pass with what this member knows by itself."""
    ask = freshness.Reads.ask

    def hasty(self: Any, now: float, read_index: Any) -> None:
        asked: list[bytes] = []
        ask(self, now, asked.append)
        for context in asked:
            self.confirm(context, 0)

    with mock.patch.object(freshness.Reads, "ask", hasty):
        yield


@contextmanager
def promises_before_it_saves() -> Iterator[None]:
    """Votes and answers leave before what they promise is on disk."""

    def all_early(ready: Any) -> tuple[list[Any], list[Any]]:
        return (list(ready.messages) if ready is not None else []), []

    with mock.patch.object(rounds, "_by_promise", all_early):
        yield


@contextmanager
def forgets_its_vote() -> Iterator[None]:
    """Whom a member voted for is not written."""
    put_state = RaftStore.put_state

    def careless(self: Any, state: Any) -> None:
        # A protobuf HardState: term is field 1, vote 2, commit 3.
        fields = {field: value for field, value in wire._fields(state.hard_state) if field != 2}
        kept = b"".join(wire._number(field, value) for field, value in fields.items())
        put_state(self, state._replace(hard_state=kept))

    with mock.patch.object(RaftStore, "put_state", careless):
        yield


@contextmanager
def forgets_what_waits_for_objects() -> Iterator[None]:
    """What was committed and waited for its objects is passed over after a restart."""
    with mock.patch.object(Boot, "unapplied", return_value=()):
        yield


@contextmanager
def applies_something_else() -> Iterator[None]:
    """One member does not apply the same commands as the others."""
    save = RaftDisk.save

    def careless(self: Any, work: Any) -> Any:
        if work.state.raft_id == 2 and len(work.batch.proposals) > 1:
            batch = work.batch
            proposals = tuple(reversed(batch.proposals))
            work = work._replace(batch=type(batch)(batch.index, batch.term, proposals, batch.marks))
        return save(self, work)

    with mock.patch.object(RaftDisk, "save", careless):
        yield


@contextmanager
def leaves_members_unwritten() -> Iterator[None]:
    """Who changed is forgotten with the process."""
    with mock.patch.object(RaftStore, "put_members"):
        yield


@contextmanager
def speaks_for_others() -> Iterator[None]:
    """What was asked of the wrong leader is passed on in the name of who asked."""
    with mock.patch.object(rounds, "ASKED", frozenset()):
        yield


@contextmanager
def leaves_a_task_behind() -> Iterator[None]:
    """Something goes on when a member has ended."""
    aclose = raft.RaftReplicator.aclose

    async def careless(self: Any) -> None:
        trio.lowlevel.spawn_system_task(trio.sleep_forever)
        await aclose(self)

    with mock.patch.object(raft.RaftReplicator, "aclose", careless):
        yield


MISTAKES: dict[str, Mistake] = {
    one.__name__: one
    for one in (
        answers_before_commit,
        applies_before_commit,
        forgets_numbers,
        loses_a_row_of_a_state,
        reads_without_a_majority,
        promises_before_it_saves,
        forgets_its_vote,
        forgets_what_waits_for_objects,
        applies_something_else,
        leaves_members_unwritten,
        leaves_a_task_behind,
        speaks_for_others,
    )
}
