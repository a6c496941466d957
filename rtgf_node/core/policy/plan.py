"""The plan: the one order in which a token's predicates are evaluated and reported.

Obligations come first, then prohibitions, then controls; within a group the order is that of clause
ids, then predicate ids. The order in which predicates were given never matters.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from functools import lru_cache
from typing import Final

from rtgf_node.core import digests
from rtgf_node.core.canonical_json import JsonValue, canonical_bytes, parse
from rtgf_node.core.policy.rule import Rule, compile_rule
from rtgf_node.errors import Code, RtgfError

COMBINING: Final = "deny-overrides"
STAGES: Final = ("obligation", "prohibition", "control")

MAX_PREDICATES: Final = 4096
"""Predicates of one token; the richest corridors have some dozens."""

RULES_KEPT: Final = 4096
"""Compiled predicates that are remembered: twice what 60 jurisdictions in 4 domains have."""

_PREFIX: Final = "sha256:"


def make(predicates: Sequence[Mapping[str, JsonValue]]) -> dict[str, JsonValue]:
    """Return the plan of a set of predicates.

    Raises:
      RtgfError: RTGF_MAP_EXPRESSION_INVALID if a predicate is not well formed, two have the same
        id, or there are too many.
    """
    if len(predicates) > MAX_PREDICATES:
        raise RtgfError(
            Code.RTGF_MAP_EXPRESSION_INVALID, f"a plan has at most {MAX_PREDICATES} predicates"
        )
    rules: list[Rule] = []
    seen: set[str] = set()
    for index, predicate in enumerate(predicates):
        try:
            rule = _rule(canonical_bytes(dict(predicate)))
        except RtgfError as error:
            raise RtgfError(
                error.code, error.detail, pointer=f"/{index}{error.pointer or ''}"
            ) from error
        if rule.predicate.id in seen:
            raise RtgfError(
                Code.RTGF_MAP_EXPRESSION_INVALID,
                f"two predicates have the id {rule.predicate.id}",
                pointer=f"/{index}/id",
            )
        seen.add(rule.predicate.id)
        rules.append(rule)
    return describe(arrange(rules))


@lru_cache(maxsize=RULES_KEPT)
def _rule(canonical: bytes) -> Rule:
    """Return the compiled rule of a predicate; a corridor's are those of its two jurisdictions."""
    return compile_rule(parse(canonical))


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


def describe(rules: Sequence[Rule]) -> dict[str, JsonValue]:
    """Return the plan document of rules that are in order."""
    content: dict[str, JsonValue] = {
        "combining": COMBINING,
        "sequence": [
            {
                "stage": rule.predicate.kind,
                "predicate": rule.predicate.id,
                "ops": list(rule.operators),
            }
            for rule in rules
        ],
    }
    identifier = digests.of_document(content).removeprefix(_PREFIX)[:12]
    document: dict[str, JsonValue] = {"eval_plan_id": f"plan.{identifier}", **content}
    return {**document, "hash": digests.of_document(document)}


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
