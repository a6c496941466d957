"""A rule: one predicate of a token, compiled from its document.

A rule that holds is satisfied. One that does not says what follows: DENY, or controls under which
the thing is permitted. One that cannot be evaluated denies, and says why.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Annotated, Any, Final, Literal, NamedTuple

from msgspec import Meta, Struct, field

from rtgf_node.core.canonical_json import JsonValue
from rtgf_node.core.policy.applicability import Applicability, compile_conditions
from rtgf_node.core.policy.expressions import PATH, Scope, compile_expression, refusal
from rtgf_node.core.policy.node import Frame, Run
from rtgf_node.core.policy.scope import validity
from rtgf_node.core.policy.slots import UNREAD, Place, Slots, fill
from rtgf_node.core.policy.types import INPUT_SHAPES, Type
from rtgf_node.core.policy.values import INPUT_MISSING, MISSING, EvaluationError, Value
from rtgf_node.core.policy.variables import Declared
from rtgf_node.core.shapes import fit
from rtgf_node.errors import Code, RtgfError

MAX_NAMES: Final = 64
"""Inputs, and derived names, of one predicate."""

CLOCK_OPERATORS: Final = frozenset({"NOW", "AGE_LT_DAYS"})
"""Operators whose result moves with time."""

Name = Annotated[str, Meta(min_length=1, max_length=256)]

_DERIVED: Final = re.compile(r"[a-z0-9][a-z0-9_]{0,127}")


class _Part(Struct, frozen=True, forbid_unknown_fields=True):
    """What all parts of a predicate share."""


class Input(_Part, frozen=True):
    """A place in the context that the rule reads; its name is its path."""

    name: Name
    type: str
    required: bool = True


class Derived(_Part, frozen=True):
    """A value with a name, which later expressions may read; it is worked out when one does."""

    name: Name
    expr: Any


class Consequence(_Part, frozen=True):
    """What follows when the rule is not fulfilled."""

    decision: Literal["DENY", "PERMIT_WITH_CONTROLS"]
    reason: Name
    controls: Annotated[list[Name], Meta(max_length=32)] = field(default_factory=list)


class Source(_Part, frozen=True):
    """Where in the law the rule comes from."""

    ref: Name
    article: Name
    paragraph: Name | None = None
    instrument: Name | None = None


class Predicate(_Part, frozen=True):
    """The document of a predicate, as a token carries it."""

    id: Name
    domain: Name
    clause_id: Name
    jurisdiction: Name
    kind: Literal["obligation", "prohibition", "control"]
    template: Name
    applies_to: Literal["originator", "beneficiary", "both"]
    inputs: Annotated[list[Input], Meta(max_length=MAX_NAMES)]
    logic: Any
    on_fail: Consequence
    citation: Source
    applies_when: dict[str, Any] | None = None
    derive: Annotated[list[Derived], Meta(max_length=MAX_NAMES)] = field(default_factory=list)
    params: dict[str, Any] = field(default_factory=dict)
    # The clause's own days, on which alone it is asked. Its logic holds them too, for whoever
    # decides by the logic alone.
    valid_from: Name | None = None
    valid_to: Name | None = None


Outcome = Literal["satisfied", "not_applicable", "controls", "deny", "error"]


class Finding(NamedTuple):
    """What one rule says about one context.

    Attributes:
      outcome: what came of it.
      reasons: why it was not satisfied; empty when it was, or when it does not apply.
      applies: whether it applies; None when that could not be told.
    """

    outcome: Outcome
    reasons: Sequence[str]
    applies: bool | None


_SATISFIED: Final = Finding("satisfied", (), applies=True)
_NOT_APPLICABLE: Final = Finding("not_applicable", (), applies=False)


class Rule(NamedTuple):
    """One compiled predicate.

    Attributes:
      predicate: its document.
      operators: the names of the operators it uses, sorted.
      window: the first and the last second at which it is in force; None where it always is.
      conditions: when it applies.
      inputs: place, slot and whether it is required, of each input.
      reads: the slot of everything it reads from the context, in the order of the names.
      logic: the closure that says whether the rule is fulfilled.
      unfulfilled: what it says when it is not.
    """

    predicate: Predicate
    operators: tuple[str, ...]
    window: tuple[float, float] | None
    conditions: Applicability
    inputs: tuple[tuple[Place, int, bool], ...]
    reads: tuple[int, ...]
    logic: Run
    unfulfilled: Finding

    @property
    def timed(self) -> bool:
        """Whether what it says may change with time alone."""
        return self.window is not None or not CLOCK_OPERATORS.isdisjoint(self.operators)

    def evaluate(self, frame: Frame, context: Value, digests: list[str]) -> Finding:
        """Return what this rule says about a context. Slots it needs are filled, once for all.

        What is not in force asks nothing of a context, not even that it could be evaluated.
        """
        window = self.window
        if window is not None and not window[0] <= frame.at <= window[1]:
            return _NOT_APPLICABLE
        slots = frame.slots
        problems: list[str] = []
        if self.conditions.tests:
            applies = self.conditions.check(slots, context, digests, problems)
            if problems:
                return Finding("error", problems, None)
            if not applies:
                return _NOT_APPLICABLE
        for place, slot, required in self.inputs:
            value = slots[slot]
            if value is UNREAD:
                value, digests[slot] = fill(place, context)
                slots[slot] = value
            if value is MISSING:
                if required:
                    problems.append(f"{INPUT_MISSING}:{place.path}")
            elif type(value) is EvaluationError:
                problems.append(value.reason)
        if problems:
            return Finding("error", problems, True)
        try:
            if self.logic(frame):
                return _SATISFIED
        except EvaluationError as error:
            return Finding("error", [error.reason], True)
        return self.unfulfilled


def compile_rule(document: JsonValue, slots: Slots | None = None) -> Rule:
    """Return the compiled rule of a predicate's document; rules of one plan share `slots`.

    Raises:
      RtgfError: RTGF_MAP_EXPRESSION_INVALID, with the pointer to what is wrong in the document.
    """
    predicate = fit(document, Predicate, code=Code.RTGF_MAP_EXPRESSION_INVALID)
    slots = Slots() if slots is None else slots
    if predicate.on_fail.decision == "PERMIT_WITH_CONTROLS" and not predicate.on_fail.controls:
        raise refusal("a permit with controls names at least one control", "/on_fail/controls")
    conditions = compile_conditions(predicate.applies_when, slots, "/applies_when")
    scope = Scope()
    inputs = tuple(
        _declare(given, scope, slots, f"/inputs/{index}")
        for index, given in enumerate(predicate.inputs)
    )
    for index, derived in enumerate(predicate.derive):
        place = f"/derive/{index}"
        node = compile_expression(derived.expr, scope, f"{place}/expr")
        if _DERIVED.fullmatch(derived.name) is None:
            raise refusal("a derived name is snake_case", f"{place}/name")
        _check_new(derived.name, scope, f"{place}/name")
        scope.names[derived.name] = Declared(
            node.shape, slots.derived(), certain=True, derive=node.run
        )
    logic = compile_expression(predicate.logic, scope, "/logic")
    if logic.shape.type is not Type.BOOLEAN:
        raise refusal(f"the logic gives a {logic.shape}, it should be boolean", "/logic")
    reads = {where.path: slot for where, slot in conditions.reads()}
    reads.update({place.path: slot for place, slot, _ in inputs})
    denies = predicate.on_fail.decision == "DENY"
    return Rule(
        predicate=predicate,
        operators=tuple(sorted(scope.operators)),
        window=_window(predicate),
        conditions=conditions,
        inputs=inputs,
        reads=tuple(reads[path] for path in sorted(reads)),
        logic=logic.run,
        unfulfilled=Finding(
            "deny" if denies else "controls", (predicate.on_fail.reason,), applies=True
        ),
    )


def _window(predicate: Predicate) -> tuple[float, float] | None:
    """Return the first and the last second at which a rule is in force, where it has either."""
    if predicate.valid_from is None and predicate.valid_to is None:
        return None
    try:
        return validity({"valid_from": predicate.valid_from, "valid_to": predicate.valid_to})
    except RtgfError as error:
        raise refusal(f"valid_from and valid_to are days or times: {error.detail}", "") from error


def _declare(given: Input, scope: Scope, slots: Slots, place: str) -> tuple[Place, int, bool]:
    shape = INPUT_SHAPES.get(given.type)
    if shape is None:
        known = ", ".join(INPUT_SHAPES)
        raise refusal(f"{given.type[:40]!r} is not a type; these are: {known}", f"{place}/type")
    if PATH.fullmatch(given.name) is None:
        raise refusal("an input's name is its path: names joined by points", f"{place}/name")
    _check_new(given.name, scope, f"{place}/name")
    slot = slots.input(given.name, shape.type)
    scope.names[given.name] = Declared(shape, slot, certain=given.required)
    return slots.place(slot), slot, given.required


def _check_new(name: str, scope: Scope, place: str) -> None:
    if name in scope.names:
        raise refusal(f"{name!r} is declared twice", place)
