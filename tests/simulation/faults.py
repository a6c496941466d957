"""What goes wrong, and what an operator does meanwhile."""

from __future__ import annotations

from typing import TYPE_CHECKING

import trio

from rtgf_node.errors import Code, RtgfError
from rtgf_node.store.raft_store import MemberRole
from tests.simulation.member import wipe
from tests.simulation.scenario import STEPS

if TYPE_CHECKING:
    from tests.simulation.world import World


class Faults:
    """Injects one fault after another."""

    def __init__(self, world: World) -> None:
        self.world = world
        self._kinds, self._weights = zip(*world.scenario.faults.items(), strict=True)

    async def run(self) -> None:
        """Do harm until cancelled."""
        chance = self.world.chance
        while True:
            await trio.sleep(2 * chance.random() * self.world.scenario.pause)
            [kind] = chance.choices(self._kinds, self._weights)
            await self._inject(kind)

    async def _inject(self, kind: str) -> None:
        world, chance = self.world, self.world.chance
        alive = [one for one in world.members.values() if one.alive]
        if not alive:
            return
        ids = sorted(world.members)
        victim = chance.choice(alive)
        match kind:
            case "kill":
                world.trace.fault(kind, victim.raft_id)
                victim.kill(chance.choice((0.0, 0.3, 1.0)))
            case "kill at step":
                # Counted when it happens.
                victim.kill_at = chance.choice(STEPS)
                victim.down_seconds = chance.choice((0.0, 0.05, 0.6))
            case "kill at vote":
                # An election, in which everybody who votes dies, comes back and may vote again.
                world.trace.fault("election provoked")
                for one in alive:
                    one.kill_at = "vote"
                    if one.replicator.leader:
                        one.kill(1.0)
            case "kill all":
                world.trace.fault(kind)
                for one in alive:
                    one.kill(0.5 * chance.random())
            case "disk error":
                victim.disk_fails = True
            case "disk stalls":
                world.trace.fault(kind, victim.raft_id)
                victim.stalls_until = trio.current_time() + chance.random()
            case "one cut off":
                world.trace.fault(kind, victim.raft_id)
                world.cut_off({victim.raft_id}, set(ids) - {victim.raft_id})
            case "cut in two":
                half = set(chance.sample(ids, len(ids) // 2))
                world.trace.fault(kind, *sorted(half))
                world.cut_off(half, set(ids) - half)
            case "cut one way":
                to = chance.choice(ids)
                world.trace.fault(kind, victim.raft_id, to)
                world.network.cut.add((victim.raft_id, to))
            case "cut healed":
                world.trace.note("healed")
                world.network.cut.clear()
            case "lead handed over":
                leaders = [one for one in alive if one.replicator.leader]
                if not leaders:
                    return
                world.trace.fault(kind, leaders[0].raft_id)
                try:
                    with trio.move_on_after(0.3):
                        await leaders[0].replicator.transfer()
                except RtgfError as error:
                    if error.code not in (Code.RTGF_CONFLICT, Code.RTGF_UNAVAILABLE):
                        world.trace.violation(f"a transfer was refused: {error}")
            case _:
                raise ValueError(kind)


class Operator:
    """Changes members one after the other, as people do: looks, asks, looks again."""

    def __init__(self, world: World) -> None:
        self.world = world

    async def run(self) -> None:
        """Carry the plan out."""
        world, chance = self.world, self.world.chance
        await trio.sleep(0.5 * chance.random())
        old = chance.choice(sorted(world.members))
        new = max(world.members) + 1
        match world.scenario.plan:
            case "add":
                await self._add(new)
            case "demote":
                await self._reach(old, "learner")
                await trio.sleep(0.5 * chance.random())
                await self._reach(old, "voter")
            case "exchange":
                await self._add(new)
                await self._remove(old)
            case "replace":
                await self._lose(old)
                await self._remove(old)
                await self._add(new)
            case "grow":
                await self._add(new)
                await self._add(new + 1)

    async def _add(self, raft_id: int) -> None:
        self.world.join(raft_id)
        await self._reach(raft_id, "learner")
        await trio.sleep(0.5 * self.world.chance.random())
        await self._reach(raft_id, "voter")

    async def _remove(self, raft_id: int) -> None:
        await self._reach(raft_id, "removed")
        self.world.members[raft_id].leave()

    async def _lose(self, raft_id: int) -> None:
        """Lose a disk, and the member with it."""
        member = self.world.members[raft_id]
        self.world.trace.fault("disk lost", raft_id)
        member.leave()
        await member.gone.wait()
        wipe(member.folder)

    async def _reach(self, raft_id: int, role: MemberRole) -> None:
        world = self.world
        while True:
            member = world.somebody()
            try:
                if member is not None:
                    await member.replicator.read_barrier()
                    held = member.replicator.members().get(raft_id)
                    if (held.role if held is not None else "removed") == role:
                        break
                    if role == "voter" and not self._holds_something(raft_id):
                        await trio.sleep(0.1)
                        continue
                    world.roles.pop(raft_id, None)
                    world.trace.note("change", raft_id, role, member.raft_id)
                    await member.replicator.change_members([world.member(raft_id, role)])
                    break
            except RtgfError as error:
                if error.code not in (
                    Code.RTGF_CONFLICT,
                    Code.RTGF_UNAVAILABLE,
                    Code.RTGF_OVERLOADED,
                ):
                    world.trace.violation(f"a change of members was refused: {error}")
            await trio.sleep(0.3 * world.chance.random())
        world.trace.note("changed", raft_id, role)
        world.trace.faults[f"member made {role}"] += 1
        world.roles[raft_id] = role

    def _holds_something(self, raft_id: int) -> bool:
        """Say whether the leader knows that a member took its state; nobody promotes it before."""
        for one in self.world.members.values():
            if one.alive and one.replicator.leader:
                progress = one.replicator.status().core.progress
                return any(peer.node_id == raft_id and peer.match for peer in progress)
        return False
