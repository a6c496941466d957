"""One story with a cluster of processes, and the look at what it left."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import trio

from tests.cluster.arena import Arena, arena

PLAY_SECONDS = 600.0
"""After so long something is wrong; on a machine that does nothing else it takes a twentieth."""


def play(
    story: Callable[[Arena], Awaitable[None]], folder: Path, *, seed: int, **given: Any
) -> Arena:
    """Run a cluster under load, let the story happen to it, and look whether promises were kept.

    Raises:
      PromiseError: one was broken.
    """

    async def whole() -> Arena:
        with trio.fail_after(PLAY_SECONDS):
            async with arena(folder, seed=seed, **given) as found:
                await story(found)
                await found.settle()
                return found

    return trio.run(whole)
