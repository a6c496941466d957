"""The one door into an actor: typed requests in, one reply out.

A `Mailbox` belongs to whoever wires the node, not to the actor that reads it, so it outlives a
restart: requests that are still queued are served by the next instance, the ones in hand fail with
`RTGF_ACTOR_CRASHED`.
"""

from __future__ import annotations

import copy
from bisect import bisect_left
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from enum import Enum
from typing import Final, Generic, TypeVar, cast

import msgspec
import outcome
import trio

from rtgf_node.errors import Code, RtgfError

SERVE_SECONDS: Final = (
    *(0.0001, 0.00025, 0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025),
    *(0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0),
)
"""Upper ends of the histogram of serving times: from a look into memory to a build."""

R = TypeVar("R")


class Request(msgspec.Struct, Generic[R], frozen=True):
    """A question whose answer is an `R`. Subclass it once per operation."""


class Outcome(Enum):
    """How a request ended. The value is the label in the metrics."""

    REPLIED = "replied"
    REFUSED = "refused"
    CRASHED = "crashed"
    OVERLOADED = "overloaded"
    ABANDONED = "abandoned"


class MailboxStatistics(msgspec.Struct, frozen=True):
    """What the dashboard and the metrics may know about one mailbox.

    Attributes:
      actor: whose mailbox it is.
      depth: requests that wait.
      capacity: requests that may wait.
      peak: the largest `depth` so far.
      serving: requests taken and not yet answered.
      requests_total: requests ever asked, the refused ones included.
      outcomes: how they ended; each `Outcome` has a count, zero included.
      wait_seconds_total: time the served requests spent in the queue.
      serve_seconds_total: time from being taken to being answered.
      served: how many took how long: up to each of `SERVE_SECONDS`, and last the longer ones.
    """

    actor: str
    depth: int
    capacity: int
    peak: int
    serving: int
    requests_total: int
    outcomes: dict[str, int]
    wait_seconds_total: float
    serve_seconds_total: float
    served: tuple[int, ...]


class Envelope:
    """A request on its way, with the place its reply goes.

    Only the actor that took it out of the mailbox may answer, and only the first answer counts.
    """

    def __init__(
        self,
        request: Request[object],
        deadline: float,
        count: Callable[[Envelope, Outcome], None],
    ) -> None:
        self.request = request
        self.deadline = deadline
        self._count = count
        self._done = trio.Event()
        self._outcome: outcome.Maybe[object] | None = None
        self.asked_at = trio.current_time()
        self.taken_at: float | None = None  # set by the mailbox when the actor takes it
        self._gone = False

    @property
    def settled(self) -> bool:
        """Whether it has its answer."""
        return self._outcome is not None

    def reply(self, value: object) -> None:
        """Answer with a value. An operation without a result answers None."""
        self._settle(outcome.Value(value), Outcome.REPLIED)

    def fail(self, error: RtgfError) -> None:
        """Answer with an error, which `Mailbox.ask` raises."""
        # A copy, because one error may answer many askers, and raising writes into the exception.
        crashed = error.code is Code.RTGF_ACTOR_CRASHED
        ended = Outcome.CRASHED if crashed else Outcome.REFUSED
        self._settle(outcome.Error(copy.copy(error)), ended)

    def _settle(self, result: outcome.Maybe[object], ended: Outcome) -> None:
        if self._outcome is None:
            self._outcome = result
            self._done.set()
            self._count(self, ended)

    def is_wanted(self) -> bool:
        """Return whether somebody still waits: past its deadline the asker has gone."""
        return not self._gone and trio.current_time() < self.deadline

    async def wait_answer(self) -> object:
        """Wait for the answer; raise it if it is an error. For `Mailbox.ask` alone."""
        try:
            await self._done.wait()
        finally:
            self._gone = True
        assert self._outcome is not None
        return self._outcome.unwrap()


