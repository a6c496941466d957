"""One simulation from its seed to its end: harm, then healing, then everything is compared."""

from __future__ import annotations

import math
import random
import shutil
import tempfile
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import cache
from pathlib import Path
from typing import Any, NamedTuple

import structlog
import trio
import trio.testing

from rtgf_node.errors import RtgfError
from rtgf_node.replication.raftcore import core
from rtgf_node.replication.raftcore.wire import ConfState
from rtgf_node.store import create_store, open_store
from rtgf_node.store.raft_store import Member, MemberRole, RaftStore
from rtgf_node.store.snapshot_file import REPLICATED
from tests.replication import samples
from tests.simulation import fast_schema
from tests.simulation.clients import Client
from tests.simulation.faults import Faults, Operator
from tests.simulation.linearizability import EMPTY_LOG, Operation, append_only, is_linearizable
from tests.simulation.member import SimulatedMember
from tests.simulation.network import Network
from tests.simulation.promises import Number, Promises
from tests.simulation.scenario import FAIR, Scenario, scenario
from tests.simulation.trace import Trace, Violation

PATIENCE_SECONDS = 60.0
"""After healing: whatever is not well by then is not going to be."""
MAX_EVENTS = 400_000
"""More than any seed brings about: a cluster that never rests is ended."""


class Result(NamedTuple):
    """What a seed came to.

    Attributes:
      digest: of everything that happened, in order.
      faults: how many of every kind.
      seen: what else happened, how often.
      seconds: simulated ones.
    """

    digest: str
    faults: Counter[str]
    seen: Counter[str]
    seconds: float


