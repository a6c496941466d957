"""A cluster of real processes, clients that write and read all the while, and what must hold.

Clients ask any member, lose patience, and ask another one for the same under the same number, until
they are answered: in the end every command that was asked for was applied once, and nothing else.
"""

from __future__ import annotations

import datetime
import random
from collections import Counter
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import msgspec
import trio

from rtgf_node import cluster_seat
from rtgf_node.errors import Code
from rtgf_node.keys import pki
from rtgf_node.replication.raftcore.wire import ConfState
from rtgf_node.store import create_store
from rtgf_node.store.raft_store import Member, RaftStore
from rtgf_node.wire.cluster import ClusterMember, JoinDocument
from tests.cluster.breaks import Break
from tests.cluster.ledger import Ledger
from tests.cluster.machines import Machine
from tests.cluster.wires import Loopback, Wires

ALLOWED = frozenset({Code.RTGF_UNAVAILABLE.name, Code.RTGF_OVERLOADED.name})
"""What a member may answer that cannot do it now."""
CLUSTER_ID = "a12e"
SETTLE_SECONDS = 300.0
LOOK_SECONDS = 0.25
CLIENTS = 4


class PromiseError(AssertionError):
    """A promise was broken."""


class Arena:
    """The machines of a cluster, who asks them, and what was done to them.

    Attributes:
      machines: by Raft id; those that were lost for good are not among them.
      faults: how many of each kind were injected.
    """

    def __init__(self, folder: Path, nursery: trio.Nursery, wires: Wires, *, seed: int) -> None:
        self.folder = folder
        self.nursery = nursery
        self.wires = wires
        self.chance = random.Random(seed)
        self.machines: dict[int, Machine] = {}
        self.faults: Counter[str] = Counter()
        self.ledger = Ledger()
        self.forgets = False
        self._quiet = trio.Event()
        self._asking = 0
        self._silent = trio.Event()
        self._pki = folder / "pki"
        self._ca = pki.create_ca("Cluster CA", now=_now())
        self._seqs: Counter[str] = Counter()
        pki.write(self._ca, self._pki / "ca.pem", self._pki / "ca.key")

    # --- machines -------------------------------------------------------------------------------

    def build(self, raft_id: int) -> Machine:
        """Make a machine with a certificate and an empty disk."""
        address, prefix = self.wires.place(raft_id)
        folder = self.folder / f"n{raft_id}"
        machine = Machine(raft_id, address, folder, self._pki, prefix=prefix)
        made = pki.issue(
            self._ca,
            machine.name,
            san_uris=[f"urn:rtgf:node:{machine.name}"],
            san_dns=[machine.name],
            now=_now(),
            client=True,
            server=True,
        )
        pki.write(made, self._pki / f"{machine.name}.pem", self._pki / f"{machine.name}.key")
        return machine

    def found(self, machine: Machine, members: list[Member]) -> None:
        """Make it one of the first members; all begin with the same empty log."""
        with create_store(machine.folder) as store, store.conn:
            RaftStore(store.conn).found(
                machine.raft_id,
                members,
                cluster_id=CLUSTER_ID,
                conf_state=ConfState(tuple(one.raft_id for one in members)).encode(),
                index=1,
                term=1,
            )

    async def start(self, machine: Machine, broken: Break | None = None) -> None:
        """Start a member; it may break off or stop early only if it was told to."""
        started = await machine.start(broken, forgets=self.forgets)
        if not started and machine.broken_at is None and machine.ended != -9:
            self.ledger.broken(f"{machine.name} did not start: {machine.ended} {machine.told}")

    def somebody(self) -> Machine | None:
        """Return any machine that is switched on."""
        alive = [one for one in self.machines.values() if one.serving]
        return self.chance.choice(alive) if alive else None

    async def leader(self) -> Machine:
        """Wait until a member leads that a majority follows."""
        with trio.fail_after(SETTLE_SECONDS):
            while True:
                for one in [one for one in self.machines.values() if one.serving]:
                    seen = await one.ask("look", 5.0)
                    if seen is not None and seen.get("role") == "leader":
                        return one
                await trio.sleep(0.05)

    async def follower(self) -> Machine:
        """Return a member that runs and does not lead."""
        leader = await self.leader()
        others = [one for one in self.machines.values() if one.serving and one is not leader]
        return self.chance.choice(others)

    async def answered(self, count: int) -> None:
        """Wait until so many more commands were answered."""
        goal = self.ledger.commands + count
        with trio.fail_after(SETTLE_SECONDS):
            while self.ledger.commands < goal:  # noqa: ASYNC110  nobody tells
                await trio.sleep(0.02)

    async def committed(self, entries: int) -> None:
        """Wait until the log is so many entries longer."""
        goal = (await self.look(await self.leader()))["commit"] + entries
        while (await self.look(await self.leader()))["commit"] < goal:  # noqa: ASYNC110  nobody tells
            await trio.sleep(0.02)

    async def look(self, machine: Machine) -> dict[str, Any]:
        """Return how a member sees itself, once it can."""
        with trio.fail_after(SETTLE_SECONDS):
            while True:
                seen = await machine.ask("look", 5.0)
                if seen is not None and "error" not in seen:
                    return seen
                await trio.sleep(0.02)

    async def until(self, machine: Machine, holds: Callable[[dict[str, Any]], bool]) -> None:
        """Wait until something holds of how a member sees itself."""
        with trio.fail_after(SETTLE_SECONDS):
            while not holds(await self.look(machine)):  # noqa: ASYNC110  nobody tells
                await trio.sleep(0.02)

    async def change(self, do: str, machine: Machine) -> list[ClusterMember]:
        """Have a member made what `do` says, by whoever can; return all as they are then."""
        due = {"add": "learner", "promote": "voter", "remove": "removed"}[do]
        with trio.fail_after(SETTLE_SECONDS):
            while True:
                member = self.somebody()
                seen = await member.ask("look", 5.0) if member is not None else None
                if member is not None and seen is not None and "error" not in seen:
                    members = msgspec.convert(seen["members"], list[ClusterMember])
                    if any(one.name == machine.name and one.role == due for one in members):
                        return members
                    await member.ask(do, 15.0, name=machine.name, address=machine.address)
                await trio.sleep(0.1)

    async def add(self, machine: Machine, *, promote: bool = True) -> None:
        """Give a machine with an empty disk a seat, and start it."""
        members = await self.change("add", machine)
        [raft_id] = [one.raft_id for one in members if one.name == machine.name]
        seat = JoinDocument("fault.example", CLUSTER_ID, raft_id, machine.name, members)
        with create_store(machine.folder) as store:
            cluster_seat.join(store, seat, cluster=seat.cluster)
        machine.raft_id = raft_id
        self.machines[raft_id] = machine
        await self.start(machine)
        if promote:
            await self.change("promote", machine)

    async def remove(self, machine: Machine) -> None:
        """Take a member out for good, and switch its machine off."""
        await self.change("remove", machine)
        del self.machines[machine.raft_id]
        if machine.alive:
            await machine.kill()

    # --- clients --------------------------------------------------------------------------------

    async def client(self, name: str) -> None:
        """Ask one thing after the other; while it is quiet, nothing."""
        while True:
            await trio.sleep(0.04 * self.chance.random())
            if self._quiet.is_set():
                await trio.sleep(0.02)
                continue
            self._asking += 1
            if self.chance.random() < 0.3:
                await self._read()
            else:
                await self._write(name)
            self._asking -= 1
            if not self._asking:
                self._silent.set()

    async def _read(self) -> None:
        member, call = self.somebody(), trio.current_time()
        if member is None:
            return
        answer = await member.ask("read", 2.5)
        if answer is not None and self._answered(answer):
            self.ledger.read(member.name, answer, call, trio.current_time())

    async def _write(self, name: str) -> None:
        self._seqs[name] += 1
        number = (name, self._seqs[name])
        do = "dataset" if self.chance.random() < 0.04 else "append"
        count = 1 if do == "dataset" else self.chance.randint(1, 3)
        leaves = self.ledger.ask(do, *number, count)
        call = trio.current_time()
        while True:
            member = self.somebody()
            answer = None
            if member is not None:
                patience = self.chance.uniform(0.3, 3.0)
                answer = await member.ask(do, patience, client=name, seq=number[1], count=count)
            if answer is not None and self._answered(answer):
                self.ledger.answer(number, leaves, answer, call, trio.current_time())
                return
            await trio.sleep(0.1 * self.chance.random())

    def _answered(self, answer: dict[str, Any]) -> bool:
        if "error" in answer and answer["error"] not in ALLOWED:
            self.ledger.broken(f"a client was told {answer['error']}: {answer['detail']}")
        return "error" not in answer

    async def watch(self) -> None:
        """Look at every member all the time, also at those that are cut off."""
        while True:
            await trio.sleep(LOOK_SECONDS)
            for one in [one for one in self.machines.values() if one.serving]:
                self.nursery.start_soon(self._look, one)

    async def _look(self, machine: Machine) -> None:
        call = trio.current_time()
        seen = await machine.ask("look", 2.0)
        if seen is not None and "error" not in seen:
            self.ledger.look(machine.name, seen, call)

    # --- the end --------------------------------------------------------------------------------

    async def settle(self) -> None:
        """Have all come back and agree, and compare what they hold with what was answered.

        Raises:
          PromiseError: a promise was broken.
        """
        for one in self.machines.values():
            assert one.serving, f"{one.name} does not run: {one.ended} {one.told}"
        self._quiet.set()
        with trio.fail_after(SETTLE_SECONDS):
            while self._asking:
                self._silent = trio.Event()
                await self._silent.wait()
        seen: list[Any] = []
        with trio.move_on_after(SETTLE_SECONDS):
            while True:
                seen = [await one.ask("look", 5.0) for one in self.machines.values()]
                stands = {
                    (one["commit"], one["applied"], one["commands"], one["root"])
                    if one is not None and "error" not in one
                    else None
                    for one in seen
                }
                if len(stands) == 1 and None not in stands:
                    break
                await trio.sleep(0.05)
        for machine, one in zip(self.machines.values(), seen, strict=True):
            if one is None or "error" in one or one["commit"] != one["applied"]:
                self.ledger.broken(f"{machine.name} did not come to rest: {one}")
            else:
                self.ledger.root(machine.name, one)
        if not self.ledger.violations:
            await self._compare(seen[0]["size"], seen[0]["commands"])
        if self.ledger.violations:
            raise PromiseError("; ".join(self.ledger.violations[:10]))
        self._quiet = trio.Event()

    async def _compare(self, size: int, commands: int) -> None:
        entries: list[str] = []
        member = self.somebody()
        assert member is not None
        while self.ledger.settled + len(entries) < size:
            answer = await member.ask("entries", start=self.ledger.settled + len(entries))
            assert answer is not None
            entries += answer["entries"]
        self.ledger.settle(entries, commands)


