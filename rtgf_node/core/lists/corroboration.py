"""What birth dates and countries add to, or take from, a likeness of names."""

from __future__ import annotations

import re
from collections.abc import Iterable

from rtgf_node.core.lists.countries import is_code

AGREEING_BIRTH = 0.25  # share of the doubt that an agreeing birth date removes
AGREEING_COUNTRY = 0.10
# A full birth date that contradicts: an equal name, or an equal alias, keeps 0.92, the threshold
# most clauses state, so a wrong date alone never clears it; a merely similar one falls below it.
CONTRADICTING_BIRTH = 0.92
CONTRADICTING_YEAR = 0.96
CONTRADICTING_COUNTRY = 0.98
MIN_NAME = 0.80  # below it the names differ, and no date makes them one
_ABOUT_YEARS = 2  # how far an approximate year reaches
_DATE = re.compile(r"([0-9]{4})(?:-([0-9]{2}))?(?:-([0-9]{2}))?(~?)\Z", re.ASCII)


def needed(threshold: float) -> float:
    """Return the least likeness of names that evidence may lift to `threshold`."""
    doubt = (1.0 - threshold) / ((1.0 - AGREEING_BIRTH) * (1.0 - AGREEING_COUNTRY))
    return max(MIN_NAME, 1.0 - doubt) if threshold > MIN_NAME else threshold


def adjust(
    score: float,
    *,
    equal: bool,
    births: Iterable[str],
    listed_births: tuple[str, ...],
    countries: Iterable[str],
    listed_countries: tuple[str, ...],
) -> float:
    """Return the score with the evidence counted; what either side lacks changes nothing.

    What a caller says about a party clears no `equal` name: it is the caller who may want to.
    """
    least = min(score, CONTRADICTING_BIRTH) if equal else 0.0
    births = tuple(births)
    if births and listed_births and score >= MIN_NAME:
        score = _with_births(score, births, listed_births)
    ours = {"GB" if code == "UK" else code for code in map(str.upper, countries)}
    theirs = {code for code in listed_countries if is_code(code)}
    if ours and theirs and score >= MIN_NAME:
        if ours & theirs:
            score += (1.0 - score) * AGREEING_COUNTRY
        elif not equal:
            score *= CONTRADICTING_COUNTRY
    return max(score, least)


def _with_births(score: float, births: tuple[str, ...], listed: tuple[str, ...]) -> float:
    answers = {_compare(birth, other) for birth in births for other in listed}
    if "agrees" in answers:
        return score + (1.0 - score) * AGREEING_BIRTH
    if answers == {"contradicts"}:
        return score * CONTRADICTING_BIRTH
    if "differs" in answers and "unknown" not in answers:
        return score * CONTRADICTING_YEAR
    return score


def _compare(birth: str, listed: str) -> str:
    """Compare two EDTF dates: `agrees`, `contradicts` (full dates), `differs` (years), `unknown`.

    The first of January stands for an unknown day in many lists, so it is read as the year.
    """
    if "/" in listed:
        first, _, last = listed.partition("/")
        year, low, high = _years(birth), _years(first), _years(last)
        if not (year and low and high):
            return "unknown"
        return "agrees" if low[0] <= year[1] and year[0] <= high[1] else "differs"
    ours, theirs = _DATE.match(birth), _DATE.match(listed)
    if ours is None or theirs is None:
        return "unknown"
    if _is_full(ours) and _is_full(theirs):
        return "agrees" if ours.group(1, 2, 3) == theirs.group(1, 2, 3) else "contradicts"
    year, other = _years(birth), _years(listed)
    if not (year and other):
        return "unknown"
    if year[0] > other[1] or other[0] > year[1]:
        return "differs"
    return "differs" if ours[2] and theirs[2] and _months_differ(ours, theirs) else "agrees"


def _is_full(date: re.Match[str]) -> bool:
    return bool(date[3]) and not date[4] and (date[2], date[3]) != ("01", "01")


def _months_differ(ours: re.Match[str], theirs: re.Match[str]) -> bool:
    placeholder = ("01", "01")
    if placeholder in (ours.group(2, 3), theirs.group(2, 3)) or ours[4] or theirs[4]:
        return False
    return ours[2] != theirs[2]


def _years(date: str) -> tuple[int, int] | None:
    match = _DATE.match(date)
    if match is None:
        return None
    reach = _ABOUT_YEARS if match[4] else 0
    return (int(match[1]) - reach, int(match[1]) + reach)
