"""Lengths of time as law states them: ISO 8601, and business days as `BD` (`P10BD`).

A month has no fixed number of days and a business day no fixed place in a week, so durations fall
into three classes, and only two of one class can be compared: `P1Y` equals `P12M`, `P1W` equals
`P7D` and `PT168H`, but `P1M` is neither shorter nor longer than `P30D`.
"""

from __future__ import annotations

import re
from enum import Enum
from functools import lru_cache
from typing import Final, NamedTuple

_FORM: Final = re.compile(
    r"P(?=[0-9T])(?:(?P<business_days>[0-9]{1,15})BD"
    r"|(?:(?P<years>[0-9]{1,15})Y)?(?:(?P<months>[0-9]{1,15})M)?"
    r"(?:(?P<weeks>[0-9]{1,15})W)?(?:(?P<days>[0-9]{1,15})D)?"
    r"(?:T(?=[0-9])(?:(?P<hours>[0-9]{1,15})H)?(?:(?P<minutes>[0-9]{1,15})M)?"
    r"(?:(?P<seconds>[0-9]{1,15})S)?)?)"
)
_EXPECTED: Final = "a duration is ISO 8601 in whole units, such as P5Y, PT24H or P3BD"
_CALENDAR: Final = {"years": 12, "months": 1}
_CLOCK: Final = {"weeks": 604_800, "days": 86_400, "hours": 3_600, "minutes": 60, "seconds": 1}


class Unit(Enum):
    """The three classes; a member's value is the unit in which its lengths are counted."""

    MONTHS = "months"
    SECONDS = "seconds"
    BUSINESS_DAYS = "business days"


class Duration(NamedTuple):
    """A length of time: so many of one unit. Compare only lengths of the same unit."""

    unit: Unit
    length: int


def parse(text: object) -> Duration:
    """Return the duration that a text says.

    Raises:
      ValueError: it is not an ISO 8601 duration in whole units (business days stand alone), or it
        mixes years and months with units that have a fixed length.
    """
    if type(text) is not str:
        raise ValueError(_EXPECTED)
    return _parse(text)


@lru_cache(maxsize=256)
def _parse(text: str) -> Duration:
    """Return the duration of a text; rules and the contexts they meet state few different ones."""
    match = _FORM.fullmatch(text)
    if match is None:
        raise ValueError(_EXPECTED)
    parts = {name: int(count) for name, count in match.groupdict().items() if count is not None}
    if "business_days" in parts:
        return Duration(Unit.BUSINESS_DAYS, parts["business_days"])
    if parts.keys() <= _CALENDAR.keys():
        return Duration(Unit.MONTHS, sum(_CALENDAR[name] * parts[name] for name in parts))
    if parts.keys() <= _CLOCK.keys():
        return Duration(Unit.SECONDS, sum(_CLOCK[name] * parts[name] for name in parts))
    raise ValueError("years and months do not mix with weeks, days and hours: they cannot be added")


def least_seconds(duration: Duration) -> int:
    """Return how long it is at least, for a limit that must not be passed: a month has 28 days."""
    days = {Unit.MONTHS: 28, Unit.BUSINESS_DAYS: 1}
    return duration.length * days.get(duration.unit, 0) * 86_400 or duration.length


def to_text(duration: Duration) -> str:
    """Return a duration in the one form that stands for its length: `P12M`, `PT86400S`, `P3BD`."""
    match duration.unit:
        case Unit.MONTHS:
            return f"P{duration.length}M"
        case Unit.SECONDS:
            return f"PT{duration.length}S"
        case Unit.BUSINESS_DAYS:
            return f"P{duration.length}BD"
