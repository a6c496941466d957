"""The terms of a corridor, a payment route or a revenue rule: what CORT, PSRT and RRMT carry.

Each body has its own shape and one rule that the shape cannot state: shares of a split sum to
exactly one, and price tiers are contiguous and rising. Amounts and rates are decimal strings.
"""

from __future__ import annotations

from decimal import Decimal
from typing import Annotated, Any, Literal

from msgspec import Meta, Struct

from rtgf_node.core.canonical_json import JsonValue
from rtgf_node.core.shapes import fit, pointer
from rtgf_node.errors import Code, RtgfError

# Digits are bounded so that sums stay exact in decimal arithmetic of 28 digits.
DecimalText = Annotated[str, Meta(pattern=r"^(0|[1-9][0-9]{0,17})(\.[0-9]{1,8})?\Z")]
Currency = Annotated[str, Meta(pattern=r"^[A-Z]{3}\Z")]
Text = Annotated[str, Meta(min_length=1, max_length=1_000)]
MAX_ROWS = 1_000  # operators, splits, tiers: far more than any real agreement lists


class _Part(Struct, frozen=True, forbid_unknown_fields=True, omit_defaults=True):
    """What all parts share: they do not change, and unknown members are refused."""


class Operator(_Part, frozen=True):
    """Who operates a corridor, in which role."""

    id: Text
    role: Text


class Split(_Part, frozen=True):
    """A party's share, as a fraction of one."""

    party: Text
    pct: DecimalText


class CorridorTerms(_Part, frozen=True):
    """`terms` of a CORT."""

    operators: Annotated[tuple[Operator, ...], Meta(min_length=1, max_length=MAX_ROWS)]
    handoff_evidence: Annotated[tuple[Text, ...], Meta(max_length=MAX_ROWS)]
    splits: Annotated[tuple[Split, ...], Meta(min_length=1, max_length=MAX_ROWS)] | None = None
    fx: dict[str, Any] | None = None
    payout: dict[str, Any] | None = None


class Limits(_Part, frozen=True):
    """What one payment, and all of a day, may come to."""

    per_txn: DecimalText
    per_day: DecimalText
    currency: Currency


class Capture(_Part, frozen=True):
    """When an authorised payment is taken."""

    mode: Literal["immediate", "delayed", "manual"]
    window_sec: Annotated[int, Meta(ge=0, le=31_536_000)]


class Dispute(_Part, frozen=True):
    """What is held back for disputes, and where they are announced."""

    reserve_pct: DecimalText
    callback_url: Annotated[str, Meta(pattern=r"^https://[^\s]{1,500}\Z")]


class Kyb(_Part, frozen=True):
    """The attestation that the business was checked, by digest only."""

    attestation_hash: Annotated[str, Meta(pattern=r"^sha256:[0-9a-f]{64}\Z")]


class PaymentRouteTerms(_Part, frozen=True):
    """`terms` of a PSRT."""

    acquirer: Text
    scheme: Text
    limits: Limits
    capture: Capture
    dispute: Dispute
    compliance_flags: Annotated[tuple[Text, ...], Meta(max_length=MAX_ROWS)]
    kyb: Kyb


class Tier(_Part, frozen=True, rename={"from_": "from"}):
    """A rate for amounts from `from` up to, but not including, `to`; the last has no end."""

    from_: DecimalText
    rate: DecimalText
    to: DecimalText | None = None


class Pricing(_Part, frozen=True):
    """How a price comes about."""

    mode: Literal["flat", "tiered", "percentage"]
    tiers: Annotated[tuple[Tier, ...], Meta(max_length=MAX_ROWS)]
    surcharges: Annotated[tuple[dict[str, Any], ...], Meta(max_length=MAX_ROWS)]


class RevenueRulesTerms(_Part, frozen=True):
    """`terms` of an RRMT."""

    currency: Currency
    pricing: Pricing
    tax: dict[str, Any]


Terms = CorridorTerms | PaymentRouteTerms | RevenueRulesTerms


def read(token_type: str, value: JsonValue, *, code: Code, place: str = "/terms") -> Terms:
    """Return the terms of a token of this type, checked.

    Raises:
      RtgfError: with `code`, and a JSON Pointer below `place`.
    """
    try:
        match token_type:
            case "CORT":
                corridor = fit(value, CorridorTerms, code=code)
                _check_splits(corridor.splits, code)
                return corridor
            case "PSRT":
                route = fit(value, PaymentRouteTerms, code=code)
                _check_limits(route.limits, code)
                return route
            case "RRMT":
                rules = fit(value, RevenueRulesTerms, code=code)
                _check_tiers(rules.pricing.tiers, code)
                return rules
            case _:
                raise RtgfError(code, f"a token of type {token_type} has no terms")
    except RtgfError as error:
        raise RtgfError(code, error.detail, pointer=place + (error.pointer or "")) from error


def _check_splits(splits: tuple[Split, ...] | None, code: Code) -> None:
    if splits is None:
        return
    total = sum((Decimal(split.pct) for split in splits), Decimal(0))
    if total != 1:
        raise RtgfError(
            code, f"the shares sum to {total}, not to exactly 1", pointer=pointer("splits")
        )


def _check_limits(limits: Limits, code: Code) -> None:
    if Decimal(limits.per_txn) > Decimal(limits.per_day):
        raise RtgfError(
            code, "one payment may not exceed the day's limit", pointer="/limits/per_txn"
        )


def _check_tiers(tiers: tuple[Tier, ...], code: Code) -> None:
    expected = Decimal(0)
    for index, tier in enumerate(tiers):
        place = pointer("pricing", "tiers", index)
        if Decimal(tier.from_) != expected:
            raise RtgfError(
                code, f"the tier must begin at {expected}, where the last one ended", pointer=place
            )
        if tier.to is None:
            if index != len(tiers) - 1:
                raise RtgfError(code, "only the last tier may have no end", pointer=place)
        elif Decimal(tier.to) <= Decimal(tier.from_):
            raise RtgfError(code, "a tier must end above its beginning", pointer=place)
        else:
            expected = Decimal(tier.to)
