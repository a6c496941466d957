"""Clients: they ask any member, lose patience, ask another one for the same, and note answers."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING

import trio

from rtgf_node.errors import Code, RtgfError
from rtgf_node.replication.commands import AppendEvents, Command, Proposal, RecordDataset
from tests.replication import samples
from tests.simulation.linearizability import UNKNOWN, Operation
from tests.simulation.member import SimulatedMember

if TYPE_CHECKING:
    from tests.simulation.world import World

ALLOWED = frozenset({Code.RTGF_UNAVAILABLE, Code.RTGF_OVERLOADED})
"""What a member may answer that cannot do it now."""
PATIENCE_SECONDS = (0.3, 3.0)
GIVES_UP = 0.1
"""Clients that give up after a question that was not answered."""


class Client:
    """One client, which asks one thing after the other."""

    def __init__(self, world: World, name: str) -> None:
        self.world = world
        self.name = name
        self.seq = 0

    async def run(self) -> None:
        """Ask until all is healed."""
        world = self.world
        while not world.healing.is_set():
            await trio.sleep(2 * world.chance.random() * world.scenario.pace)
            chance = world.chance.random()
            if chance < 0.25:
                await self.read()
            elif chance < 0.75:
                await self.ask([self._events(world.chance.randint(1, 2))])
            elif chance < 0.85:
                await self.ask([self._events(1) for _ in range(world.chance.randint(2, 5))])
            else:
                await self.ask([self._dataset()])

    async def read(self) -> None:
        """Read what is newest, with a guarantee; what is not answered is forgotten."""
        world = self.world
        member = world.somebody()
        if member is None:
            return
        call, least = world.now(), world.promises.answered_size
        try:
            await member.replicator.read_barrier()
        except RtgfError as error:
            self._check(error)
            return
        if not member.alive:
            return
        world.promises.read(member, least)
        world.trace.note("read", self.name, member.raft_id, member.store.log.size)
        world.trace.seen["strong read"] += 1
        log = member.store.log
        newest = log.entry(log.size - 1) if log.size else None
        world.history.append(Operation(call, world.now(), "read", None, (log.size, newest)))

    async def ask(self, commands: Sequence[Command], *, until_answered: bool = False) -> None:
        """Have commands applied, by whoever does it; give up at some time."""
        world = self.world
        proposals = []
        for command in commands:
            self.seq += 1
            proposals.append(Proposal(self.name, self.seq, command))
        call = world.now()
        world.asked.update((one.client_id, one.seq) for one in proposals)
        while not await self._try(proposals, call):
            if world.chance.random() < GIVES_UP and not (until_answered or world.healing.is_set()):
                world.trace.note("gives up", self.name, self.seq)
                world.trace.seen["given up"] += 1
                for proposal in proposals:
                    world.history.append(_operation(proposal, call, math.inf))
                return

    async def _try(self, proposals: Sequence[Proposal], call: int) -> bool:
        world = self.world
        member = world.somebody()
        if member is None:
            await trio.sleep(0.2)
            return False
        # Two at once now and then: a client that is not sure that the first one lives.
        others = [member]
        if world.chance.random() < 0.1:
            others.append(world.somebody() or member)
            world.trace.fault("asked twice at once")
        answers: list[SimulatedMember] = []
        patience = world.chance.uniform(*PATIENCE_SECONDS)
        with trio.move_on_after(patience):
            async with trio.open_nursery() as nursery:
                for one in others:
                    nursery.start_soon(self._propose, one, proposals, call, answers)
        if not answers:
            world.trace.seen["asked again"] += 1
            await trio.sleep(0.2 * world.chance.random())
        return bool(answers)

    async def _propose(
        self,
        member: SimulatedMember,
        proposals: Sequence[Proposal],
        call: int,
        answers: list[SimulatedMember],
    ) -> None:
        world = self.world
        world.trace.note("propose", self.name, proposals[0].seq, len(proposals), member.raft_id)
        for proposal in proposals:
            if isinstance(proposal.command, RecordDataset):
                member.store.objects.put(proposal.command.version.encode())
                member.store.objects.put(b"records " + proposal.command.version.encode())
        try:
            applied = await member.replicator.propose(proposals)
        except RtgfError as error:
            self._check(error)
            return
        world.promises.answer(member, proposals, applied)
        world.trace.note("answered", self.name, proposals[0].seq, member.raft_id)
        if answers:
            return
        answers.append(member)
        world.trace.seen["command answered"] += len(proposals)
        for proposal in proposals:
            number = (proposal.client_id, proposal.seq)
            world.history.append(
                _operation(proposal, call, world.now(), world.promises.answered.get(number))
            )

    def _check(self, error: RtgfError) -> None:
        if error.code not in ALLOWED:
            self.world.trace.violation(f"a client was told {error.code}: {error}")

    def _events(self, count: int) -> Command:
        return samples.append(*(self._name() for _ in range(count)))

    def _dataset(self) -> Command:
        return samples.dataset(self._name())

    def _name(self) -> str:
        return f"{self.name}-{self.world.number()}"


def _operation(
    proposal: Proposal, call: float, ret: float, leaves: tuple[int, ...] | None = None
) -> Operation:
    command = proposal.command
    assert isinstance(command, AppendEvents | RecordDataset)
    entries = command.events if isinstance(command, AppendEvents) else (command.event,)
    result = UNKNOWN if leaves is None else leaves[0]
    return Operation(call, ret, "append", (entries[-1], len(entries)), result)
