"""The verdicts that the verifier has given, each for as long as it would be given again."""

from __future__ import annotations

import hashlib
from collections import OrderedDict
from typing import Final, NamedTuple, TypeAlias

VERDICTS_KEPT: Final = 20_000
"""About 1 KB each beside the question; then the one that was given first is forgotten."""

SHORT_BYTES: Final = 2048
"""A question of at most so many is remembered as it is, a longer one by its digest."""


Name: TypeAlias = bytes | str
"""What a question is remembered by: itself, or text that stands for a long one."""


class Remembered(NamedTuple):
    """A verdict, good while nothing was applied, from when it was given until time may change it.

    A clock that was set back makes it no good: it was not asked what held before.
    """

    version: int
    since: int
    until: int
    answer: bytes
    result: str


def name_of(body: bytes) -> Name:
    """Return what a question is remembered by."""
    return body if len(body) <= SHORT_BYTES else hashlib.sha256(body).hexdigest()


class VerdictMemory:
    """Verdicts by the names of their questions."""

    def __init__(self) -> None:
        # The one that was given first is found at once, however many were forgotten before it.
        self._kept: OrderedDict[Name, Remembered] = OrderedDict()

    def recall(self, name: Name, *, version: int, now: int) -> Remembered | None:
        """Return the verdict, unless what it rests on may have changed.

        Args:
          name: of the question.
          version: of what is applied now.
          now: the time.
        """
        known = self._kept.get(name)
        if known is None or known.version != version or not known.since <= now < known.until:
            return None
        return known

    def keep(self, name: Name, verdict: Remembered) -> None:
        """Remember the verdict on a question."""
        self._kept[name] = verdict
        if len(self._kept) > VERDICTS_KEPT:
            self._kept.popitem(last=False)
