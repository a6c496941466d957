"""The one clock that reads the computer's time; everything else is handed a clock."""

from __future__ import annotations

import time


class SystemClock:
    """The computer's clock in whole UTC seconds."""

    def now(self) -> int:
        """Return the seconds since 1970-01-01T00:00:00Z."""
        return int(time.time())  # noqa: TID251 - the place that others are handed
