"""The worker's side of the news: what it follows, whom it asks, where its decisions go.

It answers only while it is sure: every frame of the node is heard in order, and the newest beat is
younger than `workers.max_lag_seconds`. The node waits that long for each of its workers to hear
what it has committed, before it tells whoever asked for it. So no worker answers from a state that
is older than what anybody was told: it has heard the news, or its newest beat is too old.
"""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Awaitable, Sequence
from typing import Final

import trio

from rtgf_node.api.exchange import Answered, Asked, Route
from rtgf_node.core.decision import Draft
from rtgf_node.errors import Code, RtgfError
from rtgf_node.replication.commands import Applied, Proposal
from rtgf_node.replication.replicator import Feed, Role
from rtgf_node.settings import DecisionsConfig
from rtgf_node.workers import frames
from rtgf_node.workers.frames import Channel, framed

MAX_WAITING: Final = 8192
"""Decisions that may wait for the node in the mode `durable`."""

MAX_REQUESTS: Final = 256
"""Requests that may wait for the node's answer."""


class Following:
    """The replicator of a worker: it hears, and proposes nothing.

    Attributes:
      feed: what the node applied, in order.
      recording: whether the node can record decisions.
      is_behind: whether the store has more than was looked at; for whoever looks to unset.
    """

    def __init__(self, max_lag_seconds: float, number: int) -> None:
        """Begin after the news of this number."""
        self._max_lag = max_lag_seconds
        self._beat = frames.Beat(float("-inf"), 0.0, may_answer=False, recording=False)
        self._number = number
        self.feed = Feed()
        self.is_behind = False

    def hear(self, news: frames.News) -> None:
        """Let the subscribers know what was applied.

        Raises:
          RuntimeError: something was missed.
        """
        if news.number != self._number + 1:
            raise RuntimeError(f"news {news.number} came after news {self._number}")
        self._number = news.number
        self.is_behind = True
        self.feed.publish([Applied(news.index, news.command, news.outcome)])

    def feel(self, beat: frames.Beat) -> None:
        """Take note of how the node is."""
        self._beat = beat

    @property
    def heard(self) -> int:
        """The number of the newest news."""
        return self._number

    @property
    def is_lagging(self) -> bool:
        """Whether the node may have told somebody what has not been heard here."""
        return time.monotonic() - self._beat.at >= self._max_lag

    @property
    def may_answer(self) -> bool:
        """Whether the node's log contradicts nobody."""
        return self._beat.may_answer

    @property
    def recording(self) -> bool:
        """Whether the node can record decisions."""
        return self._beat.recording

    @property
    def alone(self) -> bool:
        """False: the node it belongs to is there as well."""
        return False

    @property
    def leader(self) -> bool:
        """False: nothing is signed here."""
        return False

    @property
    def role(self) -> Role:
        """A learner."""
        return "learner"

    def staleness_seconds(self) -> float:
        """Return for how long this process may have missed what was committed."""
        return self._beat.staleness_seconds + max(0.0, time.monotonic() - self._beat.at)

    async def read_barrier(self) -> None:
        """Refuse: such a question is handed to the node itself.

        Raises:
          RtgfError: RTGF_UNAVAILABLE.
        """
        raise RtgfError(Code.RTGF_UNAVAILABLE, "a worker knows no more than it was told")

    async def propose(self, proposals: Sequence[Proposal]) -> list[Applied]:
        """Refuse: a worker changes nothing.

        Raises:
          RtgfError: RTGF_UNAVAILABLE.
        """
        raise RtgfError(Code.RTGF_UNAVAILABLE, f"a worker takes no commands ({len(proposals)})")


class _Batch:
    """Decisions that were sent together, or are about to be."""

    def __init__(self) -> None:
        self.drafts: list[Draft] = []
        self.is_kept: bool | None = None
        self.done = trio.Event()


