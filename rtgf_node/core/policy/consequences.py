"""Which decisions a change of rules changes: of the authorities' scenarios, and at the thresholds.

Scenarios are decided with all rules of either side. At a threshold the changed clause alone is
asked, old and new, so that no other rule hides what it says.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final

from msgspec import Struct

from rtgf_node.core import times
from rtgf_node.core.canonical_json import JsonValue
from rtgf_node.core.list_answers import ListAnswers
from rtgf_node.core.policy import boundaries, decide, plan
from rtgf_node.core.policy.boundaries import Probe
from rtgf_node.core.policy.difference import Rules
from rtgf_node.core.policy.templates import Library
from rtgf_node.core.snapshot import Scenario

MAX_SCENARIOS: Final = 20
"""Scenarios whose contexts are settings for questions at thresholds; a few tell all there is."""


class Outcome(Struct, frozen=True):
    """A decision, without its trace."""

    decision: str
    reasons: tuple[str, ...]
    controls: tuple[str, ...]


class ScenarioOutcome(Struct, frozen=True):
    """A scenario under the old and the new rules.

    Attributes:
      missing: the lists that neither could be decided without; their rules denied.
    """

    scenario: str
    old: Outcome
    new: Outcome
    missing: tuple[str, ...]

    @property
    def differs(self) -> bool:
        """Whether it is decided otherwise now."""
        return self.old != self.new


class BoundaryOutcome(Struct, frozen=True):
    """A question at a threshold of a changed clause, answered by that clause alone.

    Attributes:
      path, value: the member of the context, and what it is set to; null where it is left out.
    """

    clause: str
    path: str
    value: Any
    old: Outcome
    new: Outcome

    @property
    def differs(self) -> bool:
        """Whether it is decided otherwise now."""
        return self.old != self.new


def of_scenarios(old: Rules, new: Rules, answers: ListAnswers) -> tuple[ScenarioOutcome, ...]:
    """Return how each scenario of either side is decided by both.

    A scenario of a corridor is left out: it is about the rules of two snapshots.
    """
    contexts = {one.name: one.context for one in old.scenarios if one.corridor is None}
    contexts |= {one.name: one.context for one in new.scenarios if one.corridor is None}
    at = _moment(old, new)
    before, after = _prepared(old.predicates), _prepared(new.predicates)
    found = []
    for name in sorted(contexts):
        answers.forget()
        outcomes = [_decide(rules, contexts[name], at, answers) for rules in (before, after)]
        missing = tuple(sorted(answers.missing))
        found.append(ScenarioOutcome(name, outcomes[0], outcomes[1], missing))
    return tuple(found)


def at_boundaries(
    old: Rules, new: Rules, library: Library, answers: ListAnswers
) -> tuple[BoundaryOutcome, ...]:
    """Return how the questions around every changed threshold are answered, old and new."""
    before, after = _by_clause(old), _by_clause(new)
    at = _moment(old, new)
    found: list[BoundaryOutcome] = []
    for key in sorted(before.keys() & after.keys()):
        a, b = before[key], after[key]
        wanted = boundaries.probes(a, b)
        if not wanted:
            continue
        bases = _bases(b, [*old.scenarios, *new.scenarios], library)
        rules = _prepared([a]), _prepared([b])
        found += [_ask(f"{key[0]} {key[1]}", one, bases, rules, at, answers) for one in wanted]
    return tuple(found)


def _ask(
    clause: str,
    probe: Probe,
    bases: Sequence[Mapping[str, Any]],
    rules: tuple[decide.Prepared, decide.Prepared],
    at: int,
    answers: ListAnswers,
) -> BoundaryOutcome:
    """Ask in one setting after another, until the clause answers otherwise than it did."""
    told: list[BoundaryOutcome] = []
    for base in bases:
        context = boundaries.asked(base, probe)
        old, new = (_decide(one, context, at, answers) for one in rules)
        told.append(BoundaryOutcome(clause, probe.path, probe.value, old, new))
        if told[-1].differs and not _errors(told[-1]):
            return told[-1]
    # An error answers nothing: a setting in which the rule can be decided comes first.
    return min(told, key=lambda one: (not one.differs, _errors(one)))


def _errors(one: BoundaryOutcome) -> int:
    return sum(":" in reason for outcome in (one.old, one.new) for reason in outcome.reasons)


def _bases(
    predicate: Mapping[str, Any], scenarios: Sequence[Scenario], library: Library
) -> list[dict[str, Any]]:
    """Return settings to ask in: the scenarios', the template's examples, and both together."""
    known = library.templates.get(str(predicate["template"]))
    examples = [one.context for one in known.examples] if known is not None else []
    lawful = [one.context for one in scenarios[:MAX_SCENARIOS]]
    occasion = boundaries.occasion(predicate)
    both = [setting | example for setting in [*lawful, occasion] for example in examples]
    return [*lawful, *examples, *both, occasion]


def _decide(
    rules: decide.Prepared, context: Mapping[str, Any], at: int, answers: ListAnswers
) -> Outcome:
    asked: JsonValue = dict(context)
    one = decide.run(rules, asked, at=at, resolvers=answers.resolvers)
    return Outcome(one.decision, one.reasons, one.controls)


def _prepared(predicates: Sequence[Mapping[str, Any]]) -> decide.Prepared:
    documents = [dict(one) for one in predicates]
    return decide.prepare(documents, plan.make(documents))


def _by_clause(rules: Rules) -> dict[tuple[str, str], Mapping[str, Any]]:
    return {(str(one["jurisdiction"]), str(one["clause_id"])): one for one in rules.predicates}


def _moment(old: Rules, new: Rules) -> int:
    """Return when both are asked: when the later of the two takes effect."""
    return max(times.parse(old.at), times.parse(new.at))