@asynccontextmanager
async def arena(
    folder: Path,
    *,
    seed: int,
    members: int = 3,
    wires: Wires | None = None,
    clients: int = CLIENTS,
    forgets: bool = False,
    environments: Mapping[int, Mapping[str, str]] | None = None,
    election_ticks: int = 10,
) -> AsyncIterator[Arena]:
    """Run a cluster of so many voters, under load, for the length of the block.

    Args:
      folder: for the data folders and certificates.
      seed: of every choice that is made here; when processes do what is not in it.
      members: how many voters.
      wires: the network; it is closed in the end.
      clients: how many ask.
      forgets: whether disks forget at the end of a process what was not synced.
      environments: of the processes on the machine with this id.
      election_ticks: for so long the leader may be silent.

    Raises:
      PromiseError: a promise was broken.
    """
    network = wires if wires is not None else Loopback()
    try:
        async with trio.open_nursery() as nursery:
            made = Arena(folder, nursery, network, seed=seed)
            made.forgets = forgets
            machines = [made.build(number) for number in range(1, members + 1)]
            voters = [Member(one.raft_id, one.name, one.address, "voter") for one in machines]
            for machine in machines:
                made.found(machine, voters)
                made.machines[machine.raft_id] = machine
                machine.election_ticks = election_ticks
                machine.environment.update((environments or {}).get(machine.raft_id, {}))
                await nursery.start(machine.run)
            async with trio.open_nursery() as starts:
                for machine in machines:
                    starts.start_soon(made.start, machine)
            await made.leader()
            for number in range(clients):
                nursery.start_soon(made.client, f"c{seed}-{number}")
            nursery.start_soon(made.watch)
            yield made
            nursery.cancel_scope.cancel()
    finally:
        network.close()


def _now() -> int:
    return int(datetime.datetime.now(tz=datetime.UTC).timestamp())