class Mailbox:
    """A bounded queue of requests for one actor.

    The actor reads it with `async for envelope in mailbox`; one that batches adds what else waits
    with `take_nowait`. It is never closed: it lives as long as the node.
    """

    def __init__(self, actor: str, *, capacity: int) -> None:
        self.actor = actor
        self.capacity = capacity
        self._send, self._receive = trio.open_memory_channel[Envelope](capacity)
        self._depth = 0
        self._peak = 0
        self._asked = 0
        self._serving = 0
        self._wait_seconds = 0.0
        self._serve_seconds = 0.0
        self._served = [0] * (len(SERVE_SECONDS) + 1)
        self._outcomes = dict.fromkeys(Outcome, 0)

    async def ask(self, request: Request[R]) -> R:
        """Send `request` and wait for its reply.

        The asker's deadline travels with the request: one that is still queued when its asker has
        gone is skipped. Cancelling the asker does not undo a request that the actor has in hand.

        Raises:
          RtgfError: RTGF_OVERLOADED if the mailbox is full, and nothing was started;
            RTGF_ACTOR_CRASHED if the actor died before it replied, and it is unknown how far it
            came; else whatever the actor answered with.
        """
        deadline = trio.current_effective_deadline()
        envelope = Envelope(cast("Request[object]", request), deadline, self._count)
        self._asked += 1
        try:
            self._send.send_nowait(envelope)
        except trio.WouldBlock:
            self._outcomes[Outcome.OVERLOADED] += 1
            raise RtgfError(
                Code.RTGF_OVERLOADED,
                f"the {self.actor} actor already has {self.capacity} requests waiting; "
                "try again in a moment",
            ) from None
        self._depth += 1
        self._peak = max(self._peak, self._depth)
        return cast("R", await envelope.wait_answer())

    @contextmanager
    def answering(self, *envelopes: Envelope) -> Iterator[None]:
        """Settle `envelopes` however the block ends.

        An `RtgfError` is an answer: it goes to every asker not yet answered, and the actor lives
        on. Anything else is a bug or a cancellation: those askers hear `RTGF_ACTOR_CRASHED`, and
        the exception goes up to the supervisor. So does a block that ends without an answer.

        Raises:
          RuntimeError: the block ended and left an asker without an answer.
        """
        try:
            yield
            if not all(envelope.settled for envelope in envelopes):
                raise RuntimeError(f"the {self.actor} actor left a request without an answer")
        except RtgfError as answer:
            for envelope in envelopes:
                envelope.fail(answer)
        except BaseException:
            stopped = RtgfError(
                Code.RTGF_ACTOR_CRASHED, f"the {self.actor} actor stopped before it had answered"
            )
            for envelope in envelopes:
                envelope.fail(stopped)
            raise

    def __aiter__(self) -> Mailbox:
        return self

    # Not an async generator: one that is left behind by a crash is only closed by the garbage
    # collector, which trio reports as a ResourceWarning.
    async def __anext__(self) -> Envelope:
        return await self.receive()

    async def receive(self) -> Envelope:
        """Wait for the next request. Cancelled, it has taken none."""
        while True:
            envelope = await self._receive.receive()
            if self._take(envelope):
                return envelope

    def take_nowait(self, limit: int) -> list[Envelope]:
        """Return up to `limit` requests that wait now, oldest first; maybe none."""
        taken: list[Envelope] = []
        while len(taken) < limit:
            try:
                envelope = self._receive.receive_nowait()
            except trio.WouldBlock:
                break
            if self._take(envelope):
                taken.append(envelope)
        return taken

    def statistics(self) -> MailboxStatistics:
        """Return depth, peak and what became of the requests so far."""
        return MailboxStatistics(
            actor=self.actor,
            depth=self._depth,
            capacity=self.capacity,
            peak=self._peak,
            serving=self._serving,
            requests_total=self._asked,
            outcomes={ended.value: count for ended, count in self._outcomes.items()},
            wait_seconds_total=self._wait_seconds,
            serve_seconds_total=self._serve_seconds,
            served=tuple(self._served),
        )

    def _take(self, envelope: Envelope) -> bool:
        self._depth -= 1
        if not envelope.is_wanted():
            self._outcomes[Outcome.ABANDONED] += 1
            return False
        now = trio.current_time()
        envelope.taken_at = now
        self._wait_seconds += now - envelope.asked_at
        self._serving += 1
        return True

    def _count(self, envelope: Envelope, ended: Outcome) -> None:
        self._outcomes[ended] += 1
        taken_at = envelope.taken_at
        if taken_at is not None:
            self._serving -= 1
            seconds = trio.current_time() - taken_at
            self._serve_seconds += seconds
            self._served[bisect_left(SERVE_SECONDS, seconds)] += 1
