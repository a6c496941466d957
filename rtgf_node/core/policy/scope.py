"""When a clause applies: the fixed set of occasions, and the days on which it is valid."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from rtgf_node.core.canonical_json import JsonValue
from rtgf_node.core.policy import money
from rtgf_node.core.shapes import pointer
from rtgf_node.errors import Code, RtgfError

# Each occasion that `applies_when` may name: the context variable it is about and its type.
OCCASIONS: Mapping[str, tuple[str, str]] = {
    "amount_gt": ("amount", "money"),
    "amount_gte": ("amount", "money"),
    "beneficiary_kind": ("beneficiary.kind", "string"),
    "crossborder": ("crossborder", "boolean"),
    "data_category": ("data_category", "string"),
    "instrument": ("instrument", "string"),
    "originator_kind": ("originator.kind", "string"),
    "purpose": ("purpose", "string"),
    "risk_class": ("risk_class", "string"),
    "suspicion": ("suspicion", "boolean"),
}
# Most words that one occasion may list.
MAX_WORDS = 50


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
        if name not in OCCASIONS:
            raise _refusal(f"{name!r} is none of {', '.join(OCCASIONS)}", (*place, name))
        if not _fits(applies_when[name], OCCASIONS[name][1]):
            raise _refusal(f"the value is not of type {OCCASIONS[name][1]}", (*place, name))


def _fits(value: object, kind: str) -> bool:
    if kind == "boolean":
        return isinstance(value, bool)
    if kind == "money":
        try:
            money.parse(value)
        except ValueError:
            return False
        return True
    words = value if isinstance(value, list) else [value]
    return 0 < len(words) <= MAX_WORDS and all(isinstance(w, str) and w for w in words)


def _refusal(detail: str, place: tuple[str | int, ...]) -> RtgfError:
    return RtgfError(Code.RTGF_POL_MATRIX_SCHEMA_INVALID, detail, pointer=pointer(*place))


def expression(applies_when: Mapping[str, Any]) -> tuple[JsonValue, list[dict[str, JsonValue]]]:
    """Return the expression that holds on these occasions, and the inputs it reads."""
    tests: list[JsonValue] = []
    inputs: dict[str, dict[str, JsonValue]] = {}
    for name in sorted(applies_when):
        variable, kind = OCCASIONS[name]
        value = applies_when[name]
        root, _, member = variable.partition(".")
        inputs[root] = {"name": root, "type": "party" if member else kind, "required": False}
        tests.append(_test(name, variable, value))
    return (tests[0] if len(tests) == 1 else {"op": "AND", "args": tests}), list(inputs.values())


def _test(name: str, variable: str, value: JsonValue) -> JsonValue:
    read: JsonValue = {"var": variable}
    if name in {"amount_gt", "amount_gte"}:
        return {"op": name.removeprefix("amount_").upper(), "args": [read, {"money": value}]}
    if isinstance(value, list):
        return {"op": "IN", "args": [read, {"list": value}]}
    return {"op": "EQUALS", "args": [read, value]}


def while_in_force(logic: JsonValue, *, valid_from: str | None, valid_to: str | None) -> JsonValue:
    """Return `logic`, demanded only on the days on which the clause is valid.

    A snapshot may state a rule that begins or ends inside its own window. Both days belong to it.
    """
    outside: list[JsonValue] = []
    if valid_from is not None:
        outside.append({"op": "LT", "args": [_NOW, {"date": valid_from[:10]}]})
    if valid_to is not None:
        outside.append({"op": "GT", "args": [_NOW, {"date": valid_to[:10]}]})
    return {"op": "OR", "args": [*outside, logic]} if outside else logic


_NOW: JsonValue = {"op": "NOW", "args": []}
