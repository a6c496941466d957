"""Days and hours of business: the operators that read a calendar, which is data, and a UTC offset.

A calendar is written out in the rule: the days of the week that are free, the holidays, and the
days that it covers. Of a day that it does not cover nobody knows whether it is a business day, so
that asking is an error and the decision is DENY. No time zone is looked up anywhere: a place that
changes its clocks has one clause for each offset, each with its own `valid_from` and `valid_to`.
"""

from __future__ import annotations

import datetime
import re
from bisect import bisect_left, bisect_right
from collections.abc import Sequence
from functools import lru_cache
from typing import Final, NamedTuple

from rtgf_node.core.policy.duration import Duration, Unit
from rtgf_node.core.policy.node import Call, Frame, Node
from rtgf_node.core.policy.types import BOOLEAN, DATE, Type
from rtgf_node.core.policy.values import OUT_OF_RANGE, TYPE_MISMATCH, EvaluationError, Value

WEEKDAYS: Final = (
    "monday",
    "tuesday",
    "wednesday",
    "thursday",
    "friday",
    "saturday",
    "sunday",
)

MAX_COVERED_DAYS: Final = 366 * 20
"""Days that one calendar covers: holidays are not fixed further ahead than a few years."""

MAX_HOLIDAYS: Final = 1_000
"""Holidays of one calendar: twenty years with fifty each."""

SECONDS_A_DAY: Final = 86_400
"""Seconds of a day at a fixed offset."""

_MEMORY: Final = 256
"""Calendars worked out and kept: a full matrix of 60 places names about as many."""

MEMBERS: Final = frozenset({"weekend", "holidays", "from", "to"})
"""What a calendar says; a library's has words for people besides."""

_OFFSET: Final = re.compile(r"([+-])(0[0-9]|1[0-4]):([0-5][0-9])")
_TIME: Final = re.compile(r"([01][0-9]|2[0-3]):([0-5][0-9])|24:00")
_EPOCH_DAY: Final = datetime.date(1970, 1, 1).toordinal()
_DAY_TYPES: Final = (Type.STRING, Type.DATE)


class Calendar(NamedTuple):
    """The business days from `first` to `last`, both of them covered, in order."""

    first: datetime.date
    last: datetime.date
    days: tuple[datetime.date, ...]

    def is_business_day(self, day: datetime.date) -> bool:
        """Tell whether business is done on a day.

        Raises:
          LookupError: the calendar does not cover the day.
        """
        self._check(day)
        index = bisect_left(self.days, day)
        return index < len(self.days) and self.days[index] == day

    def add(self, day: datetime.date, count: int) -> datetime.date:
        """Return the `count`-th business day after a day; the 0-th is the day, or the next one.

        Raises:
          LookupError: the calendar does not cover so many days.
        """
        self._check(day)
        if count == 0:
            index = bisect_left(self.days, day)
        else:
            index = bisect_right(self.days, day) + count - 1
        if index >= len(self.days):
            raise LookupError("beyond the calendar's last day")
        return self.days[index]

    def _check(self, day: datetime.date) -> None:
        if not self.first <= day <= self.last:
            raise LookupError("outside the days that the calendar covers")


@lru_cache(maxsize=_MEMORY)
def calendar(
    weekend: tuple[str, ...],
    holidays: tuple[datetime.date, ...],
    first: datetime.date,
    last: datetime.date,
) -> Calendar:
    """Return the calendar that these operands state.

    Raises:
      ValueError: a weekday is none, all of them are free, or it covers too much or nothing.
    """
    free = set(weekend)
    if not free <= set(WEEKDAYS) or len(free) == len(WEEKDAYS) or len(free) != len(weekend):
        raise ValueError(f"the weekend is some of {', '.join(WEEKDAYS)}, not all, each once")
    if len(holidays) > MAX_HOLIDAYS:
        raise ValueError(f"a calendar has at most {MAX_HOLIDAYS} holidays")
    length = (last - first).days + 1
    if not 0 < length <= MAX_COVERED_DAYS:
        raise ValueError(f"a calendar covers 1 to {MAX_COVERED_DAYS} days")
    if any(not first <= day <= last for day in holidays):
        raise ValueError("a holiday is outside the days that the calendar covers")
    closed = frozenset(holidays)
    covered = (first + datetime.timedelta(days=number) for number in range(length))
    return Calendar(
        first,
        last,
        tuple(day for day in covered if day not in closed and WEEKDAYS[day.weekday()] not in free),
    )


def read(value: object) -> Calendar:
    """Return the calendar that a library or a clause states as JSON.

    Its `MEMBERS` count; words for people may stand beside them.

    Raises:
      ValueError: it is not of that form.
    """
    if type(value) is not dict or not value.keys() >= MEMBERS:
        raise ValueError("a calendar has weekend, holidays, from and to")
    weekend, holidays = value["weekend"], value["holidays"]
    if type(weekend) is not list or type(holidays) is not list:
        raise ValueError("weekend and holidays are lists")
    if not all(type(day) is str for day in (*weekend, *holidays, value["from"], value["to"])):
        raise ValueError("days are text")
    days = tuple(day_of(day) for day in holidays)
    if list(days) != sorted(set(days)):
        raise ValueError("holidays stand in order, each once")
    return calendar(tuple(weekend), days, day_of(value["from"]), day_of(value["to"]))


