"""The values at which a change of rules can change a decision: just below, at, and just above.

A rule compares what a context says with what the law says. Where one of these comparisons is
another in the new rule, the questions to ask are those around both thresholds.
"""

from __future__ import annotations

import copy
from collections.abc import Iterator, Mapping, Sequence
from decimal import Decimal
from typing import Any, Final, NamedTuple

from rtgf_node.core import canonical_json
from rtgf_node.core.canonical_json import JsonValue
from rtgf_node.core.policy import duration, money
from rtgf_node.core.policy.applicability import CONDITIONS

MAX_PROBES: Final = 200
"""Questions about one clause. A list of all jurisdictions is longer; the first of it will do."""

OTHER_WORD: Final = "OTHER"
"""A word that is on no list, for the question what happens to everything else."""

ABSENT: Final = None
"""Stands for a member that the context does not have."""

_COMPARISONS: Final = frozenset(
    {"EQUALS", "NOT_EQUALS", "GT", "GTE", "LT", "LTE", "IN", "SUBSET_OF", "HAS_VALUE", "HAS_KEY"}
)


class Probe(NamedTuple):
    """A value to ask with, and the member of the context to put it at."""

    path: str
    value: JsonValue


def probes(old: Mapping[str, Any], new: Mapping[str, Any]) -> list[Probe]:
    """Return the questions on which two versions of a predicate may decide differently."""
    before, after = dict(_comparisons(old)), dict(_comparisons(new))
    differing = [before.get(key) or after[key] for key in sorted(before.keys() ^ after.keys())]
    found: dict[bytes, Probe] = {}
    for path, operator, literal in differing:
        for value in _around(operator, literal):
            probe = Probe(path, value)
            found.setdefault(canonical_json.canonical_bytes([path, value]), probe)
    return [*found.values()][:MAX_PROBES]


def occasion(predicate: Mapping[str, Any]) -> dict[str, JsonValue]:
    """Return a context in which the predicate applies, as far as words say it and not amounts."""
    made: dict[str, JsonValue] = {}
    for name, stated in sorted((predicate.get("applies_when") or {}).items()):
        value = stated[0] if isinstance(stated, list) else stated
        if not isinstance(value, dict):
            made = asked(made, Probe(CONDITIONS[name].path, value))
    return made


def asked(context: Mapping[str, Any], probe: Probe) -> dict[str, JsonValue]:
    """Return the context with the probe's value at its place."""
    made: dict[str, Any] = copy.deepcopy(dict(context))
    *way, last = probe.path.split(".")
    inner = made
    for step in way:
        found = inner.get(step)
        if not isinstance(found, dict):
            found = {}
            inner[step] = found
        inner = found
    if probe.value is ABSENT:
        inner.pop(last, None)
    else:
        inner[last] = probe.value
    return made


def _comparisons(
    predicate: Mapping[str, Any],
) -> Iterator[tuple[bytes, tuple[str, str, JsonValue]]]:
    """Yield every comparison of a member of the context with something that the rule states."""
    # What is worked out cannot be set, and an equivalent says the amount once more.
    passed_over = {"amount_equivalents", *(one["name"] for one in predicate.get("derive") or ())}
    trees = [predicate.get("logic"), *(one["expr"] for one in predicate.get("derive") or ())]
    for name, stated in (predicate.get("applies_when") or {}).items():
        condition = CONDITIONS[name]
        literal = {"list": stated} if isinstance(stated, list) else _typed(stated)
        trees.append({"op": "EQUALS", "args": [{"var": condition.path}, literal], "when": name})
    for tree in trees:
        for node in _nodes(tree):
            one = _compared(node)
            if one is not None and one[0].partition(".")[0] not in passed_over:
                yield canonical_json.canonical_bytes([*one, node.get("when")]), one


def _typed(stated: JsonValue) -> JsonValue:
    return {"money": stated} if isinstance(stated, dict) else stated


def _nodes(tree: Any) -> Iterator[dict[str, Any]]:  # noqa: ANN401 - any expression
    waiting = [tree]
    while waiting:
        node = waiting.pop()
        if isinstance(node, dict):
            yield node
            waiting += node.values()
        elif isinstance(node, list):
            waiting += node


def _compared(node: Mapping[str, Any]) -> tuple[str, str, JsonValue] | None:
    operator, args = node.get("op"), node.get("args")
    if operator not in _COMPARISONS or not isinstance(args, list) or not args:
        return None
    variables = [one["var"] for one in args if isinstance(one, dict) and "var" in one]
    if len(variables) != 1:
        return None
    if operator in {"HAS_VALUE", "HAS_KEY"}:
        members = [str(one) for one in args if not isinstance(one, dict)]
        return ".".join([variables[0], *members]), operator, None
    rest = [one for one in args if not (isinstance(one, dict) and "var" in one)]
    if len(rest) != 1 or (isinstance(rest[0], dict) and "op" in rest[0]):
        return None
    return variables[0], operator, rest[0]


def _around(operator: str, literal: JsonValue) -> list[JsonValue]:
    """Return the values below, at and above a literal; of a list its elements and another word."""
    if operator in {"HAS_VALUE", "HAS_KEY"}:
        return [ABSENT, "given"]
    if isinstance(literal, bool):
        return [False, True]
    if isinstance(literal, int):
        return [literal - 1, literal, literal + 1]
    if isinstance(literal, str):
        return [literal, OTHER_WORD]
    if isinstance(literal, dict):
        for kind, stated in literal.items():
            return _around_typed(operator, kind, stated)
    return []


def _around_typed(operator: str, kind: str, stated: Any) -> list[JsonValue]:  # noqa: ANN401 - any literal
    match kind:
        case "money":
            amount = money.parse(stated)
            return [{"value": value, "currency": amount.currency} for value in _steps(amount.value)]
        case "decimal":
            return [*_steps(money.parse_decimal(stated))]
        case "duration":
            length = duration.parse(stated)
            return [
                duration.to_text(length._replace(length=length.length + step))
                for step in (-1, 0, 1)
                if length.length + step >= 0
            ]
        case "list":
            words: Sequence[JsonValue] = [*stated, OTHER_WORD]
            return [[word] for word in words] if operator == "SUBSET_OF" else [*words]
        case _:
            return []


def _steps(value: Decimal) -> list[str]:
    exponent = value.as_tuple().exponent
    step = Decimal(1).scaleb(exponent if isinstance(exponent, int) else 0)
    return [f"{one:f}" for one in (value - step, value, value + step)]
