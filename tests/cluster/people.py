"""What operators do while faults go on."""

from __future__ import annotations

import trio

from tests.cluster.arena import Arena
from tests.cluster.machines import Machine


async def replace_one(arena: Arena) -> Machine:
    """Lose a machine with its disk, and put another one in its place, under a new id."""
    await trio.sleep(2 * arena.chance.random())
    while True:
        free = [one for one in arena.machines.values() if one.serving and not one.held]
        if free:
            break
        await trio.sleep(0.05)
    lost = arena.chance.choice(free)
    lost.held = True
    await lost.kill()
    lost.wipe()
    arena.faults["disk lost, member replaced"] += 1
    await arena.remove(lost)
    machine = arena.build(max(arena.machines) + 1 + lost.raft_id)
    machine.held = True
    await arena.nursery.start(machine.run)
    await arena.add(machine)
    machine.held = False
    return machine
