"""Verifying without asking: verifiers that learn from a node now and then and answer alone."""

from __future__ import annotations

import threading
from types import TracebackType
from typing import Final, Self, Unpack

import anyio

from rtgf_node.client.async_node import AsyncNode
from rtgf_node.client.memory import REFRESH_SECONDS, Memory, Options
from rtgf_node.client.node import Node
from rtgf_node.core import base64url
from rtgf_node.errors import RtgfError
from rtgf_node.wire import VerifyAnswer, VerifyRequest

JOIN_SECONDS: Final = 10.0
"""A round that is under way at the end may take so long to notice it."""


class Verifying:
    """What both verifiers have; see `Verifier`."""

    def __init__(
        self,
        *,
        root_key: str,
        refresh_seconds: float = REFRESH_SECONDS,
        **options: Unpack[Options],
    ) -> None:
        self._refresh_seconds = refresh_seconds
        self._memory = Memory(root_public=base64url.decode(root_key), **options)
        self.answer = self._memory.answer

    @property
    def fresh(self) -> bool:
        """Whether what is known is young enough; if not, nothing is valid."""
        return self._memory.fresh

    @property
    def failure(self) -> RtgfError | None:
        """Why the last round of learning failed; None if it did not."""
        return self._memory.failure

    def verify(self, request: VerifyRequest) -> VerifyAnswer:
        """Return the verdict on a question; `answer` does so with bytes, and is faster.

        Raises:
          RtgfError: as `Node.verify` does; RTGF_VERIFY_UNAVAILABLE where only a node can tell.
        """
        return self._memory.verify(request)


class Verifier(Verifying):
    """Verifies in this process, and learns what is new in a thread.

    As a context manager it has learned once before it is entered, and goes on until it is left.
    Without it, call `refresh`. What it knows is all or nothing of a round; when none succeeded for
    `max_staleness_seconds`, every verdict is RTGF_TOKEN_REVOCATION_STALE.

    Args:
      node: whom to learn from; it is not closed.
      root_key: the node's root key, base64url, got by another way than this node.
      refresh_seconds: between two rounds of learning.
      options: see `Options`.
    """

    def __init__(
        self,
        node: Node,
        *,
        root_key: str,
        refresh_seconds: float = REFRESH_SECONDS,
        **options: Unpack[Options],
    ) -> None:
        super().__init__(root_key=root_key, refresh_seconds=refresh_seconds, **options)
        self._node = node
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._keep_fresh, name="rtgf-verifier", daemon=True)

    def __enter__(self) -> Self:
        """Learn, and go on learning."""
        self.refresh()
        self._thread.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Learn no more."""
        self._ended.set()
        self._thread.join(JOIN_SECONDS)

    def refresh(self) -> None:
        """Learn what is new, now.

        Raises:
          RtgfError: it could not be had, or is not as it must be; what was known stays.
        """
        steps = self._memory.learning()
        try:
            question = next(steps)
            while True:
                question = steps.send(self._node.ask(question))
        except StopIteration as done:
            self._memory.take(done.value)
        except RtgfError as error:
            self._memory.failure = error
            raise

    def _keep_fresh(self) -> None:
        while not self._ended.wait(self._refresh_seconds):
            try:
                self.refresh()
            except RtgfError:
                continue  # it stands in `failure`, and what is known grows old


class AsyncVerifier(Verifying):
    """Verifies in this process, and learns what is new in a task of the caller's.

    `await refresh()` once, then start `keep_fresh` in a nursery or task group; verdicts themselves
    wait for nothing. Arguments and promises are those of `Verifier`.
    """

    def __init__(
        self,
        node: AsyncNode,
        *,
        root_key: str,
        refresh_seconds: float = REFRESH_SECONDS,
        **options: Unpack[Options],
    ) -> None:
        super().__init__(root_key=root_key, refresh_seconds=refresh_seconds, **options)
        self._node = node

    async def refresh(self) -> None:
        """Learn what is new, now; see `Verifier.refresh`. Cancelled, nothing is taken in."""
        steps = self._memory.learning()
        try:
            question = next(steps)
            while True:
                question = steps.send(await self._node.ask(question))
        except StopIteration as done:
            self._memory.take(done.value)
        except RtgfError as error:
            self._memory.failure = error
            raise

    async def keep_fresh(self) -> None:
        """Learn again and again, until cancelled."""
        while True:
            await anyio.sleep(self._refresh_seconds)
            try:
                await self.refresh()
            except RtgfError:
                continue  # it stands in `failure`, and what is known grows old
