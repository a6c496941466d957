"""Values as expressions see them, read from JSON by their declared type and by nothing else.

A reader takes what stands in a context and returns a value of its type, or refuses. It never
converts: the text `"1"` is not the number 1, and a JSON number is not an amount. What it accepts
is bounded, so no context can make an evaluation long.
"""

from __future__ import annotations

import datetime
import re
from collections.abc import Callable, Mapping
from decimal import Decimal
from hashlib import sha256
from math import isfinite
from typing import Any, Final, TypeAlias

import orjson

from rtgf_node.core import identifiers, times
from rtgf_node.core.canonical_json import MAX_INTEGER, JsonValue, canonical_bytes
from rtgf_node.core.policy import duration, money
from rtgf_node.core.policy.duration import Duration
from rtgf_node.core.policy.money import Money
from rtgf_node.core.policy.types import Type
from rtgf_node.errors import RtgfError

Value: TypeAlias = Any
"""A value of the type that the compiler has worked out; closures rely on that, so mypy cannot."""

MAX_STRING_CHARS: Final = 4096
"""Characters of one string: an address or a purpose is far shorter."""

MAX_LIST_LENGTH: Final = 10_000
"""Elements of one list, in a context or in an expression."""

MAX_VALUE_DEPTH: Final = 32
"""Open arrays and objects in one input."""

MAX_VALUE_NODES: Final = 20_000
"""Values in one input, all levels together: one longest list of small objects."""

_DATE: Final = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}")


class EvaluationError(Exception):
    """A rule cannot be evaluated on this context: the decision is DENY, with this reason.

    Attributes:
      reason: such as `INPUT_MISSING:amount`. Names only, never a value.
    """

    def __init__(self, kind: str, name: str) -> None:
        super().__init__(kind, name)
        self.reason = f"{kind}:{name}"


INPUT_MISSING: Final = "INPUT_MISSING"
TYPE_MISMATCH: Final = "TYPE_MISMATCH"
CURRENCY_MISMATCH: Final = "CURRENCY_MISMATCH"
OUT_OF_RANGE: Final = "VALUE_OUT_OF_RANGE"
RESOLVER_ERROR: Final = "RESOLVER_ERROR"


CODES: Final = frozenset(
    {
        "beneficiary.kind",
        "data_category",
        "instrument",
        "originator.kind",
        "purpose",
        "risk_class",
        "transfer_mechanism",
    }
)
"""Places in a context that hold a word of a vocabulary, in snake_case. Rules ask whether such a
word is one of some, so that `Cash` must not pass for something else than `cash`."""

LOCATION: Final = "data_location"
"""The place in a context that holds a jurisdiction which rules allow or prohibit."""

_CODE: Final = re.compile(r"[a-z0-9][a-z0-9_]{0,127}")


class Missing:
    """What stands where a context has nothing. `null` is nothing too."""


MISSING: Final = Missing()


def _string(value: object) -> str:
    if type(value) is not str or len(value) > MAX_STRING_CHARS:
        raise ValueError(f"a string has at most {MAX_STRING_CHARS} characters")
    if not value.isascii():
        # A lone surrogate is no character: it has no UTF-8 form and so no digest.
        value.encode()
    return value


def _boolean(value: object) -> bool:
    if type(value) is not bool:
        raise ValueError("true or false")
    return value


def _integer(value: object) -> int:
    if type(value) is not int or abs(value) > MAX_INTEGER:
        raise ValueError("an integer within ±(2^53-1)")
    return value


def _duration(value: object) -> Duration:
    return duration.parse(value)


def _date(value: object) -> datetime.date:
    if type(value) is not str or _DATE.fullmatch(value) is None:
        raise ValueError("a date is YYYY-MM-DD")
    return datetime.date.fromisoformat(value)


def _datetime(value: object) -> int:
    if type(value) is not str:
        raise ValueError("a time is RFC 3339 text")
    try:
        return times.parse(value)
    except RtgfError as error:
        raise ValueError(error.detail) from None


def _list(value: object) -> list[JsonValue]:
    if type(value) is not list or len(value) > MAX_LIST_LENGTH:
        raise ValueError(f"a list has at most {MAX_LIST_LENGTH} elements")
    check_json(value)
    return value


def _object(value: object) -> dict[str, JsonValue]:
    if type(value) is not dict:
        raise ValueError("an object")
    check_json(value)
    return value


def _any(value: object) -> Value:
    check_json(value)
    return value


