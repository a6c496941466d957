"""Run seeds by hand: `python -m tests.simulation SEED` shows everything that happens under one."""

from __future__ import annotations

import argparse
import sys
import time
from collections import Counter

from tests.simulation.running import simulate
from tests.simulation.trace import BrokenPromiseError


def main() -> int:
    """Run one seed with a trace, or many without; return 1 if a promise was broken."""
    parser = argparse.ArgumentParser(prog="python -m tests.simulation", description=__doc__)
    parser.add_argument("seed", type=int)
    parser.add_argument("--count", type=int, default=1, help="so many seeds, without a trace")
    given = parser.parse_args()
    faults: Counter[str] = Counter()
    seen: Counter[str] = Counter()
    broken = 0
    begun = time.process_time()

    def say(text: str) -> None:
        sys.stdout.write(f"{text}\n")

    for seed in range(given.seed, given.seed + given.count):
        try:
            result = simulate(seed, show=say if given.count == 1 else None)
        except BrokenPromiseError as violation:
            broken += 1
            say(str(violation) if given.count == 1 else str(violation).splitlines()[0])
            continue
        faults += result.faults
        seen += result.seen
    say(f"{given.count} seeds, {broken} broken, {time.process_time() - begun:.1f} s of work")
    say(f"{sum(faults.values())} faults: {dict(sorted(faults.items()))}")
    say(f"seen: {dict(sorted(seen.items()))}")
    return int(broken > 0)


sys.exit(main())
