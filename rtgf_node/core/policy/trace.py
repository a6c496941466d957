"""The trace of a decision: every step, reproducible to the byte, and free of personal data.

A trace carries digests of what was read, results of what was asked, and citations; never a value
of the context. Whoever holds the context can check every digest; whoever does not learns nothing
but which rules said what.

A trace is made as text, in its canonical form (RFC 8785): members in order, nothing between them.
What is the same in every decision of a token is written once, when the token is prepared.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Final, NamedTuple, cast

import msgspec

from rtgf_node.core.canonical_json import JsonValue, canonical_bytes
from rtgf_node.core.policy.rule import Finding, Outcome, Rule

MAX_ANSWERS: Final = 64
"""Answers of one rule's operators whose text is kept. A rule without digests has fewer."""

_APPLIES: Final = (True, False, None)
_PLAIN_OUTCOMES: Final[tuple[Outcome, ...]] = ("satisfied", "not_applicable")


class Step(NamedTuple):
    """What stays the same in every step of one rule.

    Attributes:
      opening: the text up to the inputs, by whether the rule applies.
      inputs: the slots that the rule reads from the context, in the order of their names.
      closing: the text after the operators, by outcome, but for an error.
      failing: the outcome `error` with the text before and after its reasons.
      answers: the text of operators by what they noted, for the answers given lately.
    """

    opening: Mapping[bool | None, str]
    inputs: tuple[int, ...]
    closing: Mapping[Outcome, str]
    failing: tuple[str, str]
    answers: dict[tuple[str, ...], str]


def prepare(rule: Rule) -> Step:
    """Return what stays the same in every step of a rule."""
    predicate = rule.predicate
    members = cast("dict[str, JsonValue]", msgspec.to_builtins(predicate.citation))
    citation = text({name: value for name, value in members.items() if value is not None})
    before = f'"citation":{citation},"clause":{text(predicate.clause_id)},"inputs":{{'
    after = f',"predicate":{text(predicate.id)},"reasons":'
    stage = f',"stage":{text(predicate.kind)}}},'

    def closing(outcome: Outcome, reasons: list[JsonValue]) -> str:
        return f'}},"outcome":{text(outcome)}{after}{text(reasons)}{stage}'

    return Step(
        opening={each: f'{{"applies":{text(each)},{before}' for each in _APPLIES},
        inputs=rule.reads,
        closing={
            **{outcome: closing(outcome, []) for outcome in _PLAIN_OUTCOMES},
            rule.unfulfilled.outcome: closing(rule.unfulfilled.outcome, [predicate.on_fail.reason]),
        },
        failing=(f'}},"outcome":"error"{after}', stage),
        answers={},
    )


def step(
    kept: Step, finding: Finding, *, inputs: Sequence[str], operators: Iterable[str]
) -> tuple[str, ...]:
    """Return the step of one rule, in the parts of its text; a comma follows it.

    Args:
      kept: what stays the same in every step of the rule.
      finding: what the rule said.
      inputs: of every slot filled so far, the member that names it and its digest.
      operators: what each operator gave, as the member `<JSON Pointer> <name>`; an operator that
        is not there was not reached.
    """
    if finding.outcome == "error":
        before, after = kept.failing
        closing = f"{before}{names(finding.reasons)}{after}"
    else:
        closing = kept.closing[finding.outcome]
    read = ",".join([inputs[slot] for slot in kept.inputs if inputs[slot]])
    noted = tuple(operators)
    answered = kept.answers.get(noted)
    if answered is None:
        if len(kept.answers) >= MAX_ANSWERS:
            kept.answers.clear()
        # No member's name begins another's: sorted members are in the order of their names.
        answered = kept.answers[noted] = f'}},"operators":{{{",".join(sorted(noted))}'
    return kept.opening[finding.applies], read, answered, closing


def broken_step(identifier: str, reason: str) -> str:
    """Return the step of a predicate that is not well formed and so could not be asked."""
    return text({"predicate": identifier, "outcome": "error", "reasons": [reason]}) + ","


def names(given: Sequence[str]) -> str:
    """Return the canonical JSON of a list of texts."""
    return text(list(given)) if given else "[]"


def text(value: JsonValue) -> str:
    """Return the canonical JSON of a value."""
    return canonical_bytes(value).decode()
