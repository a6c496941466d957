"""A clause's parameters are typed values: each is checked before it can become part of a rule.

A template declares its parameters with `ParameterSpec`s. `check` refuses a value that is not of
the declared type and names the place; `literal` writes a checked value as an expression literal.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from decimal import Decimal
from typing import Literal

from msgspec import Struct

from rtgf_node.core import identifiers
from rtgf_node.core.canonical_json import JsonValue
from rtgf_node.core.policy import calendars as business_days
from rtgf_node.core.policy import duration, money
from rtgf_node.core.shapes import pointer
from rtgf_node.errors import Code, RtgfError

ParameterType = Literal[
    "string",
    "boolean",
    "integer",
    "decimal",
    "money",
    "duration",
    "comparison",
    "rank",
    "choice",
    "list",
    "jurisdictions",
    "field_groups",
    "control",
    "datasets",
    "time",
    "utc_offset",
    "calendar",
]

# Longest list a clause may give: all jurisdictions of the world fit, and a plan stays small.
MAX_LIST_ITEMS = 300
# Longest text of one parameter; names of lists, events and mechanisms are words.
MAX_TEXT_CHARS = 128
# What a name scores that equals a listed alias: a threshold above it would let that party pass.
MAX_SCORE = Decimal("0.98")
# A comparison states whether the amount itself is still allowed; sources differ exactly there.
COMPARISONS = ("gt", "gte")

_WORD = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.:-]*")
_FIELD = re.compile(r"[a-z][a-z0-9_]*")


class ParameterSpec(Struct, frozen=True, forbid_unknown_fields=True, omit_defaults=True):
    """What a template says about one parameter.

    Attributes:
      type: the type a value must have.
      merge: the kind of the merge registry by which two jurisdictions' values become one.
      description: what the parameter means, for people.
      required: whether a clause must give it.
      choices: of a `choice` or a list the words allowed, of a `rank` the levels, lowest first.
    """

    type: ParameterType
    merge: str
    description: str
    required: bool = True
    choices: tuple[str, ...] = ()


def check(
    params: Mapping[str, JsonValue],
    specs: Mapping[str, ParameterSpec],
    *,
    controls: frozenset[str],
    calendars: frozenset[str] = frozenset(),
    place: tuple[str | int, ...] = (),
) -> None:
    """Hold every parameter to its declaration.

    Args:
      params: the parameters.
      specs: their declarations.
      controls: the ids in the control catalogue.
      calendars: the names of the library's calendars.
      place: where the parameters are.

    Raises:
      RtgfError: RTGF_POL_MATRIX_SCHEMA_INVALID for an unknown, missing or wrongly typed parameter,
        RTGF_MAP_CONTROL_UNKNOWN for a control that is not in the catalogue.
    """
    for name in sorted(params):
        if name not in specs:
            known = ", ".join(sorted(specs))
            raise _refusal(f"{name!r} is not a parameter; this template takes {known}", place, name)
    for name in sorted(specs):
        spec = specs[name]
        if name not in params:
            if spec.required:
                raise _refusal(f"the parameter {name!r} is missing", place, name)
            continue
        value = params[name]
        if spec.type == "calendar" and isinstance(value, str) and value not in calendars:
            known = ", ".join(sorted(calendars)) or "none"
            raise _refusal(f"the library has no calendar {value!r}; it has {known}", place, name)
        _check_value(value, spec, controls, (*place, name))


def _refusal(detail: str, place: tuple[str | int, ...], *more: str | int) -> RtgfError:
    return RtgfError(
        Code.RTGF_POL_MATRIX_SCHEMA_INVALID, detail, pointer=pointer(*place, *more) or None
    )


def _check_value(
    value: JsonValue, spec: ParameterSpec, controls: frozenset[str], place: tuple[str | int, ...]
) -> None:
    match spec.type:
        case "boolean":
            fits = isinstance(value, bool)
        case "integer":
            fits = isinstance(value, int) and not isinstance(value, bool)
        case "money":
            fits = _reads(money.parse, value)
        case "field_groups":
            fits = _is_list(value) and all(_is_words(group, _FIELD) for group in _items(value))
        case "list" | "datasets":
            fits = _is_words(value, _WORD)
            if spec.choices:
                fits = fits and {str(item) for item in _items(value)} <= set(spec.choices)
        case "jurisdictions":
            fits = _is_words(value, _WORD) and all(_is_jurisdiction(item) for item in _items(value))
        case "decimal":
            fits = _reads(money.parse_decimal, value)
            if fits and spec.merge == "sensitivity" and not 0 <= Decimal(str(value)) <= MAX_SCORE:
                raise _refusal(
                    f"a match score is from 0 to {MAX_SCORE}: an equal alias scores no more", place
                )
        case "duration":
            fits = _reads(duration.parse, value)
        case "comparison":
            fits = value in COMPARISONS
        case "rank" | "choice":
            fits = value in spec.choices
        case "time":
            fits = _reads(business_days.time_of_day, value)
        case "utc_offset":
            fits = _reads(business_days.offset, value)
        case "calendar":
            fits = _is_calendar(value, place)
        case "string":
            fits = _is_word(value, _WORD)
        case "control":
            fits = _is_word(value, _WORD)
            if fits and value not in controls:
                raise RtgfError(
                    Code.RTGF_MAP_CONTROL_UNKNOWN,
                    f"the control {value!r} is not in the control catalogue",
                    pointer=pointer(*place),
                )
    if not fits:
        words = f" ({', '.join(spec.choices or COMPARISONS)})" if _is_closed(spec) else ""
        raise _refusal(f"the value is not of type {spec.type}{words}", place)


def _is_closed(spec: ParameterSpec) -> bool:
    return bool(spec.choices) or spec.type == "comparison"


def _items(value: JsonValue) -> list[JsonValue]:
    return value if isinstance(value, list) else []


def _is_list(value: JsonValue) -> bool:
    return isinstance(value, list) and 0 < len(value) <= MAX_LIST_ITEMS


def _is_word(value: JsonValue, form: re.Pattern[str]) -> bool:
    return (
        isinstance(value, str)
        and len(value) <= MAX_TEXT_CHARS
        and form.fullmatch(value) is not None
    )


def _is_words(value: JsonValue, form: re.Pattern[str]) -> bool:
    items = _items(value)
    if not _is_list(value) or not all(_is_word(item, form) for item in items):
        return False
    return len(items) == len({str(item) for item in items})


def _is_jurisdiction(value: JsonValue) -> bool:
    try:
        return isinstance(value, str) and identifiers.jurisdiction(value) == value
    except RtgfError:
        return False


def _is_calendar(value: JsonValue, place: tuple[str | int, ...]) -> bool:
    """Return whether a clause names a calendar, or states one with these members and no others.

    Raises:
      RtgfError: RTGF_POL_MATRIX_SCHEMA_INVALID when it states one that is not well formed.
    """
    if not isinstance(value, dict):
        return _is_word(value, _WORD)
    try:
        business_days.read(value)
    except ValueError as error:
        raise _refusal(f"not a calendar: {error}", place) from None
    return value.keys() == business_days.MEMBERS


def _reads(reader: Callable[[object], object], value: JsonValue) -> bool:
    """Return whether the policy language itself would take the value as a literal."""
    try:
        reader(value)
    except ValueError:
        return False
    return True


def literal(value: JsonValue, spec: ParameterSpec) -> JsonValue:
    """Return a checked value as an expression literal of its type."""
    match spec.type:
        case "decimal" | "money" | "duration":
            return {spec.type: value}
        case "list" | "jurisdictions" | "datasets":
            words: list[JsonValue] = []
            words.extend(sorted(str(item) for item in _items(value)))
            return {"list": words}
        case _:
            return value