READERS: Final[Mapping[Type, Callable[[object], Value]]] = {
    Type.STRING: _string,
    Type.BOOLEAN: _boolean,
    Type.INTEGER: _integer,
    Type.DECIMAL: money.parse_decimal,
    Type.MONEY: money.parse,
    Type.DURATION: _duration,
    Type.DATE: _date,
    Type.DATETIME: _datetime,
    Type.LIST: _list,
    Type.PARTY: _object,
    Type.OBJECT: _object,
    Type.ANY: _any,
}
"""The reader of each type. Each raises ValueError for whatever is not of its type."""


def _code(value: object) -> str:
    if type(value) is not str or _CODE.fullmatch(value) is None:
        raise ValueError("a word in snake_case, such as credit_transfer")
    return value


def _place(value: object) -> str:
    try:
        if type(value) is str and identifiers.jurisdiction(value) == value:
            return value
    except RtgfError:
        pass
    raise ValueError("a jurisdiction, such as SG")


def reader_of(path: str, type_: Type) -> Callable[[object], Value]:
    """Return the reader of what stands at a path: that of its type, or a stricter one."""
    if type_ is Type.STRING and path in CODES:
        return _code
    if type_ is Type.STRING and path == LOCATION:
        return _place
    return READERS[type_]


def check_json(value: object, *, floats: bool = False) -> None:
    """Hold a value to what JSON can say within our bounds; never deeper than the bound is looked.

    Args:
      value: anything at all.
      floats: whether finite floats may occur. In a context they may not: they decide nothing.

    Raises:
      ValueError: it is not JSON, holds a float or a lone surrogate, or is too deep or too large.
    """
    level: list[object] = [value]
    nodes = depth = 0
    while level:
        nodes += len(level)
        if depth > MAX_VALUE_DEPTH or nodes > MAX_VALUE_NODES:
            raise ValueError("the value is too deep or too large")
        inner: list[object] = []
        for item in level:
            kind = type(item)
            if kind is str:
                # What `_string` looks for, and does, only where there may be something to find.
                if not item.isascii() or len(item) > MAX_STRING_CHARS:  # type: ignore[attr-defined,arg-type]  # kind says it
                    _string(item)
            elif kind is dict:
                for key in item:  # type: ignore[attr-defined]  # kind says it
                    if type(key) is not str or not key.isascii() or len(key) > MAX_STRING_CHARS:
                        _string(key)
                inner.extend(item.values())  # type: ignore[attr-defined]  # kind says it
            elif kind is list:
                inner.extend(item)  # type: ignore[arg-type]  # kind says it
            elif kind is int:
                _integer(item)
            elif kind is float:
                if not (floats and isfinite(item)):  # type: ignore[arg-type]  # kind says it
                    raise ValueError("a number with a fraction is text in a context")
            elif item is not None and kind is not bool:
                raise ValueError("not a JSON value")
        level = inner
        depth += 1


_SORTED: Final = orjson.OPT_SORT_KEYS


def digest(value: JsonValue) -> str:
    """Return the digest of the canonical JSON of a value that has no floats.

    The value must have been checked, or made, to be JSON within our bounds. Then, where its text is
    ASCII, orjson's with sorted keys is the text of RFC 8785, and there is nothing left to look for.
    """
    encoded = orjson.dumps(value, option=_SORTED)
    if not encoded.isascii():
        encoded = canonical_bytes(value)
    return f"sha256:{sha256(encoded).hexdigest()}"


def to_json(value: Value, type_: Type) -> JsonValue:
    """Return a value as the JSON that a reader of its type would take."""
    match type_:
        case Type.DECIMAL:
            return money.decimal_text(value)
        case Type.MONEY:
            amount: Money = value
            return {"value": money.decimal_text(amount.value), "currency": amount.currency}
        case Type.DURATION:
            return duration.to_text(value)
        case Type.DATE:
            day: datetime.date = value
            return day.isoformat()
        case Type.DATETIME:
            return times.to_text(value)
        case Type.LIST:
            # A list literal may hold typed elements, which say themselves what they are.
            return [element_to_json(element) for element in value]
        case _:
            plain: JsonValue = value
            return plain


def element_to_json(element: Value) -> JsonValue:
    """Return one element of a list as JSON."""
    for class_, type_ in (
        (Money, Type.MONEY),
        (Duration, Type.DURATION),
        (Decimal, Type.DECIMAL),
        (datetime.date, Type.DATE),
    ):
        if isinstance(element, class_):
            return to_json(element, type_)
    plain: JsonValue = element
    return plain
