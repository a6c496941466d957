"""ADD, SUB, MUL, DIV: exact, in one type, in one currency, in one unit of time.

What would mix currencies or units, divide by zero, or leave the range of exact numbers is an error
of the rule, and the decision is DENY.
"""

from __future__ import annotations

from collections.abc import Callable
from decimal import Decimal
from typing import Final

from rtgf_node.core.canonical_json import MAX_INTEGER
from rtgf_node.core.policy import money
from rtgf_node.core.policy.duration import Duration
from rtgf_node.core.policy.money import ARITHMETIC, Money
from rtgf_node.core.policy.node import Call, Frame, Node, Run
from rtgf_node.core.policy.types import DECIMAL, Shape, Type
from rtgf_node.core.policy.values import (
    CURRENCY_MISMATCH,
    OUT_OF_RANGE,
    TYPE_MISMATCH,
    EvaluationError,
    Value,
)


def add(call: Call) -> Node:
    """Compile ADD: two integers, decimals, amounts or durations."""
    return _sum(call, sign=1)


def subtract(call: Call) -> Node:
    """Compile SUB: two integers, decimals, amounts or durations."""
    return _sum(call, sign=-1)


def multiply(call: Call) -> Node:
    """Compile MUL: two integers, two decimals, or an amount and a decimal in any order."""
    left, right = call.args
    match (left.shape.type, right.shape.type):
        case (Type.INTEGER, Type.INTEGER):
            return _node(call, left.shape, _checked(lambda a, b: a * b, call.label))
        case (Type.DECIMAL, Type.DECIMAL):
            return _node(call, left.shape, ARITHMETIC.multiply)
        case (Type.MONEY, Type.DECIMAL):
            return _node(call, left.shape, _times)
        case (Type.DECIMAL, Type.MONEY):
            return _node(call, right.shape, lambda a, b: _times(b, a))
        case _:
            return call.refuse(f"{left.shape} and {right.shape} cannot be multiplied")


def divide(call: Call) -> Node:
    """Compile DIV: its third operand states how many digits after the point the quotient has."""
    left, right, _ = call.args
    scale: int = call.literal(2, int, "an integer, the number of digits after the point")
    if not 0 <= scale <= money.MAX_SCALE:
        call.refuse(f"the scale is from 0 to {money.MAX_SCALE}", 2)
    match (left.shape.type, right.shape.type):
        case (Type.INTEGER, Type.INTEGER):
            return _node(call, DECIMAL, lambda a, b: money.divide(Decimal(a), Decimal(b), scale))
        case (Type.DECIMAL, Type.DECIMAL):
            return _node(call, DECIMAL, lambda a, b: money.divide(a, b, scale))
        case (Type.MONEY, Type.DECIMAL):
            return _node(
                call,
                left.shape,
                lambda a, b: Money(money.divide(a.value, b, scale), a.currency),
            )
        case (Type.MONEY, Type.MONEY):
            label = call.label

            def ratio(a: Money, b: Money) -> Decimal:
                check_currency(a, b, label)
                return money.divide(a.value, b.value, scale)

            return _node(call, DECIMAL, ratio)
        case _:
            return call.refuse(f"{left.shape} cannot be divided by {right.shape}")


def check_currency(left: Money, right: Money, label: str) -> None:
    """Hold two amounts to one currency.

    Raises:
      EvaluationError: CURRENCY_MISMATCH.
    """
    if left.currency != right.currency:
        raise EvaluationError(CURRENCY_MISMATCH, label)


def check_unit(left: Duration, right: Duration, label: str) -> None:
    """Hold two durations to one unit.

    Raises:
      EvaluationError: TYPE_MISMATCH.
    """
    if left.unit is not right.unit:
        raise EvaluationError(TYPE_MISMATCH, label)


_SUMMABLE: Final = (Type.INTEGER, Type.DECIMAL, Type.MONEY, Type.DURATION)


def _sum(call: Call, *, sign: int) -> Node:
    left, right = call.args
    kind = call.expect(0, *_SUMMABLE)
    call.expect(1, kind)
    label = call.label
    combine = ARITHMETIC.add if sign > 0 else ARITHMETIC.subtract

    def amounts(a: Money, b: Money) -> Money:
        check_currency(a, b, label)
        return Money(combine(a.value, b.value), a.currency)

    def durations(a: Duration, b: Duration) -> Duration:
        check_unit(a, b, label)
        length = a.length + sign * b.length
        if length < 0:
            raise EvaluationError(OUT_OF_RANGE, label)
        return Duration(a.unit, length)

    match kind:
        case Type.INTEGER:
            return _node(call, left.shape, _checked(lambda a, b: a + sign * b, label))
        case Type.DECIMAL:
            return _node(call, left.shape, combine)
        case Type.MONEY:
            return _node(call, left.shape, amounts)
        case _:
            return _node(call, right.shape, durations)


def _times(amount: Money, factor: Decimal) -> Money:
    return Money(ARITHMETIC.multiply(amount.value, factor), amount.currency)


def _checked(combine: Callable[[int, int], int], label: str) -> Callable[[int, int], int]:
    """Bound an integer operation to what every JSON reader keeps exactly."""

    def bounded(a: int, b: int) -> int:
        result = combine(a, b)
        if abs(result) > MAX_INTEGER:
            raise EvaluationError(OUT_OF_RANGE, label)
        return result

    return bounded


def _node(call: Call, shape: Shape, combine: Callable[[Value, Value], Value]) -> Node:
    left: Run = call.args[0].run
    right: Run = call.args[1].run
    label = call.label

    def run(frame: Frame) -> Value:
        try:
            return combine(left(frame), right(frame))
        except ArithmeticError:
            # Division by zero, overflow, more than 34 digits: decimal's signals are all of these.
            raise EvaluationError(OUT_OF_RANGE, label) from None

    return Node(shape, run, label)
