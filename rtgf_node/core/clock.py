"""What tells the time. The core never asks; who signs or stores a date is handed a clock."""

from __future__ import annotations

from typing import Protocol


class Clock(Protocol):
    """A source of the current time."""

    def now(self) -> int:
        """Return the current time in whole seconds since 1970-01-01T00:00:00Z."""
        ...
