"""What a caller says of a party beside its names clears it only where it can be read."""

from __future__ import annotations

import pytest

from rtgf_node.core.lists import record
from rtgf_node.core.lists.screening import NameIndex
from rtgf_node.core.screened_party import party_of

NAME = "Zebulon Quastrophe Marduk"
LISTED = NameIndex.build(
    [
        record.make(
            source="un-sc",
            source_id="R1",
            kind="person",
            names=[NAME],
            aliases=["Orlanda Vizcarra"],
            birth_dates=["1960-03-01"],
            countries=["IR"],
        )
    ]
)


def score(**party: object) -> float:
    matches = LISTED.screen(party_of({"name": NAME, **party}), threshold=0.7)
    return matches[0].score if matches else 0.0


NEAR = {"name": "Zebulon Marduk"}
"""Like the listed name, but not equal to it: other evidence counts against it in full."""


@pytest.mark.parametrize(
    "stated",
    [
        {"date_of_birth": "0000-00-00"},
        {"date_of_birth": "1960-13-45"},
        {"date_of_birth": "1961-02-29"},
        {"date_of_birth": "banana"},
        {"date_of_birth": " "},
        {"date_of_birth": None},
        {"country": "Narnia"},
        {"country": "XX"},
        {"country": "\u0406R"},
        {"country": ""},
    ],
)
def test_what_cannot_be_read_changes_nothing(stated):
    assert score(**NEAR, **stated) == score(**NEAR)
    assert score(**stated) == 1.0


def test_what_can_be_read_counts():
    assert score(**NEAR, date_of_birth="1985-07-09") < score(**NEAR)
    assert score(**NEAR, date_of_birth="1960") > score(**NEAR)
    assert score(**NEAR, country="SG") < score(**NEAR)
    codes = {score(**NEAR, country=text) for text in ("IR", "ir", "Iran", " IR ")}
    assert len(codes) == 1
    assert codes.pop() > score(**NEAR)


def test_a_birth_day_that_is_not_known_is_a_year():
    assert party_of({"name": "A", "date_of_birth": "1960-00-00"}).birth_dates == ("1960",)


@pytest.mark.parametrize("member", ["date_of_birth", "country", "aliases"])
@pytest.mark.parametrize("value", [0, False, {}, ["IR", 5]])
def test_what_is_no_text_is_refused(member, value):
    with pytest.raises(TypeError):
        party_of({"name": NAME, member: value})


@pytest.mark.parametrize("threshold", [0.98, 0.9991, 1.0])
def test_an_equal_name_is_found_at_any_threshold(threshold):
    turned = party_of({"name": "MARDUK, Zebulon Quastrophe"})
    assert [match.score for match in LISTED.screen(turned, threshold=threshold)] == [1.0]


def test_an_equal_alias_is_found_at_the_highest_threshold_of_a_clause():
    alias = party_of({"name": "Orlanda Vizcarra"})
    assert [match.score for match in LISTED.screen(alias, threshold=0.98)] == [0.98]
