"""When a rule applies: the fixed conditions that a clause may state under `applies_when`.

`CONDITIONS` is the whole vocabulary. A condition names one place in the context; all conditions of
a clause must hold for its rule to apply. A context that lacks that place leaves it open whether the
rule applies, so it is a missing input and denies; it never means "does not apply".
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from operator import ge, gt
from typing import Final, Literal, NamedTuple

from rtgf_node.core.canonical_json import JsonValue
from rtgf_node.core.policy.expressions import refusal
from rtgf_node.core.policy.money import Money
from rtgf_node.core.policy.slots import UNREAD, Place, Slots, fill
from rtgf_node.core.policy.types import Type
from rtgf_node.core.policy.values import (
    CURRENCY_MISMATCH,
    INPUT_MISSING,
    MISSING,
    EvaluationError,
    Value,
    reader_of,
)
from rtgf_node.core.shapes import pointer

MAX_CHOICES: Final = 300
"""Values that one condition may list; all jurisdictions of the world fit."""


class Condition(NamedTuple):
    """One key of `applies_when`.

    Attributes:
      path: the place in the context.
      type: the type that stands there, and that the condition states.
      comparison: `among`: equal to the value, or to one of a list of values; `gt`, `gte`: an
        amount above, or at least, the stated one, in the same currency. Of an amount in another
        one, what the context states as its equivalent counts, as it does in the templates.
    """

    path: str
    type: Type
    comparison: Literal["among", "gt", "gte"]


CONDITIONS: Final[Mapping[str, Condition]] = {
    "instrument": Condition("instrument", Type.STRING, "among"),
    "purpose": Condition("purpose", Type.STRING, "among"),
    "crossborder": Condition("crossborder", Type.BOOLEAN, "among"),
    "originator_kind": Condition("originator.kind", Type.STRING, "among"),
    "beneficiary_kind": Condition("beneficiary.kind", Type.STRING, "among"),
    "amount_gt": Condition("amount", Type.MONEY, "gt"),
    "amount_gte": Condition("amount", Type.MONEY, "gte"),
    "data_category": Condition("data_category", Type.STRING, "among"),
    "risk_class": Condition("risk_class", Type.STRING, "among"),
    "suspicion": Condition("suspicion", Type.BOOLEAN, "among"),
}


EQUIVALENTS: Final = "amount_equivalents"
"""Where a context states the amount in other currencies, by their codes."""


class Equivalent(NamedTuple):
    """The amount in the currency of a condition, read where the amount itself is in another."""

    currency: str
    place: Place
    slot: int


class Test(NamedTuple):
    """One compiled condition: which slot it reads, and what must hold there."""

    place: Place
    slot: int
    holds: Callable[[Value], bool]
    equivalent: Equivalent | None = None


class Applicability(NamedTuple):
    """All conditions of one clause. Without any, the rule always applies."""

    tests: tuple[Test, ...]

    def reads(self) -> Iterator[tuple[Place, int]]:
        """Yield every place that may be read, and its slot."""
        for test in self.tests:
            yield test.place, test.slot
            if test.equivalent is not None:
                yield test.equivalent.place, test.equivalent.slot

    def check(
        self, slots: list[Value], context: Value, digests: list[str], problems: list[str]
    ) -> bool:
        """Tell whether the rule applies; what leaves that open is added to `problems`.

        Slots it needs are filled, once for all rules.
        """
        applies = True
        for place, slot, holds, other in self.tests:
            value = slots[slot]
            if value is UNREAD:
                value, digests[slot] = fill(place, context)
                slots[slot] = value
            try:
                if value is MISSING:
                    raise EvaluationError(INPUT_MISSING, place.path)
                if type(value) is EvaluationError:
                    problems.append(value.reason)
                elif other is not None and value.currency != other.currency:
                    applies = holds(_given(other, slots, context, digests)) and applies
                elif not holds(value):
                    applies = False
            except EvaluationError as error:
                problems.append(error.reason)
        return applies


def _given(where: Equivalent, slots: list[Value], context: Value, digests: list[str]) -> Money:
    """Return the amount that a context states in a currency.

    Raises:
      EvaluationError: it states none.
    """
    value = slots[where.slot]
    if value is UNREAD:
        value, digests[where.slot] = fill(where.place, context)
        slots[where.slot] = value
    if value is MISSING:
        raise EvaluationError(INPUT_MISSING, where.place.path)
    if type(value) is EvaluationError:
        raise value
    amount: Money = value
    return amount


def compile_conditions(value: JsonValue, slots: Slots, place: str) -> Applicability:
    """Return the compiled `applies_when` of a predicate, which is null or an object.

    Raises:
      RtgfError: RTGF_MAP_EXPRESSION_INVALID for an unknown key or a value of another type.
    """
    if value is None:
        return Applicability(())
    if type(value) is not dict:
        raise refusal("applies_when is null or an object of conditions", place)
    tests = []
    for key in sorted(value):
        condition = CONDITIONS.get(key)
        here = f"{place}{pointer(key)}"
        if condition is None:
            known = ", ".join(CONDITIONS)
            raise refusal(f"{key!r} is not a condition; these are: {known}", here)
        slot = slots.input(condition.path, condition.type)
        holds = _holds(condition, value[key], here)
        equivalent = _equivalent(condition, value[key], slots)
        tests.append(Test(slots.place(slot), slot, holds, equivalent))
    return Applicability(tuple(tests))


def equivalent_path(stated: Mapping[str, JsonValue]) -> str:
    """Return where a context states its amount in the currency of this one."""
    return f"{EQUIVALENTS}.{stated['currency']}"


def _equivalent(condition: Condition, stated: JsonValue, slots: Slots) -> Equivalent | None:
    if condition.comparison == "among" or not isinstance(stated, dict):
        return None
    slot = slots.input(equivalent_path(stated), condition.type)
    return Equivalent(str(stated["currency"]), slots.place(slot), slot)


def _holds(condition: Condition, stated: JsonValue, place: str) -> Callable[[Value], bool]:
    if condition.comparison == "among":
        choices = stated if type(stated) is list else [stated]
        if not 0 < len(choices) <= MAX_CHOICES:
            raise refusal(f"a condition lists 1 to {MAX_CHOICES} values", place)
        allowed = frozenset(_read(condition, choice, place) for choice in choices)
        return allowed.__contains__
    limit: Money = _read(condition, stated, place)
    compare = gt if condition.comparison == "gt" else ge

    def beyond(amount: Money) -> bool:
        if amount.currency != limit.currency:
            raise EvaluationError(CURRENCY_MISMATCH, f"{EQUIVALENTS}.{limit.currency}")
        over: bool = compare(amount.value, limit.value)
        return over

    return beyond


def _read(condition: Condition, stated: JsonValue, place: str) -> Value:
    try:
        return reader_of(condition.path, condition.type)(stated)
    except ValueError as error:
        reason = f"the condition is not a {condition.type.value}: {error}"
        raise refusal(reason, place) from None
