"""Fuzz some targets within bounds: `python -m tests.fuzz EXAMPLES TARGET...`.

It runs in a process of its own because the bounds end the process. An input that takes more
processor time than `CPU_SECONDS` ends it with a traceback; one that takes more memory than
`MEMORY_BYTES` finds none. The input at work is kept in the file `--keep` names, so that it is known
in either case. Prints the name of each target that has passed, and says of others what broke them.
"""

from __future__ import annotations

import argparse
import faulthandler
import os
import random
import resource
import signal
import sys
import traceback
from pathlib import Path

from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from tests.fuzz.mutation import mutate
from tests.fuzz.targets import TARGETS, Target

CPU_SECONDS = 3.0
"""For one input. The slowest takes a tenth of a second."""

MEMORY_BYTES = 384 << 20
"""Beyond what the process has when it begins: two thousand times the largest input."""


class Bounds:
    """The bounds on one input."""

    def __init__(self, keep: Path) -> None:
        self._file = os.open(keep, os.O_RDWR | os.O_CREAT | os.O_TRUNC)
        faulthandler.register(signal.SIGPROF, all_threads=False, chain=True)
        pages = int(Path("/proc/self/statm").read_text().split()[0])
        limit = pages * resource.getpagesize() + MEMORY_BYTES
        resource.setrlimit(resource.RLIMIT_AS, (limit, limit))

    def run(self, target: Target, data: bytes) -> None:
        """Give the target these bytes; whatever is no refusal is raised."""
        os.ftruncate(self._file, 0)
        os.pwrite(self._file, data, 0)
        signal.setitimer(signal.ITIMER_PROF, CPU_SECONDS)
        try:
            target.run(data)
        except target.refusals:
            pass
        finally:
            signal.setitimer(signal.ITIMER_PROF, 0)


def fuzz(target: Target, examples: int, bounds: Bounds) -> None:
    """Give the target so many damaged documents, the same ones every time."""
    valid = target.seeds()

    @settings(
        max_examples=examples,
        derandomize=True,
        database=None,
        deadline=None,
        phases=(Phase.generate, Phase.shrink),
        suppress_health_check=list(HealthCheck),
    )
    @given(
        data=st.sampled_from(valid),
        other=st.sampled_from(valid),
        chance=st.randoms(use_true_random=False),
    )
    def one(data: bytes, other: bytes, chance: random.Random) -> None:
        bounds.run(target, mutate(data, other, chance))

    one()


def main() -> int:
    parser = argparse.ArgumentParser()
    parser.add_argument("--keep", type=Path, default=Path("fuzz-input"))
    parser.add_argument("examples", type=int)
    parser.add_argument("targets", nargs="*", default=list(TARGETS))
    given_ = parser.parse_args()
    bounds = Bounds(given_.keep)
    failed = False
    for name in given_.targets:
        try:
            fuzz(TARGETS[name], given_.examples, bounds)
        except Exception:  # noqa: BLE001 - whatever it is, it is told, and the others have their turn
            failed = True
            sys.stderr.write(f"the target {name} fails:\n{traceback.format_exc()}")
        else:
            sys.stdout.write(f"{name}\n")
            sys.stdout.flush()
    return int(failed)


if __name__ == "__main__":
    sys.exit(main())