class Decisions:
    """The decision log as a worker has it: the node keeps the one chain.

    What is kept here is on its way to the node at the next turn of the scheduler. In the mode
    `durable` an answer is given when the node says that its entry is on disk; in the mode `batched`
    at most `decisions.batch_max` entries are on their way.
    """

    def __init__(self, config: DecisionsConfig, channel: Channel, following: Following) -> None:
        self._config = config
        self._channel = channel
        self._following = following
        self._gathering = _Batch()
        self._sent: deque[_Batch] = deque()
        self._count = 0
        self._woken = trio.Event()
        self._told = trio.Event()

    def keep(self, draft: Draft) -> Awaitable[None] | None:
        """Keep a decision; return what to await before the answer is given, if there is anything.

        Raises:
          RtgfError: RTGF_VERIFY_UNAVAILABLE if it cannot be kept: do not give the answer then.
        """
        mode = self._config.mode
        if mode == "off":
            return None
        if not self._following.recording:
            raise _refused()
        if mode == "durable":
            if self._count >= MAX_WAITING:
                raise _refused()
            return self._kept(self._add(draft))
        if self._count >= self._config.batch_max:
            return self._when_there_is_room(draft)
        self._add(draft)
        return None

    def kept(self, told: frames.Kept) -> None:
        """Hear that the oldest are kept, or are not."""
        for _ in range(told.frames):
            batch = self._sent.popleft()
            self._count -= len(batch.drafts)
            batch.is_kept = told.ok
            batch.done.set()
        self._told.set()
        self._told = trio.Event()

    async def send(self) -> None:
        """Send what is gathered, until cancelled."""
        while True:
            await self._woken.wait()
            self._woken = trio.Event()
            self.flush()

    def flush(self) -> None:
        """Send what is gathered."""
        if self._gathering.drafts:
            batch, self._gathering = self._gathering, _Batch()
            self._sent.append(batch)
            self._channel.put(framed(frames.Decided(batch.drafts)))

    async def drain(self) -> None:
        """Send what is gathered, and wait until all is kept."""
        self.flush()
        while self._sent:
            await self._told.wait()

    def _add(self, draft: Draft) -> _Batch:
        self._gathering.drafts.append(draft)
        self._count += 1
        self._woken.set()
        return self._gathering

    async def _kept(self, batch: _Batch) -> None:
        await batch.done.wait()
        if not batch.is_kept:
            raise _refused()

    async def _when_there_is_room(self, draft: Draft) -> None:
        while self._count >= self._config.batch_max:
            await self._told.wait()
            if not self._following.recording:
                raise _refused()
        self._add(draft)


class Questions:
    """Requests whose answer only the node has: it signs, or remembers for all workers."""

    def __init__(self, channel: Channel) -> None:
        self._channel = channel
        self._number = 0
        self._waiting: dict[int, tuple[trio.Event, list[Answered]]] = {}

    def asked(self, method: str, rule: str, *, is_kept: bool) -> Route:
        """Return a route that the node answers; the answer is kept ready as if it were ours."""

        def answer(asked: Asked, *parts: str) -> Awaitable[Answered]:
            if asked.fault is not None:
                raise asked.fault
            return self._ask(method, rule, parts, asked)

        return Route(method, rule, answer, is_kept)

    def asked_at_times(self, route: Route) -> Route:
        """Return a route that is answered here, but for what only the node can do.

        It remembers the answers to requests that may come again, and signs receipts.
        """
        there = self.asked(route.method, route.rule, is_kept=route.is_kept).answer

        def answer(asked: Asked, *parts: str) -> Answered | Awaitable[Answered]:
            if "idempotency-key" in asked.headers or "receipt" in asked.query:
                return there(asked, *parts)
            return route.answer(asked, *parts)

        return route._replace(answer=answer)

    def answered(self, reply: frames.Reply) -> None:
        """Hear the answer to a request; whoever asked may have gone."""
        waiting = self._waiting.pop(reply.number, None)
        if waiting is not None:
            done, answers = waiting
            answers.append(reply.answered)
            done.set()

    async def _ask(self, method: str, rule: str, parts: tuple[str, ...], asked: Asked) -> Answered:
        if len(self._waiting) >= MAX_REQUESTS:
            raise RtgfError(
                Code.RTGF_OVERLOADED, f"{MAX_REQUESTS} requests wait for the node; try again"
            )
        self._number += 1
        number, done, answers = self._number, trio.Event(), list[Answered]()
        self._waiting[number] = (done, answers)
        request = frames.Request(number, method, rule, parts, asked)
        self._channel.put(framed(request))
        try:
            await done.wait()
        finally:
            self._waiting.pop(number, None)
        return answers[0]


def _refused() -> RtgfError:
    return RtgfError(
        Code.RTGF_VERIFY_UNAVAILABLE,
        "the decision cannot be recorded, so it is not given; the operator finds the reason at "
        "/readyz",
    )