def day_of(text: str) -> datetime.date:
    """Return the day that `YYYY-MM-DD` says.

    Raises:
      ValueError: it is no day.
    """
    if re.fullmatch(r"[0-9]{4}-[0-9]{2}-[0-9]{2}", text) is None:
        raise ValueError("a date is YYYY-MM-DD")
    return datetime.date.fromisoformat(text)


def offset(text: object) -> int:
    """Return the seconds that local time is ahead of UTC: `+08:00`, at most 14 hours.

    Raises:
      ValueError: it is no such offset.
    """
    match = _OFFSET.fullmatch(text) if type(text) is str else None
    if match is None or (match[2] == "14" and match[3] != "00"):
        raise ValueError('an offset from UTC is text such as "+08:00" or "-05:30"')
    seconds = int(match[2]) * 3_600 + int(match[3]) * 60
    return -seconds if match[1] == "-" else seconds


def time_of_day(text: object) -> int:
    """Return the seconds since midnight that `17:30` says; `24:00` is the end of the day.

    Raises:
      ValueError: it is no time of day.
    """
    if type(text) is not str or _TIME.fullmatch(text) is None:
        raise ValueError('a time of day is text such as "17:30"')
    return int(text[:2]) * 3_600 + int(text[3:]) * 60


def local_date(call: Call) -> Node:
    """Compile LOCAL_DATE: the day that it is at an instant, at an offset from UTC."""
    call.expect(0, Type.DATETIME)
    ahead, instant = _ahead(call, 1), call.args[0].run

    def run(frame: Frame) -> datetime.date:
        day = (instant(frame) + ahead) // SECONDS_A_DAY + _EPOCH_DAY
        if not datetime.date.min.toordinal() <= day <= datetime.date.max.toordinal():
            raise EvaluationError(OUT_OF_RANGE, call.label)
        return datetime.date.fromordinal(day)

    return Node(DATE, run, call.label)


def within_hours(call: Call) -> Node:
    """Compile WITHIN_HOURS: an instant, at an offset, from a time of day until before another."""
    call.expect(0, Type.DATETIME)
    ahead, instant = _ahead(call, 1), call.args[0].run
    try:
        opens, closes = (time_of_day(call.literal(index, str, "a time of day")) for index in (2, 3))
    except ValueError as error:
        call.refuse(str(error))
    if opens >= closes:
        call.refuse("the hours end after they begin, on the same day")

    def run(frame: Frame) -> bool:
        second: int = (instant(frame) + ahead) % SECONDS_A_DAY
        return opens <= second < closes

    return Node(BOOLEAN, run, call.label)


def is_business_day(call: Call) -> Node:
    """Compile IS_BUSINESS_DAY: a date, and a calendar in its four operands."""
    call.expect(0, Type.DATE)
    held, day, label = _calendar(call, 1), call.args[0].run, call.label

    def run(frame: Frame) -> bool:
        try:
            return held.is_business_day(day(frame))
        except LookupError:
            raise EvaluationError(OUT_OF_RANGE, label) from None

    return Node(BOOLEAN, run, label)


def add_business_days(call: Call) -> Node:
    """Compile ADD_BUSINESS_DAYS: a date, a number of business days (`P3BD`), and a calendar."""
    call.expect(0, Type.DATE)
    call.expect(1, Type.DURATION)
    held, day, length = _calendar(call, 2), call.args[0].run, call.args[1].run
    label = call.label
    literal = call.args[1].literal
    if isinstance(literal, Duration) and literal.unit is not Unit.BUSINESS_DAYS:
        call.refuse("only business days are counted by a calendar, such as P3BD", 1)

    def run(frame: Frame) -> datetime.date:
        start, count = day(frame), length(frame)
        if count.unit is not Unit.BUSINESS_DAYS:
            raise EvaluationError(TYPE_MISMATCH, label)
        try:
            return held.add(start, count.length)
        except LookupError:
            raise EvaluationError(OUT_OF_RANGE, label) from None

    return Node(DATE, run, label)


def _ahead(call: Call, index: int) -> int:
    try:
        return offset(call.literal(index, str, "an offset from UTC"))
    except ValueError as error:
        call.refuse(str(error), index)


def _calendar(call: Call, index: int) -> Calendar:
    """Return the calendar in the operands from `index`: weekend, holidays, first and last day."""
    weekend, holidays = (_listed(call, index + step, _DAY_TYPES[step]) for step in (0, 1))
    first, last = (call.literal(index + step, datetime.date, "a date") for step in (2, 3))
    try:
        return calendar(tuple(weekend), tuple(holidays), first, last)
    except ValueError as error:
        call.refuse(str(error), index)


def _listed(call: Call, index: int, element: Type) -> Sequence[Value]:
    found: list[Value] = call.literal(index, list, "a list")
    if call.args[index].shape.element not in {element, None}:
        call.refuse(f"the list holds {element.value}s", index)
    return found
