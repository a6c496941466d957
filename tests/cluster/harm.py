"""What is done to a cluster: one fault after the other, of kinds drawn by a seed.

Faults overlap: the next one comes while members still come back from the one before.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from typing import TypeAlias

import trio

from tests.cluster.arena import Arena
from tests.cluster.breaks import STEPS, WRITES, Break
from tests.cluster.machines import Machine
from tests.cluster.wires import Namespaces, has_netem

Fault: TypeAlias = Callable[["Harm"], Awaitable[None]]
BREAK_SECONDS = 6.0
"""A member that was to break off somewhere and did not come there in time is left alone."""
END_SECONDS = 60.0
"""A member that was told to end, by its disk or by us, and goes on for so long, goes on."""


class Harm:
    """Does harm to an arena, and counts what was really done."""

    def __init__(self, arena: Arena, *, short: bool = False) -> None:
        """Prepare it; `short` lets members stand still for less than a second."""
        self.arena = arena
        self.chance = arena.chance
        self._short = short
        self._under_way = 0
        self._done = trio.Event()

    async def inject(self, kinds: Sequence[str], count: int, *, pause: float) -> None:
        """Inject so many faults, and let the cluster come back from all of them."""
        goal = self.arena.faults.total() + count
        while self.arena.faults.total() < goal:
            await FAULTS[self.chance.choice(kinds)](self)
            await trio.sleep(2 * pause * self.chance.random())
        await self.heal()

    async def heal(self) -> None:
        """Wait until what was done is over, and every machine runs and reaches every other one."""
        if isinstance(self.arena.wires, Namespaces):
            self.arena.wires.heal()
        while self._under_way:
            self._done = trio.Event()
            await self._done.wait()

    # --- processes ------------------------------------------------------------------------------

    async def kill_leader(self) -> None:
        """SIGKILL whoever leads."""
        await self._end(await self._leader(), "kill leader")

    async def kill_follower(self) -> None:
        """SIGKILL one that does not."""
        leader = await self._leader()
        others = [one for one in self._free() if one is not leader]
        await self._end(self.chance.choice(others) if others else None, "kill follower")

    async def kill_all(self) -> None:
        """SIGKILL all at once."""
        for machine in self._free():
            await self._end(machine, "kill all (each)")

    async def cut_power(self) -> None:
        """Forget what one had not synced."""
        await self._end(self._one(), "power cut", power=True)

    async def cut_power_of_all(self) -> None:
        """Forget what all had not synced."""
        for machine in self._free():
            await self._end(machine, "power cut of all (each)", power=True)

    async def stop(self) -> None:
        """Let one stand still and go on, as if no time had passed: SIGSTOP, SIGCONT."""
        machine = await self._leader() if self.chance.random() < 0.5 else self._one()
        if machine is None:
            return
        self.arena.faults["SIGSTOP, SIGCONT"] += 1
        self._start(self._stand_still, machine)

    async def break_off(self) -> None:
        """Let one end amid its work: killed before or after a named step of a round."""
        await self._break(Break(self.chance.choice(STEPS[:4]), self.chance.randint(1, 60)))

    async def break_disk_work(self) -> None:
        """Let one end before or amid a write or sync of its database."""
        how = self.chance.choice(("kill", "torn"))
        await self._break(
            Break(self.chance.choice(WRITES[:2]), self.chance.randint(1, 80), how)  # type: ignore[arg-type]
        )

    async def refuse_disk_work(self) -> None:
        """Let the disk of one say EIO: it must stop, and comes back when it is repaired."""
        await self._break(
            Break(self.chance.choice(WRITES[:2]), self.chance.randint(1, 80), "error")
        )

    async def hand_over(self) -> None:
        """Let another one lead."""
        leader = await self._leader()
        if leader is not None:
            answer = await leader.ask("transfer", 10.0)
            self.arena.faults["lead handed over"] += answer is not None and "error" not in answer

    async def roll(self) -> None:
        """Restart all, one after the other, as for a new version."""
        for raft_id in sorted(self.arena.machines):
            machine = self.arena.machines[raft_id]
            if machine.serving and not machine.held:
                machine.held = True
                self._under_way += 1
                self.arena.faults["rolling restart (each)"] += 1
                await machine.stop()
                await self._back(machine)

    # --- the network ----------------------------------------------------------------------------

    async def isolate_leader(self) -> None:
        """Cut whoever leads off from all."""
        leader = await self._leader()
        if leader is not None:
            await self._separate([leader.raft_id], "leader cut off")

    async def isolate_one(self) -> None:
        """Cut one off, whichever."""
        one = self.chance.choice(sorted(self.arena.machines))
        await self._separate([one], "one cut off")

    async def split(self) -> None:
        """Cut the members in two: a majority and a minority."""
        ids = sorted(self.arena.machines)
        await self._separate(self.chance.sample(ids, (len(ids) - 1) // 2), "majority, minority")

    async def cut_one_way(self) -> None:
        """Let one hear another no more, who hears it."""
        one, other = self.chance.sample(sorted(self.arena.machines), 2)
        self._wires.cut(one, other)
        self.arena.faults["one-way cut"] += 1
        await self._then_heal()

    async def deafen_leader(self) -> None:
        """Let whoever leads speak to all and hear nobody."""
        leader = await self._leader()
        if leader is not None:
            for one in set(self.arena.machines) - {leader.raft_id}:
                self._wires.cut(one, leader.raft_id)
            self.arena.faults["leader deaf"] += 1
            await self._then_heal()

    async def flap(self) -> None:
        """Cut and heal, faster than an election."""
        ids = sorted(self.arena.machines)
        for _ in range(self.chance.randint(3, 6)):
            [one] = self.chance.sample(ids, 1)
            await self._separate([one], "flapping cut", 0.3)

    async def lose(self) -> None:
        """Drop some of what arrives at each."""
        percent = self.chance.randint(2, 25)
        for raft_id in self.arena.machines:
            self._wires.lose(raft_id, percent)
        self.arena.faults["packet loss"] += 1
        await self._then_heal()

    async def narrow(self) -> None:
        """Let what one sends queue up."""
        raft_id = self.chance.choice(sorted(self.arena.machines))
        self._wires.slow(raft_id, self.chance.choice(("64kbit", "200kbit", "1mbit")))
        self.arena.faults["slow link"] += 1
        await self._then_heal()

    async def delay(self) -> None:
        """Delay, lose and reorder packets, where the kernel can."""
        if has_netem():
            self._wires.delay(self.chance.choice(sorted(self.arena.machines)))
            self.arena.faults["delay, loss and reordering"] += 1
            await self._then_heal()

    # --- how ------------------------------------------------------------------------------------

    @property
    def _wires(self) -> Namespaces:
        assert isinstance(self.arena.wires, Namespaces)
        return self.arena.wires

    def _free(self) -> list[Machine]:
        return [one for one in self.arena.machines.values() if one.serving and not one.held]

    def _one(self) -> Machine | None:
        free = self._free()
        return self.chance.choice(free) if free else None

    async def _leader(self) -> Machine | None:
        """Return a member that says that it leads, if one says so soon."""
        for _ in range(20):
            for one in self._free():
                seen = await one.ask("look", 5.0)
                if seen is not None and seen.get("role") == "leader" and one in self._free():
                    return one
            await trio.sleep(0.05)
        return None

    async def _end(self, machine: Machine | None, kind: str, *, power: bool = False) -> None:
        if machine is None:
            return
        machine.held = True
        self.arena.faults[kind] += 1
        self._start(self._end_and_back, machine, power)

    async def _end_and_back(self, machine: Machine, power: bool) -> None:
        await (machine.power_cut() if power and self.arena.forgets else machine.kill())
        await trio.sleep(self.chance.choice((0.0, 0.3, 1.0)) * self.chance.random())
        await self._back(machine)

    async def _stand_still(self, machine: Machine) -> None:
        machine.held = True
        machine.pause()
        await trio.sleep(self.chance.uniform(*((0.3, 1.0) if self._short else (2.0, 10.0))))
        machine.resume()
        machine.held = False
        self._over()

    async def _break(self, told: Break) -> None:
        machine = self._one()
        if machine is not None:
            machine.held = True
            self._start(self._break_and_back, machine, told)

    async def _break_and_back(self, machine: Machine, told: Break) -> None:
        await machine.kill()
        await self.arena.start(machine, told)
        with trio.move_on_after(BREAK_SECONDS):
            await machine.wait_ended()
        if machine.broken_at is not None:
            kind = "EIO" if told.how == "error" else "crash"
            self.arena.faults[f"{kind} at: {told.at}"] += 1
            with trio.move_on_after(END_SECONDS):
                await machine.wait_ended()
            if machine.alive:
                self.arena.ledger.broken(f"{machine.name} goes on after {told}")
        await machine.kill()
        await self._back(machine)

    async def _back(self, machine: Machine) -> None:
        await self.arena.start(machine)
        machine.held = False
        self._over()

    async def _separate(self, some: Sequence[int], kind: str, seconds: float = 3.0) -> None:
        self._wires.separate(some, set(self.arena.machines) - set(some))
        self.arena.faults[kind] += 1
        await self._then_heal(seconds)

    async def _then_heal(self, seconds: float = 3.0) -> None:
        await trio.sleep(seconds * self.chance.random())
        if self.chance.random() < 0.7:
            self._wires.heal()

    def _start(self, work: Callable[..., Awaitable[None]], *given: object) -> None:
        self._under_way += 1
        self.arena.nursery.start_soon(work, *given)

    def _over(self) -> None:
        self._under_way -= 1
        if not self._under_way:
            self._done.set()


FAULTS: dict[str, Fault] = {
    "kill leader": Harm.kill_leader,
    "kill follower": Harm.kill_follower,
    "kill all": Harm.kill_all,
    "power cut": Harm.cut_power,
    "power cut of all": Harm.cut_power_of_all,
    "stop": Harm.stop,
    "crash": Harm.break_off,
    "crash at disk": Harm.break_disk_work,
    "disk error": Harm.refuse_disk_work,
    "hand over": Harm.hand_over,
    "roll": Harm.roll,
    "isolate leader": Harm.isolate_leader,
    "isolate one": Harm.isolate_one,
    "split": Harm.split,
    "one way": Harm.cut_one_way,
    "deaf leader": Harm.deafen_leader,
    "flap": Harm.flap,
    "loss": Harm.lose,
    "slow link": Harm.narrow,
    "delay": Harm.delay,
}
ON_NETWORK = frozenset(list(FAULTS)[list(FAULTS).index("isolate leader") :])
PROCESSES = tuple(kind for kind in FAULTS if kind not in ON_NETWORK and "power" not in kind)
POWER = ("power cut", "power cut of all", "crash", "kill leader")
NETWORK = tuple(kind for kind in FAULTS if kind in ON_NETWORK)
