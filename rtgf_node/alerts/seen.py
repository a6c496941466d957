"""What alerts are judged by: the node as one look sees it, and what it counted before."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Sequence
from typing import Final, NamedTuple

from rtgf_node.wire import Check

KEPT_SECONDS: Final = 6 * 3600
"""The longest window that a rule looks at."""

SAMPLE_SECONDS: Final = 15
"""Between two that are kept: 1,440 in all."""


class Counted(NamedTuple):
    """Counts since the process began."""

    answered: int = 0
    failed: int = 0
    verified: int = 0
    verified_slowly: int = 0
    proofs: int = 0
    slow_proofs: int = 0
    builds: int = 0
    slow_builds: int = 0
    unsigned: int = 0
    restarts: int = 0
    lines_lost: int = 0

    def since(self, before: Counted) -> Counted:
        """Return what was counted after `before`."""
        return Counted(*(now - then for now, then in zip(self, before, strict=True)))


class Seen(NamedTuple):
    """The node at one moment. Words are for its operators, and stay in the house.

    Attributes:
      checks: of its readiness.
      counted: since the process began.
      free_share: of the disk.
      pending: entries of the log that no signed head covers.
      head_age: of the newest signed head, in seconds; None before the first.
      damage: why the store may not be written or signed.
      findings: signed heads that contradict others.
      head_fault: what is wrong with the signature of the newest head.
      leaderless: it is a member of a cluster in which nobody leads.
      lost_members: other members of the cluster that it has no link to.
      ending: certificates that end soon, or have ended.
      failed_sources: that were not taken in when they were fetched last.
      unread_sources: of policy snapshots, that were not read for too long.
      failed_build: the newest build, if it failed.
      restarted: parts that were started again since the process began.
      bursts: jurisdictions that withdraw more than they ever did.
      undelivered: what became of the last message about alerts, if its first channel failed.
    """

    checks: Sequence[Check] = ()
    counted: Counted = Counted()
    free_share: float = 1.0
    pending: int = 0
    head_age: int | None = None
    damage: str | None = None
    findings: Sequence[str] = ()
    head_fault: str | None = None
    leaderless: bool = False
    lost_members: Sequence[str] = ()
    ending: Sequence[str] = ()
    failed_sources: Sequence[str] = ()
    unread_sources: Sequence[str] = ()
    failed_build: str | None = None
    restarted: Sequence[str] = ()
    bursts: Sequence[str] = ()
    undelivered: str | None = None


class Past:
    """What was counted at earlier looks, for as long as a rule looks back."""

    def __init__(self) -> None:
        self._times: list[int] = []
        self._counts: list[Counted] = []
        self._newest = Counted()

    def take(self, counted: Counted, at: int) -> None:
        """Keep a look; a clock that was set back begins anew with what was counted before."""
        if self._times and at < self._times[-1]:
            self._times, self._counts = [0], [self._newest]
        self._newest = counted
        if not self._times or at - self._times[-1] >= SAMPLE_SECONDS:
            self._times.append(at)
            self._counts.append(counted)
        # The oldest that is kept is one from before the longest window.
        too_old = max(0, bisect_right(self._times, at - KEPT_SECONDS) - 1)
        del self._times[:too_old], self._counts[:too_old]

    def within(self, seconds: int, at: int) -> Counted:
        """Return what was counted in the time before the newest look; all, of a younger process."""
        index = bisect_right(self._times, at - seconds) - 1
        before = self._counts[index] if index >= 0 else Counted()
        return self._newest.since(before)
