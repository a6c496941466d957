"""The verdicts that the verifier has given, each for as long as it would be given again."""

from __future__ import annotations

import hashlib
from typing import Final, NamedTuple

from rtgf_node.core.times import SKEW_SECONDS

VERDICTS_KEPT: Final = 20_000
"""About 1 KB each beside the question; then the one that was given first is forgotten."""

SHORT_BYTES: Final = 2048
"""A question of at most so many is remembered as it is, a longer one by its digest."""


class Remembered(NamedTuple):
    """A verdict, good while nothing was applied and no boundary of time was passed, either way."""

    version: int
    since: int
    until: int
    answer: bytes
    result: str


class VerdictMemory:
    """Verdicts by the bytes of their questions."""

    def __init__(self) -> None:
        self._kept: dict[bytes | str, Remembered] = {}

    def recall(self, body: bytes, *, version: int, now: int) -> Remembered | None:
        """Return the verdict, unless what it rests on may have changed.

        Args:
          body: the question.
          version: of what is applied now.
          now: the time.
        """
        known = self._kept.get(_name(body))
        if (
            known is None
            or known.version != version
            or not known.since - SKEW_SECONDS <= now < known.until
        ):
            return None
        return known

    def keep(self, body: bytes, verdict: Remembered) -> None:
        """Remember the verdict on a question."""
        self._kept[_name(body)] = verdict
        if len(self._kept) > VERDICTS_KEPT:
            del self._kept[next(iter(self._kept))]


def _name(body: bytes) -> bytes | str:
    """Return what a question is remembered by: itself, or text that stands for a long one."""
    return body if len(body) <= SHORT_BYTES else hashlib.sha256(body).hexdigest()
