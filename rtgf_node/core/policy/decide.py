"""Decide: a token's rules, a context, resolvers and a time in; a decision and its trace out.

Deny overrides controls, and controls override permit. Every rule is evaluated and every one that is
not satisfied is reported, in the order of the plan, so nothing hides behind anything else. Nothing
that stands in a context can raise: what cannot be decided is denied.

The same inputs give the same bytes. Nothing here reads a clock, a file or the environment.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from functools import lru_cache
from typing import Any, Final, Literal, NamedTuple

import orjson
from msgspec import Struct

from rtgf_node.core import digests, times
from rtgf_node.core.canonical_json import JsonValue, canonical_bytes
from rtgf_node.core.envelope import Token
from rtgf_node.core.policy import plan, trace
from rtgf_node.core.policy.node import Frame, Resolver
from rtgf_node.core.policy.rule import Rule, compile_rule
from rtgf_node.core.policy.slots import UNREAD, Slots
from rtgf_node.core.policy.values import TYPE_MISMATCH
from rtgf_node.errors import RtgfError

__all__ = ["Decision", "Prepared", "Resolver", "decide", "prepare", "run"]

PREDICATE_INVALID: Final = "PREDICATE_INVALID"
PREDICATE_SET_INVALID: Final = "PREDICATE_SET_INVALID"
PREDICATE_SET_EMPTY: Final = "PREDICATE_SET_EMPTY"
PLAN_INVALID: Final = "PLAN_INVALID"

MAX_IDENTIFIER_CHARS: Final = 256
"""Characters of a broken predicate's id that a reason repeats."""


class Decision(Struct, frozen=True):
    """What is decided, and why.

    Attributes:
      decision: the answer.
      reasons: why it is not a plain permit, in the order of the plan, each once.
      controls: what must be done besides, in the order of the plan, each once.
      trace_bytes: the trace: every step, in canonical JSON without personal data.
      trace_digest: the digest of those bytes.
      error: true for a DENY that rests on errors alone: no rule said deny, but some could not be
        evaluated. Another context, or a resolver that works again, may change such an answer.
    """

    decision: Literal["PERMIT", "PERMIT_WITH_CONTROLS", "DENY"]
    reasons: tuple[str, ...]
    controls: tuple[str, ...]
    trace_bytes: bytes
    trace_digest: str
    error: bool

    @property
    def trace(self) -> Any:  # noqa: ANN401 - a JSON object, which callers look into
        """The trace as JSON, read anew from its bytes."""
        return orjson.loads(self.trace_bytes)


class _Broken(NamedTuple):
    """A predicate that is not well formed. It denies whatever the context says."""

    reason: str
    step: str


class Prepared(NamedTuple):
    """A token's rules, compiled once for any number of decisions.

    Attributes:
      rules: in the order of the plan, each with the lasting part of its step in a trace.
      broken: the predicates that did not compile.
      faults: reasons that deny whatever the context says: those of `broken`, and of the plan.
      causes: what was found wrong when compiling, for the node's operator.
      slots: how many there are.
      plan: the members of a trace that name the plan which is followed.
      timed: whether any rule looks at the time.
    """

    rules: tuple[tuple[Rule, trace.Step], ...]
    broken: tuple[_Broken, ...]
    faults: tuple[str, ...]
    causes: tuple[RtgfError, ...]
    slots: int
    plan: str
    timed: bool


def decide(
    token: Token | Mapping[str, JsonValue],
    context: JsonValue,
    *,
    at: int,
    resolvers: Mapping[str, Resolver],
) -> Decision:
    """Return the decision of a token, or of a token's document, on a context at a time.

    The token is taken at its word: its signatures and its window are checked elsewhere. Whoever
    decides often with one token keeps what `prepare` returns.
    """
    if isinstance(token, Mapping):
        prepared = prepare(token.get("predicate_set"), token.get("eval_plan"))
    else:
        prepared = prepare(token.predicate_set, token.eval_plan)
    return run(prepared, context, at=at, resolvers=resolvers)


