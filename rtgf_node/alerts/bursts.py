"""Whether a jurisdiction withdraws more than it ever did in such a time."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable
from typing import Final

HOUR: Final = 3600
KEPT_HOURS: Final = 90 * 24
"""What counts as a jurisdiction's history."""

FEWEST: Final = 10
"""Withdrawals in an hour that are never a burst."""

TIMES: Final = 3
"""More than the most in any hour before."""


class Bursts:
    """Owns how often each jurisdiction withdrew, by the hour."""

    def __init__(self) -> None:
        self._hours: defaultdict[str, dict[int, int]] = defaultdict(dict)

    def take(self, places: Iterable[str], at: int) -> None:
        """Count a withdrawal; one for a corridor is of both its jurisdictions."""
        hour = at // HOUR
        for place in places:
            hours = self._hours[place]
            hours[hour] = hours.get(hour, 0) + 1

    def found(self, now: int) -> list[str]:
        """Return which of them withdraw unusually much in this hour, or did in the last."""
        this, told = now // HOUR, []
        for place, hours in sorted(self._hours.items()):
            for hour in [one for one in hours if one < this - KEPT_HOURS]:
                del hours[hour]
            new = max(hours.get(this, 0), hours.get(this - 1, 0))
            most = max((count for hour, count in hours.items() if hour < this - 1), default=0)
            if new > max(FEWEST, TIMES * most):
                told.append(f"{place}: {new} in an hour, {most} at most before")
        return told
