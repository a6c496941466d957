"""Times: one instant, one text."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rtgf_node.core import times
from rtgf_node.errors import Code, RtgfError

FIRST, LAST = -62_135_596_800, 253_402_300_799


def test_known_instants():
    assert times.to_text(0) == "1970-01-01T00:00:00Z"
    assert times.to_text(1_795_341_600) == "2026-11-22T10:00:00Z"
    assert times.parse("2026-11-22T10:00:00Z") == 1_795_341_600
    assert times.to_text(FIRST) == "0001-01-01T00:00:00Z"
    assert times.to_text(LAST) == "9999-12-31T23:59:59Z"


@given(st.integers(FIRST, LAST))
def test_every_instant_is_read_back(epoch):
    assert times.parse(times.to_text(epoch)) == epoch


@pytest.mark.parametrize(
    "text",
    [
        "",
        "2026-11-22",
        "2026-11-22T10:00:00",
        "2026-11-22T10:00:00+00:00",
        "2026-11-22T10:00:00.0Z",
        "2026-11-22t10:00:00Z",
        "2026-11-22T10:00:00z",
        "2026-11-22 10:00:00Z",
        "2026-11-22T10:00Z",
        "2026-02-29T00:00:00Z",
        "2026-13-01T00:00:00Z",
        "2026-00-01T00:00:00Z",
        "2026-01-01T24:00:00Z",
        "2016-12-31T23:59:60Z",
        "0000-01-01T00:00:00Z",
        "2026-11-22T10:00:00Z\n",
        "\u0662026-11-22T10:00:00Z",
        "\u0662\u0660\u0662\u0666-11-22T10:00:00Z",
    ],
)
def test_any_other_text_is_refused(text):
    with pytest.raises(RtgfError) as caught:
        times.parse(text)
    assert caught.value.code is Code.RTGF_INPUT_INVALID


@pytest.mark.parametrize("epoch", [FIRST - 1, LAST + 1, 10**30])
def test_instants_beyond_the_calendar_are_refused(epoch):
    with pytest.raises(RtgfError):
        times.to_text(epoch)
