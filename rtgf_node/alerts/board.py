"""The alerts that stand: none rises before it held for its time, or falls before it was gone so."""

from __future__ import annotations

from typing import Final, NamedTuple

import msgspec

from rtgf_node.alerts import rules
from rtgf_node.alerts.catalogue import CATALOGUE, Alert
from rtgf_node.alerts.seen import Past, Seen
from rtgf_node.core import times
from rtgf_node.wire import AlertLine

KEEP_SECONDS: Final = 60
"""For so long an alert must be gone before it falls: what comes and goes is one alert."""

MISSED_LOOKS: Final = 3
"""Times the pace without a look, after which there is a gap."""


class Standing(NamedTuple):
    """An alert that stands, since when, and words for an operator."""

    alert: Alert
    since: int
    detail: str

    def line(self) -> AlertLine:
        """Return it as it is shown."""
        alert = self.alert
        return AlertLine(
            name=alert.name,
            severity=alert.severity,
            sentence=alert.sentence,
            detail=self.detail,
            since=times.to_text(self.since),
            screen=alert.screen,
            runbook=alert.runbook,
            code=None if alert.code is None else alert.code.name,
        )


class _Held(msgspec.Struct):
    """What became of one alert: since when it is so, when that was seen last, whether it rose."""

    begun: int
    last: int
    detail: str
    has_risen: bool = False


class Board:
    """Owns which alerts stand. Time is what whoever looks says it is.

    Args:
      every_seconds: the pace of the looks.
    """

    def __init__(self, every_seconds: float) -> None:
        self._patience = MISSED_LOOKS * every_seconds
        self._past = Past()
        self._held: dict[str, _Held] = {}
        self._looked: int | None = None
        self._gap: tuple[int, str] | None = None
        self.gaps = 0

    def standing(self) -> tuple[Standing, ...]:
        """Return what stands, the worst first."""
        return tuple(
            Standing(alert, held.begun, held.detail)
            for name, alert in CATALOGUE.items()
            if (held := self._held.get(name)) is not None and held.has_risen
        )

    def take(self, seen: Seen, at: int) -> None:
        """Judge a look."""
        self._notice(at)
        self._past.take(seen.counted, at)
        self._update(rules.judge(seen, self._past, at), at)

    def fail(self, reason: str, at: int) -> None:
        """Note a look that failed: what stood stands, for nobody knows better."""
        self._notice(at)
        self._miss(f"a look failed at {times.to_text(at)}: {reason}", at)
        self._update({one.alert.name: one.detail for one in self.standing()}, at)

    def _notice(self, at: int) -> None:
        """Find out whether looks were missed, or the clock was set back."""
        before, self._looked = self._looked, at
        if before is None or 0 <= at - before <= self._patience:
            return
        self._miss(f"nothing was seen from {times.to_text(before)} to {times.to_text(at)}", at)
        if at < before:
            for held in self._held.values():
                held.begun, held.last = min(held.begun, at), min(held.last, at)

    def _miss(self, words: str, at: int) -> None:
        self.gaps += 1
        self._gap = at, words

    def _update(self, found: dict[str, str], at: int) -> None:
        if self._gap is not None:
            when, words = self._gap
            if at - when < rules.EVENT_SECONDS:
                found = {**found, "data_gap": words}
        for name, detail in found.items():
            held = self._held.setdefault(name, _Held(at, at, detail))
            held.last, held.detail = at, detail
            if at - held.begun >= CATALOGUE[name].hold_seconds:
                held.has_risen = True
        for name in [*self._held]:
            held = self._held[name]
            if name not in found and not (held.has_risen and at - held.last < KEEP_SECONDS):
                del self._held[name]
