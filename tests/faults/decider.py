"""A decision log that answers as fast as it can until it is killed; the crash tests run it.

    python decider.py FOLDER SEED MODE BATCH_MAX

It waits for a line on stdin, and then writes one line with the request id for each answer, which is
out of the process before anything follows.
"""

from __future__ import annotations

import os
import sys
from pathlib import Path

import trio

from tests.core.test_decision import draft
from tests.ops.deciding import Deciding, deciding

ASKERS = 8


async def ask(made: Deciding, name: str) -> None:
    number = 0
    while True:
        await made.log.record(draft(number, request_id=f"{name}-{number}"))
        os.write(1, f"{name}-{number}\n".encode())
        number += 1


async def main(folder: Path, seed: str, mode: str, batch_max: int) -> None:
    async with (
        deciding(folder, mode=mode, batch_max=batch_max, flush=0.05, root=0.005) as made,
        trio.open_nursery() as nursery,
    ):
        for asker in range(ASKERS):
            nursery.start_soon(ask, made, f"{seed}.{asker}")


if __name__ == "__main__":
    # Started ahead of its turn, so that a round does not wait for imports.
    sys.stdin.readline()
    trio.run(main, Path(sys.argv[1]), sys.argv[2], sys.argv[3], int(sys.argv[4]))
