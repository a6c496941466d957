"""A fetched list replaces the held one only if it looks like the same list a little later."""

from __future__ import annotations

from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rtgf_node.core.lists.plausibility import Limits, check, greatest
from rtgf_node.errors import Code, RtgfError

HELD = {"held_count": 1000, "held_published": "2025-06-17"}


def assert_quarantined(words: str, **arguments) -> None:
    with pytest.raises(RtgfError, match=words) as caught:
        check(**arguments)
    assert caught.value.code is Code.RTGF_SANCTIONS_IMPLAUSIBLE


def test_a_first_list_within_bounds_is_taken() -> None:
    check(count=5, published=None, held_count=None, held_published=None, limits=Limits())


def test_a_list_may_shrink_by_the_allowed_share_and_no_more() -> None:
    check(count=800, published="2025-06-18", limits=Limits(), **HELD)
    assert_quarantined(
        "shrinks from 1000 to 799 records, by 20.1 %",
        count=799,
        published="2025-06-18",
        limits=Limits(),
        **HELD,
    )


def test_the_share_is_the_providers() -> None:
    limits = Limits(max_shrink=Decimal("0.5"))
    check(count=500, published=None, limits=limits, **HELD)
    assert_quarantined("50.0 %", count=499, published=None, limits=limits, **HELD)


def test_bounds_hold() -> None:
    limits = Limits(min_records=900, max_records=1100)
    assert_quarantined("fewer than 900", count=899, published=None, limits=limits, **HELD)
    assert_quarantined("more than 1100", count=1101, published=None, limits=limits, **HELD)


def test_publication_does_not_go_back() -> None:
    assert_quarantined(
        "published 2025-06-16, before", count=1000, published="2025-06-16", limits=Limits(), **HELD
    )
    check(count=1000, published="2025-06-17", limits=Limits(), **HELD)
    check(count=1000, published=None, limits=Limits(), **HELD)


def test_every_reason_is_given() -> None:
    assert_quarantined(
        "fewer than.*shrinks.*before",
        count=3,
        published="2024-01-01",
        limits=Limits(min_records=10),
        **HELD,
    )


@given(st.integers(0, 10**6), st.integers(1, 10**6))
def test_growth_is_never_implausible_below_the_upper_bound(count, held) -> None:
    limits = Limits(min_records=0, max_records=10**7)
    check(count=held + count, published=None, held_count=held, held_published=None, limits=limits)


def test_a_list_that_is_walked_down_is_held_up() -> None:
    check(
        count=810, published=None, limits=Limits(), peak=greatest([1000], Decimal("0.20")), **HELD
    )
    assert_quarantined(
        "step by step",
        count=660,
        published=None,
        held_count=810,
        held_published=None,
        limits=Limits(),
        peak=greatest([1000, 810], Decimal("0.20")),
    )


def test_after_a_release_the_count_is_measured_anew() -> None:
    assert greatest([1000, 500, 510], Decimal("0.20")) == 510
    assert greatest([], Decimal("0.20")) is None
    check(
        count=450,
        published=None,
        held_count=510,
        held_published=None,
        limits=Limits(),
        peak=greatest([1000, 500, 510], Decimal("0.20")),
    )
