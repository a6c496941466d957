"""Birth dates as publishers write them, turned into EDTF level 1 (ISO 8601-2).

A date that cannot be understood is left out: it only ever corroborates a name, so a missing one
leaves a match as it is.
"""

from __future__ import annotations

import re
from datetime import date

_MONTHS = {
    name: number
    for number, name in enumerate(
        ("jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec"), 1
    )
}
_ISO = re.compile(r"([0-9]{4})(?:-([0-9]{2})(?:-([0-9]{2}))?)?(?:T.*)?\Z", re.ASCII)
_SLASHED = re.compile(r"([0-9]{1,2})[/.]([0-9]{1,2})[/.]([0-9]{4})\Z", re.ASCII)
_WORDS = re.compile(r"(?:([0-9]{1,2})\s+)?([A-Za-z]{3,9})\.?,?\s+([0-9]{4})\Z", re.ASCII)
_YEARS = re.compile(r"([0-9]{4})\s*[-/\N{EN DASH}]\s*([0-9]{4})\Z", re.ASCII)
_ABOUT = re.compile(r"(?:circa|approximately|approx\.?|about|around|c\.)\s*", re.IGNORECASE)
_SPAN = re.compile(r"\s+(?:to|and)\s+|\s+-\s+", re.IGNORECASE)
_OR = re.compile(r"\s+or\s+|\s*[;,]\s+(?=[0-9])", re.IGNORECASE)
_BETWEEN = re.compile(r"(?:between|from)\s+", re.IGNORECASE)
_MAX_LENGTH = 200  # characters; what is longer is prose


def calendar(year: int | None, month: int | None = None, day: int | None = None) -> str | None:
    """Return the date as far as it is known (`1948-08-10`, `1948-08`, `1948`), or None.

    A zero is how HMT writes an unknown part, so it counts as unknown.
    """
    if not year or not 1000 <= year <= 9999:
        return None
    if not month:
        return f"{year:04d}"
    if not 1 <= month <= 12:
        return None
    if not day:
        return f"{year:04d}-{month:02d}"
    try:
        return date(year, month, day).isoformat()
    except ValueError:
        return None


def between(first: str | None, last: str | None) -> tuple[str, ...]:
    """Return the interval of two dates; of one date, that date."""
    known = sorted(each.rstrip("~") for each in (first, last) if each)
    if len(known) == 2 and known[0] != known[1]:
        return (f"{known[0]}/{known[1]}",)
    return tuple(known[:1])


def about(text: str | None) -> str | None:
    """Return the date marked as approximate."""
    return f"{text}~" if text and not text.endswith("~") and "/" not in text else text


def read(text: str | None) -> tuple[str, ...]:
    """Return the dates that `text` states, in any of the publishers' ways; none if it is prose."""
    if not text or len(text) > _MAX_LENGTH:
        return ()
    found: list[str] = []
    for part in _OR.split(text.strip().rstrip(".")):
        found.extend(_one(part.strip()))
    return tuple(found)


def day(text: str | None) -> str | None:
    """Return a day of publication as ISO text, or None if `text` is no whole day."""
    for each in read(text):
        if len(each) == 10 and each[4] == "-":
            return each
    return None


def us_day(text: str | None) -> str | None:
    """Return a day written month first (`03/28/2025`) as ISO text, or None."""
    match = _SLASHED.match((text or "").strip())
    if match is None:
        return None
    whole = calendar(int(match[3]), int(match[1]), int(match[2]))
    return whole if whole and len(whole) == 10 else None


def _one(text: str) -> tuple[str, ...]:
    approximate = _ABOUT.match(text)
    if approximate:
        return tuple(about(each) or each for each in _one_exact(text[approximate.end() :]))
    return _one_exact(text)


def _one_exact(text: str) -> tuple[str, ...]:
    text = _BETWEEN.sub("", text, count=1) if _BETWEEN.match(text) else text
    years = _YEARS.match(text)
    if years:
        return between(calendar(int(years[1])), calendar(int(years[2])))
    ends = _SPAN.split(text)
    if len(ends) == 2:
        return between(_single(ends[0]), _single(ends[1]))
    single = _single(text)
    return (single,) if single else ()


def _single(text: str) -> str | None:
    text = text.strip()
    if match := _ISO.match(text):
        return calendar(*(int(part or 0) for part in match.groups()))
    if match := _SLASHED.match(text):
        return calendar(int(match[3]), int(match[2]), int(match[1]))
    if match := _WORDS.match(text):
        month = _MONTHS.get(match[2][:3].lower())
        return calendar(int(match[3]), month, int(match[1] or 0)) if month else None
    return None