class World:
    """Everything of one seed.

    Attributes:
      members: by Raft id, everyone whose process may still run.
      healing: set when no harm is done any more.
      asked: the numbers of all commands that a client ever proposed.
      history: what clients asked and were answered.
      roles: what the operator made of members.
    """

    def __init__(self, seed: int, folder: Path, trace: Trace, what: Scenario | None = None) -> None:
        self.seed = seed
        self.folder = folder
        self.trace = trace
        self.scenario = what if what is not None else scenario(seed)
        self.chance = random.Random(seed)
        self.promises = Promises(trace)
        self.members: dict[int, SimulatedMember] = {}
        self.healing = trio.Event()
        self.asked: set[Number] = set()
        self.history: list[Operation] = []
        self.roles: dict[int, MemberRole] = {}
        self._numbers = 0
        self._nursery: trio.Nursery
        self.network: Network

    def number(self) -> int:
        """Return a number that was never given."""
        self._numbers += 1
        return self._numbers

    def now(self) -> int:
        """Return a time that never stands still, unlike the clock."""
        return self.trace.count * 1_000_000 + self.number()

    def somebody(self) -> SimulatedMember | None:
        """Return a member that runs, if one does."""
        alive = [one for one in self.members.values() if one.alive]
        return self.chance.choice(alive) if alive else None

    def member(self, raft_id: int, role: MemberRole = "voter") -> Member:
        """Return how a member is written down."""
        return Member(raft_id, f"node-{raft_id}", f"127.0.0.1:{7000 + raft_id}", role)

    def cut_off(self, one: set[int], other: set[int]) -> None:
        """Cut everyone of one side from everyone of the other."""
        self.network.cut |= {(a, b) for a in one for b in other}
        self.network.cut |= {(b, a) for a in one for b in other}

    def join(self, raft_id: int) -> None:
        """Start a member that has nothing yet."""
        self._make(raft_id, lambda raft: raft.found(raft_id, []))
        self._start(raft_id)

    def _found(self, voters: tuple[int, ...]) -> None:
        conf_state = ConfState(voters).encode()
        members = [self.member(one) for one in voters]
        for raft_id in voters:
            self._make(
                raft_id,
                lambda raft, raft_id=raft_id: raft.found(
                    raft_id, members, conf_state=conf_state, index=1, term=1
                ),
            )

    def _make(self, raft_id: int, begin: Callable[[RaftStore], None]) -> None:
        folder = self.folder / f"node-{raft_id}"
        shutil.copytree(_empty_store(), folder)
        with open_store(folder) as store:
            store.conn.execute("PRAGMA synchronous = OFF")
            with store.conn:
                begin(RaftStore(store.conn))
        self.members[raft_id] = SimulatedMember(self, raft_id, folder)

    def _start(self, raft_id: int) -> None:
        self._nursery.start_soon(self.members[raft_id].live)

    # --- the course of it -----------------------------------------------------------------------

    async def run(self) -> None:
        """Live through it; the trace says whether a promise was broken."""
        self.network = Network(self.chance, self.scenario.weather, self.trace)
        with self.trace.stop:
            async with trio.open_nursery() as nursery:
                self._nursery = nursery
                nursery.start_soon(self.network.run)
                nursery.start_soon(self._watch)
                self._found(tuple(range(1, self.scenario.voters + 1)))
                for raft_id in self.members:
                    self._start(raft_id)
                await self._live(nursery)
                nursery.cancel_scope.cancel()
        if self.trace.broken is None and not is_linearizable(
            self.history, append_only, EMPTY_LOG
        ):
            self.trace.violation("the answers to clients are of no one log")

    async def _live(self, nursery: trio.Nursery) -> None:
        clients = [Client(self, f"client-{one}") for one in range(self.scenario.clients)]
        asking = trio.Event()

        async def ask() -> None:
            async with trio.open_nursery() as own:
                for client in clients:
                    own.start_soon(client.run)
            asking.set()

        nursery.start_soon(ask)
        with trio.move_on_after(self.scenario.seconds):
            async with trio.open_nursery() as own:
                own.start_soon(Faults(self).run)
                own.start_soon(Operator(self).run)
        self._heal()
        with trio.move_on_after(PATIENCE_SECONDS) as patience:
            await asking.wait()
            await self._settle(clients)
            await self._stop()
        if patience.cancelled_caught:
            self.trace.violation("all was healed, and it did not become well")
        else:
            self._compare()

    def _heal(self) -> None:
        self.trace.note("heal")
        self.network.weather = FAIR
        self.network.cut.clear()
        for member in self.members.values():
            member.kill_at, member.disk_fails, member.stalls_until = None, False, 0.0
        self.healing.set()

    async def _settle(self, clients: list[Client]) -> None:
        """Wait until all members have all; one more command goes through each of them."""
        while not self._agreed():
            await trio.sleep(0.1)
        for member in self._present():
            await clients[0].ask([samples.append(f"last {member.raft_id}")], until_answered=True)
            await member.replicator.read_barrier()
            self.promises.read(member, self.promises.answered_size)
        while not self._agreed():
            await trio.sleep(0.1)
        for member in self._present():
            self.promises.look(member)
            self.promises.fresh(member)

    def _present(self) -> list[SimulatedMember]:
        return [one for one in self.members.values() if one.wanted]

    def _agreed(self) -> bool:
        """Say whether all members that are one have applied the same; the others are sent away."""
        leaders = [one for one in self._present() if one.alive and one.replicator.leader]
        if len(leaders) != 1:
            return False
        members = leaders[0].replicator.members()
        for one in self._present():
            if one.raft_id not in members:
                one.leave()
        try:
            stands = {
                (status.applied, status.core.commit, status.core.members.voters_outgoing)
                for status in (one.replicator.status() for one in self._present())
            }
        except RtgfError:
            return False
        [(applied, commit, joint), *different] = stands
        return not different and applied == commit and not joint

    async def _stop(self) -> None:
        present = self._present()
        self.trace.note("stop")
        for member in present:
            await member.stop()
        while any(one.alive for one in self.members.values()):
            await trio.sleep(0.01)

    async def _watch(self) -> None:
        while self.trace.count < MAX_EVENTS:
            await trio.sleep(0.5)
        self.trace.violation("it never rests")

    # --- in the end -----------------------------------------------------------------------------

    def _compare(self) -> None:
        """Compare every row that members share, and what clients were told."""
        present = [
            one
            for one in self.members.values()
            if one.folder.exists() and self.roles.get(one.raft_id) != "removed"
        ]
        states = []
        for member in present:
            with open_store(member.folder) as store:
                if not RaftStore(store.conn).members():
                    continue
                rows = {
                    table: store.reader.execute(f"SELECT * FROM {table} ORDER BY 1, 2").fetchall()
                    for table in REPLICATED
                }
            states.append((member.raft_id, rows))
        first, rows = max(states, key=lambda state: len(state[1]["leaves"]))
        for raft_id, other in states:
            for table in REPLICATED:
                if other[table] != rows[table] and raft_id in self.stayed:
                    self.trace.violation(f"{table} of {raft_id} is not that of {first}")
        self._told(rows)

    def _told(self, rows: dict[str, list[Any]]) -> None:
        applied = Counter((row[1], row[2]) for row in rows["command_log"])
        for number, leaves in self.promises.answered.items():
            if applied[number] != 1:
                self.trace.violation(f"{number} was answered and applied {applied[number]} times")
            if leaves[-1] >= len(rows["leaves"]):
                self.trace.violation(f"{number} was answered and its leaves are not there")
        for number, times in applied.items():
            if times > 1 or number not in self.asked:
                self.trace.violation(f"{number} was applied {times} times")
        roles = {row[0]: row[3] for row in rows["raft_members"]}
        for raft_id, role in self.roles.items():
            if roles.get(raft_id) != role:
                self.trace.violation(f"{raft_id} was made a {role} and is a {roles.get(raft_id)}")
