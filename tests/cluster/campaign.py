"""Bouts of faults against real clusters, one seed after the other, with a count of what was done.

python -m tests.cluster.campaign --minutes 10
"""

from __future__ import annotations

import argparse
import os
import shutil
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import NamedTuple

import trio

from rtgf_node.replication.raftcore import core
from tests.cluster import people
from tests.cluster.arena import arena
from tests.cluster.harm import NETWORK, POWER, PROCESSES, Harm
from tests.cluster.wires import Namespaces, why_no_namespaces

MEMORY = Path("/dev/shm")


class Bout(NamedTuple):
    """What one cluster goes through.

    Attributes:
      kinds: of faults, by their name in `harm.FAULTS`.
      faults: how many.
      members: how many voters there are.
      network: whether each has a network namespace of its own.
      forgets: whether disks forget at the end of a process what was not synced.
      replace: whether a member is replaced by a new one meanwhile.
    """

    kinds: Sequence[str]
    faults: int
    pause: float
    members: int = 3
    network: bool = False
    forgets: bool = False
    replace: bool = False


BOUTS = {
    "processes": Bout(PROCESSES, 60, 0.3),
    "network": Bout(NETWORK, 40, 0.2, members=5, network=True),
    "power": Bout(POWER, 60, 0.3, forgets=True),
    "people": Bout(("kill leader", "kill follower", "stop", "crash"), 20, 0.8, replace=True),
    "all": Bout((*PROCESSES, *NETWORK), 60, 0.2, network=True),
}


async def fight(
    bout: Bout, seed: int, folder: Path, *, short: bool = False
) -> tuple[Counter[str], Counter[str]]:
    """Carry out a bout, and return the faults that were injected, and what was answered.

    Raises:
      PromiseError: a promise was broken.
    """
    wires = Namespaces() if bout.network else None
    async with arena(
        folder, seed=seed, members=bout.members, wires=wires, forgets=bout.forgets
    ) as found:
        harm = Harm(found, short=short)
        async with trio.open_nursery() as both:
            if bout.replace:
                both.start_soon(people.replace_one, found)
            await harm.inject(bout.kinds, bout.faults, pause=bout.pause)
        await found.settle()
        ledger = found.ledger
        seen = Counter(commands=ledger.commands, reads=ledger.reads, entries=ledger.settled)
        return found.faults, seen


def run(
    names: Sequence[str], seed: int, more: Callable[[float, int], bool]
) -> tuple[Counter[str], int]:
    """Fight bouts of these names, in turn, as long as `more(seconds, faults)` says."""
    faults: Counter[str] = Counter()
    broken, begun = 0, time.monotonic()
    while more(time.monotonic() - begun, faults.total()):
        name = names[seed % len(names)]
        memory = MEMORY if os.access(MEMORY, os.W_OK) else None
        folder = Path(tempfile.mkdtemp(prefix=f"rtgf-{name}-{seed}-", dir=memory))
        bout_begun = time.monotonic()
        try:
            injected, seen = trio.run(lambda: fight(BOUTS[name], seed, folder))  # noqa: B023  run at once
        except BaseException as error:
            if isinstance(error, KeyboardInterrupt):
                raise
            broken += 1
            _tell(f"seed {seed}, {name}: BROKEN, see {folder}: {error!r}")
            sys.excepthook(type(error), error, error.__traceback__)
        else:
            faults += injected
            took = time.monotonic() - bout_begun
            _tell(f"seed {seed}, {name}: {injected.total()} faults in {took:.0f} s, {dict(seen)}")
            shutil.rmtree(folder)
        seed += 1
    return faults, broken


def _tell(line: str) -> None:
    sys.stdout.write(f"{line}\n")
    sys.stdout.flush()


def main() -> int:
    """Run a campaign; return 1 if a promise was broken."""
    parser = argparse.ArgumentParser(prog="scripts/fault-campaign", description=__doc__)
    parser.add_argument("--minutes", type=float, help="so long")
    parser.add_argument("--faults", type=int, help="so many, at least")
    parser.add_argument("--seed", type=int, default=1, help="of the first bout")
    parser.add_argument("--bout", choices=tuple(BOUTS), action="append", help="only such")
    given = parser.parse_args()
    if not core.available():
        _tell("the Raft core is not built; run scripts/build-raftcore")
        return 2
    names = given.bout or list(BOUTS)
    if (why := why_no_namespaces()) is not None:
        names = [name for name in names if not BOUTS[name].network]
        _tell(f"without the network: {why}")
    minutes = given.minutes or (10.0 if given.faults is None else float("inf"))
    goal = given.faults or float("inf")
    faults, broken = run(
        names, given.seed, lambda seconds, count: seconds < 60 * minutes and count < goal
    )
    for kind, count in sorted(faults.items()):
        _tell(f"{count:7}  {kind}")
    _tell(f"{faults.total():7}  faults in all; {broken} bouts broke a promise")
    return int(broken > 0)


if __name__ == "__main__":
    sys.exit(main())
