"""How a token, a source or a key stands at a time, in the words that every table has for it."""

from __future__ import annotations

from typing import Final, Literal

from rtgf_node.core import times
from rtgf_node.wire import CatalogEntry
from rtgf_node.wire.overview import Expiry, OverviewAnswer, SourceFigures

DAY_SECONDS: Final = 86_400

WARN_DAYS: Final = 30
"""Before a key or certificate ends: time enough for a ceremony."""


def of_token(one: CatalogEntry, at: int) -> Literal["withdrawn", "expired", "not yet", "in force"]:
    """Return how a token stands at a time."""
    if one.revoked:
        return "withdrawn"
    if at > times.parse(one.exp):
        return "expired"
    return "not yet" if at < times.parse(one.nbf) else "in force"


def of_source(seen: OverviewAnswer, one: SourceFigures) -> tuple[str, str]:
    """Return how a source or list stands, and what it says of itself."""
    for waiting in seen.status.quarantine:
        if waiting.name == one.name:
            return "quarantined", waiting.reason
    held = next((each for each in seen.status.datasets if each.name == one.name), None)
    if held is not None and not held.fresh:
        return "STALE", one.detail
    if one.outcome == "refused":
        return "refused", one.detail
    if held is not None:
        return "fresh", one.detail
    if one.outcome is None:
        return "not fetched", "not since the node began"
    return one.outcome, one.detail


def records_of(seen: OverviewAnswer, one: SourceFigures) -> int | None:
    """Return how many records are in force of a list; None for what is no list."""
    return next((each.records for each in seen.status.datasets if each.name == one.name), None)


def days_left(one: Expiry, at: int) -> int:
    """Return the whole days until a key or certificate ends; below zero, it has ended."""
    return (times.parse(one.expires_at) - at) // DAY_SECONDS


def of_expiry(one: Expiry, at: int) -> Literal["revoked", "expired", "ends soon", "fine"]:
    """Return how a key or certificate stands at a time."""
    if one.revoked_at is not None:
        return "revoked"
    left = days_left(one, at)
    if left < 0:
        return "expired"
    return "ends soon" if left < WARN_DAYS else "fine"
