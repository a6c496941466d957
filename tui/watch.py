"""What is known of one node: its newest overview, its past, and since when it does not answer."""

from __future__ import annotations

from typing import NamedTuple, Protocol, TypeVar

from rtgf_node.client import Question
from rtgf_node.errors import RtgfError
from rtgf_node.wire.overview import OverviewAnswer
from tui.history import History

T = TypeVar("T")


class Asker(Protocol):
    """Who is asked: `rtgf_node.client.AsyncNode`, or what a test puts in its place."""

    @property
    def url(self) -> str:
        """Where it is."""

    async def ask(self, question: Question[T]) -> T:
        """Return the answer to a question, or raise RtgfError."""

    async def aclose(self) -> None:
        """Close the connections."""


class Target(NamedTuple):
    """A node to watch.

    Attributes:
      reader: asks as operator or auditor.
      approver: asks with the second person's certificate, where one is configured.
    """

    reader: Asker
    approver: Asker | None = None


class Watch:
    """One node as it is watched. The newest overview stays when the node is gone."""

    def __init__(self, target: Target) -> None:
        self.target = target
        self.history = History()
        self.seen: OverviewAnswer | None = None
        self.seen_at: int | None = None
        self.lost_at: int | None = None
        self.failure: RtgfError | None = None
        self.asking = False

    @property
    def url(self) -> str:
        """Where the node is."""
        return self.target.reader.url

    @property
    def name(self) -> str:
        """The node's issuer, or its address while that is not known."""
        if self.seen is None:
            return self.url.removeprefix("https://")
        return self.seen.status.issuer.removeprefix("did:web:")

    @property
    def state(self) -> str:
        """`ready`, `degraded`, `not_ready`, `unreachable`, or `unknown` before the first answer."""
        if self.lost_at is not None:
            return "unreachable"
        return self.seen.status.ready.state if self.seen is not None else "unknown"

    def take(self, seen: OverviewAnswer, *, now: int, moment: float) -> None:
        """Take in an answer."""
        self.seen, self.seen_at = seen, now
        self.lost_at = self.failure = None
        self.history.add(seen, moment)

    def lose(self, failure: RtgfError, *, now: int) -> None:
        """Note that there was none."""
        self.failure = failure
        if self.lost_at is None:
            self.lost_at = now
