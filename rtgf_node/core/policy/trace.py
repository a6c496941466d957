"""The trace of a decision: every step, reproducible to the byte, and free of personal data.

A trace carries digests of what was read, results of what was asked, and citations; never a value
of the context. Whoever holds the context can check every digest; whoever does not learns nothing
but which rules said what.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import cast

import msgspec

from rtgf_node.core.canonical_json import JsonValue
from rtgf_node.core.policy.rule import Finding, Rule


def citation_of(rule: Rule) -> JsonValue:
    """Return the citation of a rule as a trace repeats it."""
    source = rule.predicate.citation
    members = cast("dict[str, JsonValue]", msgspec.to_builtins(source))
    return {name: value for name, value in members.items() if value is not None}


def step(
    rule: Rule,
    finding: Finding,
    *,
    citation: JsonValue,
    digests: Sequence[str],
    operators: dict[str, JsonValue],
) -> JsonValue:
    """Return the step of one rule.

    Args:
      rule: the rule.
      finding: what it said.
      citation: `citation_of(rule)`, which the caller keeps from one decision to the next.
      digests: the digest of every slot filled so far; the step names those that the rule reads.
      operators: what each operator gave, by `<JSON Pointer> <name>`; an operator that is not there
        was not reached.
    """
    predicate = rule.predicate
    return {
        "predicate": predicate.id,
        "clause": predicate.clause_id,
        "stage": predicate.kind,
        "inputs": {name: digests[slot] for name, slot in rule.reads if digests[slot]},
        "applies": finding.applies,
        "operators": operators,
        "outcome": finding.outcome,
        "reasons": cast("list[JsonValue]", finding.reasons),
        "citation": citation,
    }


def broken_step(identifier: str, reason: str) -> JsonValue:
    """Return the step of a predicate that is not well formed and so could not be asked."""
    return {"predicate": identifier, "outcome": "error", "reasons": [reason]}
