"""What every form of replication offers: propose commands, and hear what was applied."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Literal, Protocol, TypeAlias

import trio

from rtgf_node.errors import RtgfError
from rtgf_node.replication.commands import Applied, Proposal

Role: TypeAlias = Literal["leader", "follower", "learner"]


class Subscription:
    """A subscriber of the feed.

    Attributes:
      name: who it is, for logs.
      failed: set when it raised; it has heard nothing since, and its memory is to be loaded anew.
      error: what it raised.
    """

    def __init__(self, name: str, apply: Callable[[Applied], None]) -> None:
        self.name = name
        self.failed = trio.Event()
        self.error: Exception | None = None
        self._apply = apply

    def hear(self, applied: Applied) -> None:
        """Hand one applied command to the subscriber; mark it failed if it raises."""
        try:
            self._apply(applied)
        except Exception as error:  # noqa: BLE001  its owner watches `failed` and crashes for it
            self.error = error
            self.failed.set()


class Feed:
    """The one broadcast of the node: accepted commands in the order of the log, each once.

    Refused and repeated commands changed nothing and are not news. Subscribers are called on the
    trio thread, one after another, before the proposer gets its answer; they must not block. One
    that raises is dropped and disturbs nobody else.
    """

    def __init__(self) -> None:
        self._subscriptions: list[Subscription] = []

    def subscribe(self, name: str, apply: Callable[[Applied], None]) -> Subscription:
        """Call `apply` with everything that is applied from now on."""
        subscription = Subscription(name, apply)
        self._subscriptions.append(subscription)
        return subscription

    def unsubscribe(self, subscription: Subscription) -> None:
        """Stop calling; a subscription that is gone already stays gone."""
        if subscription in self._subscriptions:
            self._subscriptions.remove(subscription)

    def publish(self, batch: Sequence[Applied]) -> None:
        """Tell every subscriber what was applied. Called by the replicator only."""
        for applied in batch:
            if applied.repeated or isinstance(applied.outcome, RtgfError):
                continue
            for subscription in tuple(self._subscriptions):
                subscription.hear(applied)
                if subscription.failed.is_set():
                    self.unsubscribe(subscription)


class Replicator(Protocol):
    """The door through which state changes, on one node or in a cluster."""

    @property
    def feed(self) -> Feed:
        """What was applied, in order."""

    @property
    def alone(self) -> bool:
        """Whether this node is no member of a cluster."""

    @property
    def leader(self) -> bool:
        """Whether this node may sign heads and lists now."""

    @property
    def role(self) -> Role:
        """What this node is in its cluster."""

    def staleness_seconds(self) -> float:
        """Return for how long this node may have missed what others committed."""

    async def read_barrier(self) -> None:
        """Return when all that was committed anywhere before this call is applied here.

        Raises:
          RtgfError: RTGF_UNAVAILABLE if no majority confirms it in time, RTGF_OVERLOADED.
        """

    async def propose(self, proposals: Sequence[Proposal]) -> list[Applied]:
        """Have commands applied in their order; when it returns they are durable.

        Each comes back accepted or refused by itself. Cancelling the asker does not undo what it
        proposed: it is applied whole or not at all, and proposing the same numbers again tells.

        Raises:
          RtgfError: RTGF_OVERLOADED if too much waits, RTGF_UNAVAILABLE if the store failed.
        """
