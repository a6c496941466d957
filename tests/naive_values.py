"""Values of the policy language a second time, for `naive_policy`: slow, plain, from its text."""

from __future__ import annotations

import datetime
import hashlib
import json
import re
import unicodedata
from _pydecimal import Decimal
from typing import Any, NamedTuple

LARGEST_INTEGER = 2**53 - 1
LONGEST_STRING, LONGEST_LIST, DEEPEST, MOST_VALUES = 4096, 10_000, 32, 20_000
DURATION = re.compile(
    r"P(?:(?P<BD>\d+)BD|(?:(?P<Y>\d+)Y)?(?:(?P<M>\d+)M)?(?:(?P<W>\d+)W)?(?:(?P<D>\d+)D)?"
    r"(?:T(?=\d)(?:(?P<h>\d+)H)?(?:(?P<m>\d+)M)?(?:(?P<s>\d+)S)?)?)",
    re.ASCII,
)
UNITS = {"BD": ("BD", 1), "Y": ("M", 12), "M": ("M", 1)} | {
    name: ("S", seconds)
    for name, seconds in {"W": 604800, "D": 86400, "h": 3600, "m": 60, "s": 1}.items()
}


class Amount(NamedTuple):
    value: Decimal
    currency: str


class Length(NamedTuple):
    unit: str
    count: int


class Instant(NamedTuple):
    seconds: int


class Refused(Exception):  # noqa: N818 - a reason, not a fault
    """The rule cannot be evaluated."""


def jcs(value: Any) -> str:
    # RFC 8785 where keys lie in the basic plane and numbers are integers or short fractions.
    return json.dumps(value, sort_keys=True, ensure_ascii=False, separators=(",", ":"))


def digest(value: Any) -> str:
    return f"sha256:{hashlib.sha256(jcs(value).encode()).hexdigest()}"


def is_blank(text: str) -> bool:
    """Nothing that is seen: separators, controls, formatting, and letters that are no letters."""
    fillers = "\u034f\u115f\u1160\u17b4\u17b5\u2800\u3164\uffa0"
    seen = (c for c in text if c not in fillers and not "\ufe00" <= c <= "\ufe0f")
    return all(unicodedata.category(c) in {"Zs", "Zl", "Zp", "Cc", "Cf"} for c in seen)


def is_nothing(value: Any) -> bool:
    if isinstance(value, str):
        return is_blank(value)
    inner = value.values() if type(value) is dict else value if type(value) is list else None
    return value is None if inner is None else all(is_nothing(each) for each in inner)


# --- values ---------------------------------------------------------------------------------------


def check_json(value: Any, *, floats: bool = False) -> None:
    counted = 0

    def visit(item: Any, level: int) -> None:
        nonlocal counted
        counted += 1
        if level > DEEPEST or counted > MOST_VALUES:
            raise ValueError
        if isinstance(item, dict):
            for key, inner in item.items():
                visit(key, 0)
                counted -= 1
                visit(inner, level + 1)
        elif isinstance(item, list):
            for inner in item:
                visit(inner, level + 1)
        elif isinstance(item, str):
            item.encode()
            if len(item) > LONGEST_STRING:
                raise ValueError
        elif isinstance(item, int):
            if abs(item) > LARGEST_INTEGER:
                raise ValueError
        elif item is not None and not (floats and isinstance(item, float)):
            raise ValueError

    visit(value, 0)


def decimal(value: Any) -> Decimal:
    if not isinstance(value, str) or not re.fullmatch(r"-?(0|[1-9][0-9]*)(\.[0-9]+)?", value):
        raise ValueError
    if len(value) > 36 or len(Decimal(value).as_tuple().digits) > 34:
        raise ValueError
    return Decimal(value)


def read(value: Any, kind: str) -> Any:
    """Return the value of a type that stands in JSON; whatever is not of the type is refused."""
    if kind in {"string", "date", "datetime", "duration"} and not isinstance(value, str):
        raise ValueError
    if kind in {"party", "object"} and not isinstance(value, dict):
        raise ValueError
    if kind == "list" and (not isinstance(value, list) or len(value) > LONGEST_LIST):
        raise ValueError
    if kind == "boolean" and not isinstance(value, bool):
        raise ValueError
    if kind == "integer" and (isinstance(value, bool) or not isinstance(value, int)):
        raise ValueError
    match kind:
        case "decimal":
            return decimal(value)
        case "money":
            if not isinstance(value, dict) or set(value) != {"value", "currency"}:
                raise ValueError
            amount, currency = decimal(value["value"]), value["currency"]
            if not isinstance(currency, str) or not re.fullmatch("[A-Z]{3}", currency):
                raise ValueError
            if value["value"].startswith("-"):
                raise ValueError
            return Amount(amount, currency)
        case "duration":
            return duration(value)
        case "date":
            if not re.fullmatch("[0-9]{4}-[0-9]{2}-[0-9]{2}", value):
                raise ValueError
            return datetime.date.fromisoformat(value)
        case "datetime":
            if not re.fullmatch("[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}Z", value):
                raise ValueError
            return Instant(round(datetime.datetime.fromisoformat(value).timestamp()))
    check_json(value)
    return value


def duration(text: str) -> Length:
    found = DURATION.fullmatch(text)
    given = {name: n for name, n in found.groupdict().items() if n} if found else {}
    if len({UNITS[name][0] for name in given}) != 1 or any(len(n) > 15 for n in given.values()):
        raise ValueError
    unit = UNITS[next(iter(given))][0]
    return Length(unit, sum(int(count) * UNITS[name][1] for name, count in given.items()))


def plain(value: Any) -> Any:
    """Return a value as JSON."""
    match value:
        case Amount():
            return {"value": plain(value.value), "currency": value.currency}
        case Length():
            return f"P{'T' if value.unit == 'S' else ''}{value.count}{value.unit}"
        case Instant():
            moment = datetime.datetime.fromtimestamp(value.seconds, datetime.UTC)
            return moment.strftime("%Y-%m-%dT%H:%M:%SZ")
        case datetime.date():
            return value.isoformat()
        case Decimal():
            return format(value, "f")
        case list():
            return [plain(item) for item in value]
    return value
