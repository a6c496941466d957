"""Expressions on days and hours of business for `policy_questions`: calendars with every edge.

Dates of the questions lie on, at and beyond the first and last day that a calendar covers.
"""

from __future__ import annotations

from typing import Any

OFFSETS = ["+00:00", "+00:00", "-00:00", "+08:00", "-05:30", "+14:00", "-14:00", "-09:59", "+13:45"]
HOURS = [
    ("00:00", "24:00"),
    ("00:00", "00:01"),
    ("09:00", "18:00"),
    ("09:59", "10:00"),
    ("04:00", "10:00"),
    ("10:00", "10:01"),
    ("10:00", "18:00"),
    ("18:00", "23:59"),
    ("23:59", "24:00"),
]
"""Many of them open or close at the time of a decision, at one of the offsets."""

EDGES = ["0001-01-01T00:00:00Z", "9999-12-31T23:59:59Z", "1969-12-31T23:59:59Z"]
WEEKENDS = [["saturday", "sunday"], ["friday"], [], [], ["sunday", "saturday", "friday", "monday"]]
SPANS = [
    ("2026-01-01", "2026-12-31"),
    ("2026-11-21", "2026-11-23"),
    ("2026-11-22", "2026-11-22"),
    ("2019-06-01", "2038-12-31"),
]
HOLIDAYS = ["2026-11-21", "2026-11-22", "2026-11-23", "2026-11-24", "2026-11-27"]
COUNTS = ["P0BD", "P0BD", "P0BD", "P1BD", "P2BD", "P3BD", "P10BD", "P300BD", "P1D", "P1M"]


def calendar(writer: Any) -> list[Any]:
    first, last = writer.pick(SPANS)
    held = [day for day in HOLIDAYS if first <= day <= last and writer.chance.random() < 0.4]
    return [
        {"list": list(writer.pick(WEEKENDS))},
        {"list": [{"date": day} for day in held]},
        {"date": first},
        {"date": last},
    ]


def moment(writer: Any) -> Any:
    known = {"datetime": writer.pick(EDGES)}
    return writer.pick([known, {"op": "NOW", "args": []}, writer.of("datetime", 0)])


def day(writer: Any, depth: int) -> Any:
    """A date that is worked out."""
    if writer.chance.random() < 0.5:
        return {"op": "LOCAL_DATE", "args": [moment(writer), writer.pick(OFFSETS)]}
    count = {"duration": writer.pick(COUNTS[:-2])}
    held = writer.variables.get("duration")
    if held and writer.chance.random() < 0.5:
        count = {"var": writer.pick(held)}
    start = day(writer, 0) if writer.chance.random() < 0.2 else writer.of("date", depth)
    return {"op": "ADD_BUSINESS_DAYS", "args": [start, count, *calendar(writer)]}


def opening(writer: Any, _: int) -> Any:
    hours = writer.pick(HOURS)
    return {"op": "WITHIN_HOURS", "args": [moment(writer), writer.pick(OFFSETS), *hours]}


def business(writer: Any, depth: int) -> Any:
    """Whether a day is one of business; it is often one that is worked out."""
    found = writer.of("date", max(depth, 1))
    return {"op": "IS_BUSINESS_DAY", "args": [found, *calendar(writer)]}
