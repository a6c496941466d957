"""Exact decimals and amounts of money. No float ever decides anything.

Decimals have at most 34 digits and round half to even, as IEEE 754 decimal128 does. The context
of every calculation is `ARITHMETIC`, passed explicitly: the thread's own context, which anyone may
change, has no say.
"""

from __future__ import annotations

import re
from decimal import (
    ROUND_HALF_EVEN,
    Context,
    Decimal,
    DivisionByZero,
    InvalidOperation,
    Overflow,
)
from typing import Final, NamedTuple

DIGITS: Final = 34
"""Digits of a decimal: those of IEEE 754 decimal128."""

MAX_SCALE: Final = 18
"""Digits after the point that a division may state; the smallest unit of known money has 18."""

ARITHMETIC: Final = Context(
    prec=DIGITS,
    rounding=ROUND_HALF_EVEN,
    Emin=-6143,
    Emax=6144,
    traps=[DivisionByZero, InvalidOperation, Overflow],
)

_FORM: Final = re.compile(r"-?(?:0|[1-9][0-9]*)(?:\.[0-9]+)?")
_CURRENCY: Final = re.compile(r"[A-Z]{3}")
# A sign and a point besides the digits.
_MAX_CHARACTERS: Final = DIGITS + 2


class Money(NamedTuple):
    """An amount in one currency (ISO 4217). Amounts of two currencies have nothing in common."""

    value: Decimal
    currency: str


def parse_decimal(text: object) -> Decimal:
    """Return the decimal that a text such as `0.45` says.

    Raises:
      ValueError: it is not text, or has an exponent, a plus sign, a leading zero, more than 34
        digits, or anything else but a plain decimal in ASCII.
    """
    if type(text) is not str or len(text) > _MAX_CHARACTERS or _FORM.fullmatch(text) is None:
        raise ValueError('a decimal is text such as "0.45", of at most 34 digits')
    value = Decimal(text)
    if len(text) > DIGITS and len(value.as_tuple().digits) > DIGITS:
        raise ValueError(f"a decimal has at most {DIGITS} digits")
    return value


def parse(value: object) -> Money:
    """Return the amount that `{"value": "1000.00", "currency": "EUR"}` says.

    Raises:
      ValueError: it has other members, the value is a JSON number or negative, or the currency is
        not three capital letters. A negative amount would slip under every threshold.
    """
    if type(value) is not dict or len(value) != 2:
        raise ValueError('an amount is {"value": "1000.00", "currency": "EUR"} and nothing else')
    text, currency = value.get("value"), value.get("currency")
    if type(currency) is not str or _CURRENCY.fullmatch(currency) is None:
        raise ValueError("a currency is three capital letters, such as EUR (ISO 4217)")
    amount = parse_decimal(text)
    if amount.is_signed():
        raise ValueError("an amount is not negative")
    return Money(amount, currency)


def decimal_text(value: Decimal) -> str:
    """Return a decimal as plain digits, never with an exponent."""
    return format(value, "f")


def divide(dividend: Decimal, divisor: Decimal, scale: int) -> Decimal:
    """Return the quotient with exactly `scale` digits after the point, rounded half to even once.

    The quotient is taken over integers, so that no intermediate rounding can tip the last digit.

    Raises:
      decimal.DivisionByZero: the divisor is zero.
      decimal.InvalidOperation: the quotient does not fit in 34 digits.
    """
    if not divisor:
        raise DivisionByZero
    over, under = dividend.as_integer_ratio(), divisor.as_integer_ratio()
    numerator = over[0] * under[1] * 10**scale
    denominator = over[1] * under[0]
    if denominator < 0:
        numerator, denominator = -numerator, -denominator
    whole, rest = divmod(numerator, denominator)
    if 2 * rest > denominator or (2 * rest == denominator and whole % 2):
        whole += 1
    if abs(whole) >= 10**DIGITS:
        raise InvalidOperation
    return Decimal(whole).scaleb(-scale, ARITHMETIC)
