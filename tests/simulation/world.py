"""One simulation from its seed to its end: harm, then healing, then everything is compared."""

from __future__ import annotations

import random
import shutil
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import trio

from rtgf_node.errors import RtgfError
from rtgf_node.replication.raftcore.wire import ConfState
from rtgf_node.store import open_store
from rtgf_node.store.raft_store import Member, MemberRole, RaftStore
from rtgf_node.store.snapshot_file import REPLICATED
from tests.replication import samples
from tests.simulation.clients import Client
from tests.simulation.faults import Faults, Operator
from tests.simulation.linearizability import (
    EMPTY_LOG,
    UNKNOWN,
    Operation,
    append_only,
    is_linearizable,
)
from tests.simulation.member import SimulatedMember
from tests.simulation.network import Network
from tests.simulation.promises import Number, Promises
from tests.simulation.scenario import FAIR, scenario
from tests.simulation.trace import Trace

PATIENCE_SECONDS = 60.0
"""After healing: whatever is not well by then is not going to be."""
MAX_EVENTS = 400_000
"""More than any seed brings about: a cluster that never rests is ended."""


class World:
    """Everything of one seed.

    Attributes:
      members: by Raft id, everyone whose process may still run.
      healing: set when no harm is done any more.
      asked: the numbers of all commands that a client ever proposed.
      history: what clients asked and were answered.
      roles: what the operator made of members.
    """

    def __init__(self, seed: int, *, folder: Path, empty_store: Path, trace: Trace) -> None:
        """Begin; `empty_store` is a folder with a store that every member begins with."""
        self.folder = folder
        self.trace = trace
        self.scenario = scenario(seed)
        self._empty_store = empty_store
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
        self._make(raft_id, lambda raft: raft.found(raft_id, [], cluster_id="c"))
        self._start(raft_id)

    def _found(self, voters: tuple[int, ...]) -> None:
        conf_state = ConfState(voters).encode()
        members = [self.member(one) for one in voters]
        for raft_id in voters:
            self._make(
                raft_id,
                lambda raft, raft_id=raft_id: raft.found(
                    raft_id, members, cluster_id="c", conf_state=conf_state, index=1, term=1
                ),
            )

    def _make(self, raft_id: int, begin: Callable[[RaftStore], None]) -> None:
        folder = self.folder / f"node-{raft_id}"
        shutil.copytree(self._empty_store, folder)
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
        self.network.voted = lambda raft_id: self.members[raft_id].pass_by("vote")
        with self.trace.stop:
            async with trio.open_nursery() as nursery:
                self._nursery = nursery
                nursery.start_soon(self.network.run)
                nursery.start_soon(self._watch)
                await self._live(nursery)
                nursery.cancel_scope.cancel()

    async def _live(self, nursery: trio.Nursery) -> None:
        tasks = trio.lowlevel.current_statistics().tasks_living
        clients = [Client(self, f"client-{one}") for one in range(self.scenario.clients)]
        asking, operated = trio.Event(), trio.Event()

        async def ask() -> None:
            async with trio.open_nursery() as own:
                for client in clients:
                    own.start_soon(client.run)
            asking.set()

        async def operate() -> None:
            await Operator(self).run()
            operated.set()

        self._found(tuple(range(1, self.scenario.voters + 1)))
        for raft_id in self.members:
            self._start(raft_id)
        nursery.start_soon(ask)
        nursery.start_soon(operate)
        with trio.move_on_after(self.scenario.seconds):
            await Faults(self).run()
        self._heal()
        with trio.move_on_after(PATIENCE_SECONDS) as patience:
            await asking.wait()
            await operated.wait()
            await self._settle(clients)
            stayed = await self._stop()
            # What has ended is gone by then.
            await trio.sleep(1.0)
        if patience.cancelled_caught:
            self.trace.violation("all was healed, and it did not become well")
            return
        left = trio.lowlevel.current_statistics().tasks_living - tasks
        if left:
            self.trace.violation(f"{left} tasks are left")
        self._compare(stayed)

    def _heal(self) -> None:
        self.trace.note("heal")
        self.network.weather = FAIR
        self.network.cut.clear()
        for member in self.members.values():
            member.kill_at, member.disk_fails, member.stalls_until = None, False, 0.0
        self.healing.set()

    async def _settle(self, clients: list[Client]) -> None:
        """Wait until all members have all; one more command goes through each of them."""
        await self._agree()
        for member in self._present():
            await clients[0].ask([samples.append(f"last {member.raft_id}")], until_answered=True)
            await self._read(member)
        await self._agree()
        for member in self._present():
            self.promises.look(member)
            self.promises.fresh(member)

    async def _read(self, member: SimulatedMember) -> None:
        """Pass the barrier of a member, which may still be taking another one's state."""
        while True:
            try:
                await member.replicator.read_barrier()
            except RtgfError:
                await trio.sleep(0.1)
            else:
                self.promises.read(member, self.promises.answered_size)
                return

    def _present(self) -> list[SimulatedMember]:
        return [one for one in self.members.values() if one.wanted]

    async def _agree(self) -> None:
        while not self._agreed():  # noqa: ASYNC110  nothing tells when
            await trio.sleep(0.1)

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

    async def _stop(self) -> list[SimulatedMember]:
        present = self._present()
        self.trace.note("stop")
        for member in present:
            await member.stop()
        for member in self.members.values():
            await member.gone.wait()
        return present

    async def _watch(self) -> None:
        while self.trace.count < MAX_EVENTS:  # noqa: ASYNC110  nothing tells when
            await trio.sleep(0.5)
        self.trace.violation("it never rests")

    # --- in the end -----------------------------------------------------------------------------

    def _compare(self, stayed: list[SimulatedMember]) -> None:
        """Compare every row that members share, and what clients were told."""
        states = []
        for member in stayed:
            with open_store(member.folder) as store:
                states.append(
                    {
                        table: store.reader.execute(
                            f"SELECT * FROM {table} ORDER BY 1, 2"
                        ).fetchall()
                        for table in REPLICATED
                    }
                )
        for member, rows in zip(stayed, states, strict=True):
            for table in REPLICATED:
                if rows[table] != states[0][table]:
                    self.trace.violation(
                        f"{table} of {member.raft_id} is not that of {stayed[0].raft_id}"
                    )
        self._told(states[0])
        self._explain(states[0]["leaves"])

    def _explain(self, leaves: list[Any]) -> None:
        """Look whether what clients were answered could have come from one log."""
        places = {entry: index for index, _, entry in leaves}
        history: list[Operation] = []
        for one in self.history:
            if one.result is UNKNOWN:
                # The log tells what came of it; without that, many would make the search endless.
                entry, count = one.argument
                if entry not in places:
                    continue
                history.append(one._replace(result=places[entry] - count + 1))
            else:
                history.append(one)
        newest = leaves[-1][2] if leaves else None
        history.append(Operation(self.now(), self.now(), "read", None, (len(leaves), newest)))
        if not is_linearizable(history, append_only, EMPTY_LOG):
            self.trace.violation("the answers to clients are those of no one log")

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
