"""A node in the test's own process, so that a test can replace its clock or its signing keys.

It is asked over TLS like any other. The test's body runs on a thread, as a client would.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar

import trio

from rtgf_node import cluster, config
from rtgf_node.core.clock import Clock
from rtgf_node.core.keys import Signer
from rtgf_node.keys.key_provider import FileKeyProvider, Purpose
from rtgf_node.node import Node
from rtgf_node.process_signals import Signals
from rtgf_node.store import open_store
from rtgf_node.system_clock import SystemClock
from tests.nodes import TestNode

T = TypeVar("T")


class ShiftedClock:
    """The real time, and `ahead` seconds that a test may change."""

    def __init__(self) -> None:
        self.ahead = 0
        self._real = SystemClock()

    def now(self) -> int:
        """Return the time."""
        return self._real.now() + self.ahead


class Keys:
    """The node's keys, with another signer for tokens."""

    def __init__(self, provider: FileKeyProvider, change: Callable[[Signer], Signer]) -> None:
        self._provider, self._change = provider, change

    def __getattr__(self, name: str) -> Any:
        """Everything else is the provider's."""
        return getattr(self._provider, name)

    def signer(self, purpose: Purpose, **wanted: Any) -> Signer:
        """Return the signer of a purpose; that of tokens changed."""
        real = self._provider.signer(purpose, **wanted)
        return self._change(real) if purpose == "token" else real


def serve_inside(
    node: TestNode,
    body: Callable[[], T],
    *,
    clock: Clock | None = None,
    token_signer: Callable[[Signer], Signer] = lambda real: real,
) -> T:
    """Serve the folder's node here, run `body` on a thread, and stop the node when it is done."""

    async def main() -> T:
        settings = config.load(node.toml, environ={})
        provider = Keys(node.key_store(), token_signer)
        with open_store(settings.node.data_dir) as store:
            now = clock or SystemClock()
            async with cluster.place(settings, store, now, check_head=lambda _: None) as place:
                served = Node(settings, now, store, place, provider)  # type: ignore[arg-type]
                async with trio.open_nursery() as nursery:
                    await nursery.start(served.run, Signals())
                    result = await trio.to_thread.run_sync(body)
                    nursery.cancel_scope.cancel()
        return result

    return trio.run(main)
