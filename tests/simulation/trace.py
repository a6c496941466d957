"""What happened in a simulation, in order: a digest of all of it, and the newest for people."""

from __future__ import annotations

import hashlib
from collections import Counter, deque
from collections.abc import Callable

import trio

SHOWN = 60
"""Events that a failure shows."""


class BrokenPromiseError(AssertionError):
    """A promise was broken; the message says which one, under which seed, and what came before."""


class Trace:
    """Everything that is noted goes into the digest.

    Attributes:
      faults: how many faults of every kind were injected.
      seen: how often what matters happened: rounds, commands, states taken.
      broken: the first promise that was broken, if one was.
    """

    def __init__(self, show: Callable[[str], None] | None = None) -> None:
        self.faults: Counter[str] = Counter()
        self.seen: Counter[str] = Counter()
        self.broken: str | None = None
        self.count = 0
        self.stop = trio.CancelScope()
        self._show = show
        self._newest: deque[tuple[object, ...]] = deque(maxlen=SHOWN)
        self._hash = hashlib.blake2b(digest_size=16)

    def note(self, what: str, *details: object) -> None:
        """Note that something happened now."""
        event = (trio.current_time(), what, *details)
        self.count += 1
        self._hash.update(repr(event).encode())
        self._newest.append(event)
        if self._show is not None:
            self._show(_line(event))

    def fault(self, kind: str, *details: object) -> None:
        """Note a fault that was injected."""
        self.faults[kind] += 1
        self.note("fault", kind, *details)

    def violation(self, promise: str) -> None:
        """Note that a promise is broken, and end the simulation."""
        self.note("VIOLATION", promise)
        if self.broken is None:
            self.broken = promise
        self.stop.cancel()

    def digest(self) -> str:
        """Return what two runs have in common if the same happened in both."""
        return self._hash.hexdigest()

    def newest(self) -> str:
        """Return what happened last, a line for each event."""
        return "\n".join(map(_line, self._newest))


def _line(event: tuple[object, ...]) -> str:
    at, what, *details = event
    return f"{at:9.4f} {what:10} {' '.join(map(str, details))}"
