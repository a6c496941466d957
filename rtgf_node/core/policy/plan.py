"""The plan: the one order in which a token's predicates are evaluated and reported.

Obligations come first, then prohibitions, then controls; within a group the order is that of clause
ids, then predicate ids. The order in which predicates were given never matters.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Final, NamedTuple, cast

from rtgf_node.core import digests
from rtgf_node.core.canonical_json import JsonValue, canonical_bytes, parse
from rtgf_node.core.policy.rule import Rule, compile_rule
from rtgf_node.errors import Code, RtgfError

COMBINING: Final = "deny-overrides"
STAGES: Final = ("obligation", "prohibition", "control")

MAX_PREDICATES: Final = 4096
"""Predicates of one token; the richest corridors have some dozens."""

_PREFIX: Final = "sha256:"


class Plan(NamedTuple):
    """The document of a plan, and its canonical text."""

    document: dict[str, JsonValue]
    text: bytes


def make(predicates: Sequence[Mapping[str, JsonValue]]) -> dict[str, JsonValue]:
    """Return the plan of a set of predicates; see `written`."""
    return written(predicates).document


def written(
    predicates: Sequence[Mapping[str, JsonValue]], *, parts: Iterable[JsonValue] = ()
) -> Plan:
    """Return the plan of a set of predicates, and its canonical text.

    Args:
      predicates: in any order.
      parts: plans that were made of some of them before; those are not compiled again.

    Raises:
      RtgfError: RTGF_MAP_EXPRESSION_INVALID if a predicate is not well formed, two have the same
        id, or there are too many.
    """
    if len(predicates) > MAX_PREDICATES:
        raise RtgfError(
            Code.RTGF_MAP_EXPRESSION_INVALID, f"a plan has at most {MAX_PREDICATES} predicates"
        )
    steps = {step["predicate"]: step for part in parts for step in _sequence(part)}
    ranked: list[tuple[int, str, str, JsonValue]] = []
    seen: set[str] = set()
    for index, predicate in enumerate(predicates):
        known = predicate.get("id")
        step = steps.get(known) if isinstance(known, str) else None
        step = step or _step(_rule(predicate, index))
        identifier = str(step["predicate"])
        if identifier in seen:
            raise RtgfError(
                Code.RTGF_MAP_EXPRESSION_INVALID,
                f"two predicates have the id {identifier}",
                pointer=f"/{index}/id",
            )
        seen.add(identifier)
        rank = STAGES.index(str(step["stage"]))
        ranked.append((rank, str(predicate["clause_id"]), identifier, step))
    return _plan([step for *_, step in sorted(ranked)])


def _sequence(part: JsonValue) -> list[dict[str, JsonValue]]:
    assert isinstance(part, dict)
    return cast("list[dict[str, JsonValue]]", part["sequence"])


def _rule(predicate: Mapping[str, JsonValue], index: int) -> Rule:
    try:
        return compile_rule(parse(canonical_bytes(dict(predicate))))
    except RtgfError as error:
        raise RtgfError(
            error.code, error.detail, pointer=f"/{index}{error.pointer or ''}"
        ) from error


def arrange(rules: Iterable[Rule]) -> list[Rule]:
    """Return rules in the order of the plan."""
    return sorted(
        rules,
        key=lambda rule: (
            STAGES.index(rule.predicate.kind),
            rule.predicate.clause_id,
            rule.predicate.id,
        ),
    )


def describe(rules: Iterable[Rule]) -> dict[str, JsonValue]:
    """Return the plan document of rules that are in order."""
    return _plan([_step(rule) for rule in rules]).document


def _step(rule: Rule) -> dict[str, JsonValue]:
    return {
        "stage": rule.predicate.kind,
        "predicate": rule.predicate.id,
        "ops": list(rule.operators),
    }


def _plan(sequence: list[JsonValue]) -> Plan:
    steps = canonical_bytes(sequence)
    content: dict[str, JsonValue] = {"combining": COMBINING}
    identifier = digests.sha256(_text(content, steps)).removeprefix(_PREFIX)[:12]
    content["eval_plan_id"] = f"plan.{identifier}"
    content["hash"] = digests.sha256(_text(content, steps))
    return Plan({**content, "sequence": sequence}, _text(content, steps))


def _text(members: dict[str, JsonValue], steps: bytes) -> bytes:
    """Return the text of a plan; its other members are ordered before its sequence."""
    return b'%b,"sequence":%b}' % (canonical_bytes(members)[:-1], steps)


def check(document: JsonValue, predicate_set: Sequence[Mapping[str, JsonValue]]) -> None:
    """Hold a plan to be the one plan of a set of predicates.

    Raises:
      RtgfError: RTGF_TOKEN_SCHEMA_INVALID if it is another; RTGF_MAP_EXPRESSION_INVALID if the
        predicates are not well formed.
    """
    if document != make(predicate_set):
        raise RtgfError(
            Code.RTGF_TOKEN_SCHEMA_INVALID,
            "eval_plan is not the plan of predicate_set; rebuild the token",
            pointer="/eval_plan",
        )