def prepare(predicate_set: Any, eval_plan: Any) -> Prepared:  # noqa: ANN401 - of any token at all
    """Return a token's rules, compiled. This never raises: what is not well formed will deny."""
    faults: list[str] = []
    causes: list[RtgfError] = []
    broken: list[_Broken] = []
    rules: list[Rule] = []
    slots = Slots()
    documents: list[JsonValue] = predicate_set if type(predicate_set) is list else []
    if type(predicate_set) is not list or len(documents) > plan.MAX_PREDICATES:
        faults.append(PREDICATE_SET_INVALID)
        documents = []
    elif not documents:
        # Rules that were all waived, or never written, vouch for nothing.
        faults.append(PREDICATE_SET_EMPTY)
    seen: set[str] = set()
    for index, document in enumerate(documents):
        identifier = _identifier(document, index)
        try:
            # What has no canonical form cannot have come out of a signed token.
            canonical_bytes(document)
            rule = compile_rule(document, slots)
        except RtgfError as error:
            causes.append(error)
        else:
            if identifier not in seen:
                seen.add(identifier)
                rules.append(rule)
                continue
        reason = f"{PREDICATE_INVALID}:{identifier}"
        broken.append(_Broken(reason, trace.broken_step(identifier, reason)))
    rules = plan.arrange(rules)
    expected = plan.describe(rules)
    faults += [one.reason for one in broken]
    if not faults and eval_plan != expected:
        faults.append(PLAN_INVALID)
    return Prepared(
        rules=tuple((rule, trace.prepare(rule)) for rule in rules),
        broken=tuple(broken),
        faults=tuple(faults),
        causes=tuple(causes),
        slots=len(slots.places),
        plan=(
            f'"eval_plan_hash":{trace.text(expected["hash"])},'
            f'"eval_plan_id":{trace.text(expected["eval_plan_id"])}'
        ),
        timed=any(rule.timed for rule in rules),
    )


def run(
    prepared: Prepared,
    context: JsonValue,
    *,
    at: int,
    resolvers: Mapping[str, Resolver],
) -> Decision:
    """Return the decision on a context at a time."""
    moment = _moment(at)
    reasons = list(prepared.faults)
    if type(context) is not dict:
        reasons.append(f"{TYPE_MISMATCH}:context")
        context = {}
    undecided = bool(reasons)
    denied = False
    controls: list[str] = []
    parts = ["", *(one.step for one in prepared.broken)]
    found = [""] * prepared.slots
    results: list[str] = []
    frame = Frame(at, resolvers, [UNREAD] * prepared.slots, results.append)
    for rule, kept in prepared.rules:
        results.clear()
        finding = rule.evaluate(frame, context, found)
        parts += trace.step(kept, finding, inputs=found, operators=results)
        if finding.reasons:
            reasons += finding.reasons
            if finding.outcome == "error":
                undecided = True
            else:
                denied = denied or finding.outcome == "deny"
                controls += rule.predicate.on_fail.controls
    all_reasons, all_controls = _once(reasons), _once(controls)
    error = undecided and not denied
    decision: Literal["PERMIT", "PERMIT_WITH_CONTROLS", "DENY"] = (
        "DENY" if denied or undecided else "PERMIT_WITH_CONTROLS" if all_controls else "PERMIT"
    )
    # Where no rule looks at the time, the same question has the same trace at any time.
    timed = f'"at":"{moment}",' if prepared.timed else ""
    parts[0] = (
        f"{{{timed}"
        f'"controls":{trace.names(all_controls)},"decision":"{decision}",'
        f'"error":{"true" if error else "false"},{prepared.plan},'
        f'"reasons":{trace.names(all_reasons)},"steps":['
    )
    # One join, and no text of steps before it: a trace is far more to copy than to work out.
    parts[-1] = parts[-1].removesuffix(",")
    parts.append("]}")
    written = "".join(parts).encode()
    return Decision(
        decision=decision,
        reasons=all_reasons,
        controls=all_controls,
        trace_bytes=written,
        trace_digest=digests.sha256(written),
        error=error,
    )


_moment: Final = lru_cache(maxsize=16)(times.to_text)
"""The text of an instant; many decisions are made in one second."""


def _once(names: Iterable[str]) -> tuple[str, ...]:
    return tuple(dict.fromkeys(names))


def _identifier(document: JsonValue, index: int) -> str:
    """Return how a reason names a predicate: by its id, or by its place when it has none."""
    identifier = document.get("id") if type(document) is dict else None
    if type(identifier) is str and identifier.isprintable() and identifier:
        return identifier[:MAX_IDENTIFIER_CHARS]
    return str(index)
