"""A decision in words that an officer can give to a customer.

One sentence for the answer, then one for each rule that was not fulfilled or could not be decided:
which clause, which predicate, what was compared, and which law says so. Nothing in it comes from
the context: not a name, not an amount that somebody sent.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final, cast

from rtgf_node.core.canonical_json import JsonValue
from rtgf_node.core.policy.decide import Decision
from rtgf_node.core.policy.rule import compile_rule
from rtgf_node.core.policy.wording import Wording
from rtgf_node.errors import RtgfError

_ANSWERS: Final = {
    "PERMIT": "It is permitted",
    "PERMIT_WITH_CONTROLS": "It is permitted under controls",
    "DENY": "It is refused",
}
_PROBLEMS: Final = {
    "INPUT_MISSING": "{} was not given",
    "TYPE_MISMATCH": "{} is not given in the form that the rule needs",
    "CURRENCY_MISMATCH": "{} is in another currency than the one it is held against",
    "VALUE_OUT_OF_RANGE": "{} lies outside what can be worked out",
    "RESOLVER_ERROR": "{} check could not be made",
    "PREDICATE_INVALID": "the rule {} is not well formed",
    "PREDICATE_SET_EMPTY": "the token has no rules, and so permits nothing",
    "PREDICATE_SET_INVALID": "the token's rules cannot be read",
    "PLAN_INVALID": "the token's plan is not the plan of its rules",
}


def text(
    decision: Decision,
    predicate_set: Sequence[Mapping[str, Any]],
    *,
    references: Mapping[str, Mapping[str, str]] | None = None,
) -> str:
    """Return the explanation as text, one sentence a line; see `sentences`."""
    return "\n".join(sentences(decision, predicate_set, references=references))


def sentences(
    decision: Decision,
    predicate_set: Sequence[Mapping[str, Any]],
    *,
    references: Mapping[str, Mapping[str, str]] | None = None,
) -> list[str]:
    """Return the explanation of a decision.

    Args:
      decision: the decision, with its trace.
      predicate_set: the predicates of the token that was decided with.
      references: the normative references by id, `{instrument, title}`; without one, the law is
        named as the predicate's citation names it.
    """
    known = {str(predicate.get("id")): predicate for predicate in predicate_set}
    trace: Mapping[str, Any] = decision.trace
    steps: Sequence[Mapping[str, Any]] = trace.get("steps", ())
    said = [_summary(decision, steps)]
    for reason in decision.reasons:
        name = reason.partition(":")[0]
        if reason == "TYPE_MISMATCH:context" or name.startswith(("PREDICATE_", "PLAN_")):
            said.append(f"It could not be decided: {_problem(reason)}.")
    for step in steps:
        predicate = known.get(str(step.get("predicate")))
        if predicate is None or step.get("outcome") not in {"deny", "controls", "error"}:
            continue
        if "clause" in step:
            said.append(_sentence(step, predicate, references or {}))
    return said


def _summary(decision: Decision, steps: Sequence[Mapping[str, Any]]) -> str:
    applicable = [step for step in steps if step.get("outcome") != "not_applicable"]
    unmet = sum(step.get("outcome") != "satisfied" for step in applicable)
    answer = _ANSWERS[decision.decision]
    if decision.error:
        answer += " because it could not be decided"
    if decision.controls:
        answer += f" ({', '.join(decision.controls)})"
    return f"{answer}. Rules that apply: {len(applicable)}; not fulfilled: {unmet}."


def _sentence(
    step: Mapping[str, Any],
    predicate: Mapping[str, Any],
    references: Mapping[str, Mapping[str, str]],
) -> str:
    clause = f"Clause {step['clause']} ({predicate.get('jurisdiction')} {step['stage']})"
    rule = f"predicate {step['predicate']}"
    law = _law(predicate, references)
    reasons = [str(reason) for reason in step.get("reasons", ())]
    if step["outcome"] == "error":
        problems = " and ".join(_problem(reason) for reason in reasons)
        return f"{clause} could not be decided: {problems} ({rule}). Law: {law}."
    if step["outcome"] == "controls":
        follows = f"makes {', '.join(predicate['on_fail']['controls'])} due"
        if predicate["logic"] is not False:
            follows += f", for {_said(predicate, negated=True)}"
    else:
        follows = f"requires that {_said(predicate, negated=False)}; that is not so"
    return f"{clause} {follows} ({', '.join(reasons)}, {rule}). Law: {law}."


def _said(predicate: Mapping[str, Any], *, negated: bool) -> str:
    """Return what the rule asks for, or its opposite.

    Only a rule that compiles is put into words: that bounds their number.
    """
    try:
        compile_rule(cast("JsonValue", predicate))
    except RtgfError:
        return "its condition holds"
    derived = {str(one["name"]): one["expr"] for one in predicate.get("derive", ())}
    return Wording(derived).statement(predicate["logic"], negated=negated)


def _law(predicate: Mapping[str, Any], references: Mapping[str, Mapping[str, str]]) -> str:
    citation: Mapping[str, Any] = predicate.get("citation", {})
    ref = str(citation.get("ref"))
    named = references.get(ref, {})
    instrument = str(named.get("instrument") or citation.get("instrument") or ref)
    title = named.get("title")
    article = str(citation.get("article"))
    words = [f"{instrument} ({title})" if title and title != instrument else instrument]
    words.append(f"Article {article}" if article[:1].isdigit() else article)
    if citation.get("paragraph"):
        paragraph = str(citation["paragraph"])
        words.append(f"paragraph {paragraph}" if paragraph[:1].isalnum() else paragraph)
    return ", ".join(words)


def _problem(reason: str) -> str:
    kind, _, name = reason.partition(":")
    if kind == "PREDICATE_INVALID":
        return _PROBLEMS[kind].format(name)
    words = f"the {name.replace('.', ' ').replace('_', ' ')}"
    return _PROBLEMS.get(kind, reason).format(words)
