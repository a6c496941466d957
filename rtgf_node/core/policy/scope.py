"""When a clause applies, as its authority states it: the occasions, and the days of its validity.

`applicability` decides at run time whether a rule applies; here a clause's statement is held to the
same vocabulary at the door, and written as an expression where an exception needs one.
"""

from __future__ import annotations

from collections.abc import Mapping
from math import inf
from typing import Any

from rtgf_node.core import times
from rtgf_node.core.canonical_json import JsonValue
from rtgf_node.core.policy.applicability import (
    CONDITIONS,
    MAX_CHOICES,
    Condition,
    equivalent_path,
)
from rtgf_node.core.policy.values import reader_of
from rtgf_node.core.shapes import pointer
from rtgf_node.core.snapshot import instant
from rtgf_node.errors import Code, RtgfError


def check(applies_when: Mapping[str, Any] | None, *, place: tuple[str | int, ...]) -> None:
    """Hold `applies_when` to the fixed set of occasions and their types.

    Raises:
      RtgfError: RTGF_POL_MATRIX_SCHEMA_INVALID, with a pointer.
    """
    if applies_when is None:
        return
    if not applies_when:
        raise _refusal("name an occasion, or leave applies_when out", place)
    for name in sorted(applies_when):
        condition = CONDITIONS.get(name)
        if condition is None:
            raise _refusal(f"{name!r} is none of {', '.join(CONDITIONS)}", (*place, name))
        value = applies_when[name]
        choices = value if isinstance(value, list) else [value]
        if condition.comparison != "among" and isinstance(value, list):
            raise _refusal("state one amount", (*place, name))
        if not 0 < len(choices) <= MAX_CHOICES:
            raise _refusal(f"list 1 to {MAX_CHOICES} values", (*place, name))
        try:
            for choice in choices:
                reader_of(condition.path, condition.type)(choice)
        except ValueError as error:
            raise _refusal(f"not a {condition.type.value}: {error}", (*place, name)) from None


def _refusal(detail: str, place: tuple[str | int, ...]) -> RtgfError:
    return RtgfError(Code.RTGF_POL_MATRIX_SCHEMA_INVALID, detail, pointer=pointer(*place))


def expression(applies_when: Mapping[str, Any]) -> tuple[JsonValue, list[dict[str, JsonValue]]]:
    """Return the expression that holds on these occasions, and the inputs it reads."""
    tests: list[JsonValue] = []
    inputs: dict[str, dict[str, JsonValue]] = {}
    for name in sorted(applies_when):
        condition = CONDITIONS[name]
        root, _, member = condition.path.partition(".")
        kind = "party" if member else condition.type.value
        inputs[root] = {"name": root, "type": kind, "required": False}
        read: JsonValue = {"var": condition.path}
        value: JsonValue = applies_when[name]
        if condition.comparison != "among":
            assert isinstance(value, dict)  # `check` saw to it
            other = equivalent_path(value)
            inputs[other] = {"name": other, "type": condition.type.value, "required": False}
            tests.append(_beyond_amount(condition, value))
        elif isinstance(value, list):
            tests.append({"op": "IN", "args": [read, {"list": value}]})
        else:
            tests.append({"op": "EQUALS", "args": [read, value]})
    return (tests[0] if len(tests) == 1 else {"op": "AND", "args": tests}), list(inputs.values())


def _beyond_amount(condition: Condition, limit: dict[str, JsonValue]) -> JsonValue:
    """Return that an amount, or in another currency its equivalent, is beyond a limit."""
    held: list[JsonValue] = []
    for same, path in (("EQUALS", condition.path), ("NOT_EQUALS", equivalent_path(limit))):
        in_it: JsonValue = {"var": f"{condition.path}.currency"}
        compared: list[JsonValue] = [{"var": path}, {condition.type.value: limit}]
        tests: list[JsonValue] = [
            {"op": same, "args": [in_it, limit["currency"]]},
            {"op": condition.comparison.upper(), "args": compared},
        ]
        held.append({"op": "AND", "args": tests})
    return {"op": "OR", "args": held}


def validity(predicate: Mapping[str, Any]) -> tuple[float, float]:
    """Return the first and the last second of a predicate's validity; without an end, infinity.

    Raises:
      RtgfError: RTGF_INPUT_INVALID when one of them is no date or time.
    """
    begins, ends = predicate.get("valid_from"), predicate.get("valid_to")
    return (
        -inf if begins is None else instant(begins),
        inf if ends is None else instant(ends, ends=True),
    )


def while_in_force(logic: JsonValue, *, valid_from: str | None, valid_to: str | None) -> JsonValue:
    """Return `logic`, demanded only while the clause is valid; both of its days belong to it.

    A snapshot may state a rule that begins or ends inside the snapshot's own window.

    Raises:
      RtgfError: RTGF_INPUT_INVALID when one of them is no date or time.
    """
    outside = _beyond(valid_from, valid_to, before="LT", after="GT")
    return {"op": "OR", "args": [*outside, logic]} if outside else logic


def only_in_force(logic: JsonValue, *, valid_from: str | None, valid_to: str | None) -> JsonValue:
    """Return `logic` of an exception, which excuses nothing outside the days of its validity.

    Raises:
      RtgfError: RTGF_INPUT_INVALID when one of them is no date or time.
    """
    inside = _beyond(valid_from, valid_to, before="GTE", after="LTE")
    return {"op": "AND", "args": [*inside, logic]} if inside else logic


def _beyond(
    valid_from: str | None, valid_to: str | None, *, before: str, after: str
) -> list[JsonValue]:
    """Return the comparisons of now with the first second of validity, and with the last."""
    found: list[JsonValue] = []
    if valid_from is not None:
        begins = times.to_text(instant(valid_from))
        found.append({"op": before, "args": [_NOW, {"datetime": begins}]})
    if valid_to is not None:
        ends = times.to_text(instant(valid_to, ends=True))
        found.append({"op": after, "args": [_NOW, {"datetime": ends}]})
    return found


_NOW: JsonValue = {"op": "NOW", "args": []}
