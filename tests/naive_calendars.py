"""The operators that read a calendar a second time, for `naive_policy`: a walk from day to day."""

from __future__ import annotations

import datetime
from collections.abc import Callable
from typing import Any

from tests.naive_values import Instant, Length, Refused

DAY = datetime.timedelta(days=1)
EPOCH = datetime.datetime(1970, 1, 1, tzinfo=datetime.UTC)


def local(label: Any, moment: Instant, offset: str) -> datetime.datetime:
    """Return what clocks show at an offset from UTC; there are four digits for the year."""
    hours, minutes = offset[1:].split(":")
    ahead = datetime.timedelta(hours=int(hours), minutes=int(minutes))
    shown = EPOCH + datetime.timedelta(seconds=moment.seconds)
    try:
        return shown - ahead if offset.startswith("-") else shown + ahead
    except OverflowError:
        raise Refused(f"VALUE_OUT_OF_RANGE:{label}") from None


def local_date(label: Any, moment: Instant, offset: str) -> datetime.date:
    return local(label, moment, offset).date()


def within_hours(label: Any, moment: Instant, offset: str, opens: str, closes: str) -> bool:
    hours, minutes = offset[1:].split(":")
    ahead = int(offset[0] + str(int(hours) * 60 + int(minutes)))
    minute = (moment.seconds // 60 + ahead) % (24 * 60)
    clock = f"{minute // 60:02}:{minute % 60:02}"
    # Times of one length are in order as text is, and 24:00 is after all of them.
    return opens <= clock < closes


def is_business_day(
    label: Any, day: Any, weekend: Any, holidays: Any, first: Any, end: Any
) -> bool:
    if day < first or day > end:
        raise Refused(f"VALUE_OUT_OF_RANGE:{label}")
    return f"{day:%A}".lower() not in weekend and day not in holidays


def add_business_days(label: Any, day: Any, length: Length, *calendar: Any) -> datetime.date:
    if length.unit != "BD":
        raise Refused(f"TYPE_MISMATCH:{label}")
    left, found = length.count, day
    if left == 0:
        while not is_business_day(label, found, *calendar):
            found += DAY
        return found
    is_business_day(label, day, *calendar)
    while left:
        found += DAY
        left -= is_business_day(label, found, *calendar)
    return found


CALENDAR_OPERATORS: dict[str, Callable[..., Any]] = {
    "LOCAL_DATE": local_date,
    "WITHIN_HOURS": within_hours,
    "IS_BUSINESS_DAY": is_business_day,
    "ADD_BUSINESS_DAYS": add_business_days,
}
