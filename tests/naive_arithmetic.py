"""Comparing and calculating a second time, for `naive_policy`: exact, and never across kinds."""

from __future__ import annotations

from _pydecimal import ROUND_HALF_EVEN, Context, Decimal
from fractions import Fraction
from typing import Any

from tests.naive_values import LARGEST_INTEGER, Amount, Length, Refused

EXACT = Context(prec=34, rounding=ROUND_HALF_EVEN, Emin=-6143, Emax=6144)


def align(left: Any, right: Any, label: Any) -> tuple[Any, Any]:
    """Return two values as what is compared; those of two kinds cannot be."""
    if type(left) is not type(right) or type(left) in (dict, list, type(None)):
        raise Refused(f"TYPE_MISMATCH:{label}")
    if isinstance(left, Amount):
        if left.currency != right.currency:
            raise Refused(f"CURRENCY_MISMATCH:{label}")
        return left.value, right.value
    if isinstance(left, Length):
        if left.unit != right.unit:
            raise Refused(f"TYPE_MISMATCH:{label}")
        return left.count, right.count
    return left, right


def calculate(name: str, left: Any, right: Any, scale: int, label: Any) -> Any:
    """Exact arithmetic: 34 digits, half to even; currencies and units are never mixed."""
    if isinstance(left, Length):
        a, b = align(left, right, label)
        count = a + b if name == "ADD" else a - b
        if count < 0:
            raise Refused(f"VALUE_OUT_OF_RANGE:{label}")
        return Length(left.unit, count)
    amounts = [each for each in (left, right) if isinstance(each, Amount)]
    if len(amounts) == 2:
        left, right = align(left, right, label)
        found = calculate(name, left, right, scale, label)
        return found if name == "DIV" else Amount(found, amounts[0].currency)
    if amounts:
        a, b = (each.value if isinstance(each, Amount) else each for each in (left, right))
        return Amount(calculate(name, a, b, scale, label), amounts[0].currency)
    if name == "DIV":
        if not right:
            raise Refused(f"VALUE_OUT_OF_RANGE:{label}")
        whole = round(Fraction(str(left)) / Fraction(str(right)) * 10**scale)
        if len(str(abs(whole))) > 34:
            raise Refused(f"VALUE_OUT_OF_RANGE:{label}")
        return Decimal(whole).scaleb(-scale, EXACT)
    if isinstance(left, int):
        number = {"ADD": left + right, "SUB": left - right, "MUL": left * right}[name]
        if abs(number) > LARGEST_INTEGER:
            raise Refused(f"VALUE_OUT_OF_RANGE:{label}")
        return number
    work = {"ADD": EXACT.add, "SUB": EXACT.subtract, "MUL": EXACT.multiply}
    return work[name](left, right)
