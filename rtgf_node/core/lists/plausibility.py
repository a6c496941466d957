"""Whether a fetched list may replace the held one: error pages and broken exports look like lists.

A list that fails is quarantined and the held one stays in force, so the gate is the difference
between a publisher's bad day and nobody being listed.
"""

from __future__ import annotations

from collections.abc import Iterable
from decimal import Decimal

from msgspec import Struct

from rtgf_node.core.lists.record import MAX_RECORDS
from rtgf_node.errors import Code, RtgfError

PEAK_SECONDS = 30 * 86_400
"""How far back the greatest count is looked for: a list that is walked down a little at every fetch
is held up, one that shrinks over months is not."""


class Limits(Struct, frozen=True, forbid_unknown_fields=True):
    """A provider's gate.

    Attributes:
      min_records: fewer are not this list.
      max_records: more are not this list either.
      max_shrink: the share of the held records that one update may lose. Over 308 real OFAC
        versions the largest loss was below 2 %.
    """

    min_records: int = 1
    max_records: int = MAX_RECORDS
    max_shrink: Decimal = Decimal("0.20")


def check(
    *,
    count: int,
    published: str | None,
    held_count: int | None,
    held_published: str | None,
    limits: Limits,
    peak: int | None = None,
) -> None:
    """Return if the list is plausible beside the held one, which may be none.

    `peak` is what `greatest` returns for the held versions; it must not be far below that either.
    `published` and `held_published` are ISO dates; where one is unknown, dates are not compared.

    Raises:
      RtgfError: RTGF_SANCTIONS_IMPLAUSIBLE with every reason.
    """
    reasons: list[str] = []
    if count < limits.min_records:
        reasons.append(f"it has {count} records, fewer than {limits.min_records}")
    if count > limits.max_records:
        reasons.append(f"it has {count} records, more than {limits.max_records}")
    if held_count and held_count - count > held_count * limits.max_shrink:
        lost = Decimal(held_count - count) / Decimal(held_count) * 100
        allowed = limits.max_shrink * 100
        reasons.append(
            f"it shrinks from {held_count} to {count} records, by {lost:.1f} %, more than the "
            f"allowed {allowed:.1f} %"
        )
    elif peak and peak - count > peak * limits.max_shrink:
        reasons.append(
            f"it has {count} records, {peak} were held within {PEAK_SECONDS // 86_400} days: more"
            f" than the allowed {limits.max_shrink * 100:.1f} % are gone step by step"
        )
    if published and held_published and published < held_published:
        reasons.append(f"it was published {published}, before the held one of {held_published}")
    if reasons:
        raise RtgfError(
            Code.RTGF_SANCTIONS_IMPLAUSIBLE,
            "; ".join(reasons) + "; look at the file, then release it or wait for the next",
        )


def greatest(held: Iterable[int], max_shrink: Decimal) -> int | None:
    """Return the greatest of the counts held one after the other, since the last release.

    A count too far below the one before it got in only on an operator's word, and counts anew.
    """
    peak: int | None = None
    for count in held:
        released = peak is not None and peak - count > peak * max_shrink
        peak = count if peak is None or released else max(peak, count)
    return peak
