"""The fetcher actor when the log takes nothing: each source is asked again in its time."""

from __future__ import annotations

from collections import Counter
from types import SimpleNamespace
from typing import Any

import structlog
import trio

from rtgf_node.actors.fetcher import FetcherActor
from rtgf_node.actors.mailbox import Mailbox
from rtgf_node.actors.supervisor import Child, Supervisor
from rtgf_node.errors import Code, RtgfError


async def test_no_source_keeps_the_others_from_their_turn(autojump_clock):
    asked = Counter[str]()

    async def fetch(source: Any, *, actor: str) -> None:
        asked[source.name] += 1
        raise RtgfError(Code.RTGF_UNAVAILABLE, "nobody leads")

    unused: Any = None
    actor = FetcherActor(
        Mailbox("fetcher", capacity=8),
        snapshots=SimpleNamespace(fetch=fetch),  # type: ignore[arg-type]
        datasets=unused,
        waivers=unused,
        terms=unused,
        source_configs=[SimpleNamespace(name=name, schedule_seconds=60) for name in "abc"],  # type: ignore[misc]
        dataset_configs=[],
        leads=lambda: True,
    )
    supervisor = Supervisor([Child("fetcher", actor.run)])
    with structlog.testing.capture_logs():
        async with trio.open_nursery() as nursery:
            await nursery.start(supervisor.run)
            await trio.sleep(150)
            nursery.cancel_scope.cancel()
    assert asked == {"a": 2, "b": 2, "c": 2}
    assert supervisor.statistics()[0].restarts_total == 0
