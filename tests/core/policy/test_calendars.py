"""Business days and hours: calendars are data, and what they do not cover is not decided."""

from __future__ import annotations

import datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rtgf_node.core import times
from rtgf_node.core.policy import calendars, corridor, predicates
from rtgf_node.errors import Code, RtgfError
from tests import contexts, worlds
from tests.expressions import evaluate, op, refused, var
from tests.expressions import reason as failure

DAY = datetime.timedelta(days=1)
WEEKEND = {"list": ["saturday", "sunday"]}
HOLIDAYS = {"list": [{"date": "2026-12-25"}]}
YEAR = ({"date": "2026-01-01"}, {"date": "2026-12-31"})
HELD = (WEEKEND, HOLIDAYS, *YEAR)
NOW = op("NOW")
HOURS = {"opens": "09:00", "closes": "16:30", "utc_offset": "+08:00", "calendar": "eu_target"}


@st.composite
def stated(draw):
    first = draw(st.dates(datetime.date(2000, 1, 1), datetime.date(2040, 1, 1)))
    last = first + draw(st.integers(0, 800)) * DAY
    free = draw(st.sets(st.sampled_from(calendars.WEEKDAYS), max_size=6))
    holidays = draw(st.sets(st.dates(first, last), max_size=20))
    return calendars.calendar(tuple(sorted(free)), tuple(sorted(holidays)), first, last)


@given(stated(), st.data())
def test_adding_days_is_walking_them_one_by_one(held, data):
    day = data.draw(st.dates(held.first, held.last))
    count = data.draw(st.integers(0, 30))
    reached, left = day, count
    if count == 0:
        while reached <= held.last and not held.is_business_day(reached):
            reached += DAY
    while left and reached <= held.last:
        reached += DAY
        left -= reached <= held.last and held.is_business_day(reached)
    if reached > held.last:
        with pytest.raises(LookupError):
            held.add(day, count)
    else:
        assert held.add(day, count) == reached


def test_a_day_is_of_the_place_and_not_of_utc():
    at = times.parse("2026-12-24T18:00:00Z")
    for offset, day in (
        ("+00:00", "2026-12-24"),
        ("+08:00", "2026-12-25"),
        ("-05:30", "2026-12-24"),
    ):
        assert evaluate(op("LOCAL_DATE", NOW, offset), at=at) == datetime.date.fromisoformat(day)
    assert evaluate(op("IS_BUSINESS_DAY", op("LOCAL_DATE", NOW, "+00:00"), *HELD), at=at) is True
    assert evaluate(op("IS_BUSINESS_DAY", op("LOCAL_DATE", NOW, "+08:00"), *HELD), at=at) is False


@pytest.mark.parametrize(
    ("at", "open_"),
    [("08:59:59", False), ("09:00:00", True), ("17:29:59", True), ("17:30:00", False)],
)
def test_the_cut_off_itself_is_closed(at, open_):
    tree = op("WITHIN_HOURS", NOW, "+00:00", "09:00", "17:30")
    assert evaluate(tree, at=times.parse(f"2026-11-23T{at}Z")) is open_


def test_the_end_of_the_day_is_24_00():
    tree = op("WITHIN_HOURS", NOW, "-01:00", "00:00", "24:00")
    assert evaluate(tree, at=times.parse("2026-11-23T00:30:00Z")) is True


def test_business_days_are_counted_from_the_next_one():
    tree = op("ADD_BUSINESS_DAYS", var("since"), {"duration": "P3BD"}, *HELD)
    assert evaluate(tree, {"since": "2026-12-23"}) == datetime.date(2026, 12, 29)


@pytest.mark.parametrize(
    ("tree", "context", "reason"),
    [
        (op("IS_BUSINESS_DAY", var("since"), *HELD), {"since": "2027-01-01"}, "VALUE_OUT_OF_RANGE"),
        (
            op("ADD_BUSINESS_DAYS", var("since"), {"duration": "P9BD"}, *HELD),
            {"since": "2026-12-28"},
            "VALUE_OUT_OF_RANGE",
        ),
        (
            op("ADD_BUSINESS_DAYS", {"date": "2026-01-01"}, var("period"), *HELD),
            {"period": "P3D"},
            "TYPE_MISMATCH",
        ),
    ],
)
def test_what_a_calendar_does_not_say_is_an_error(tree, context, reason):
    assert failure(tree, context).startswith(reason)


@pytest.mark.parametrize(
    "tree",
    [
        op("LOCAL_DATE", NOW, "Europe/Paris"),
        op("LOCAL_DATE", NOW, "+14:30"),
        op("LOCAL_DATE", NOW, var("word")),
        op("LOCAL_DATE", {"date": "2026-01-01"}, "+00:00"),
        op("WITHIN_HOURS", NOW, "+00:00", "17:30", "09:00"),
        op("WITHIN_HOURS", NOW, "+00:00", "9:00", "17:30"),
        op("IS_BUSINESS_DAY", var("since"), {"list": ["caturday"]}, HOLIDAYS, *YEAR),
        op("IS_BUSINESS_DAY", var("since"), {"list": list(calendars.WEEKDAYS)}, HOLIDAYS, *YEAR),
        op("IS_BUSINESS_DAY", var("since"), WEEKEND, {"list": [{"date": "2027-01-01"}]}, *YEAR),
        op("IS_BUSINESS_DAY", var("since"), WEEKEND, {"list": ["2026-12-25"]}, *YEAR),
        op("IS_BUSINESS_DAY", var("since"), WEEKEND, HOLIDAYS, *reversed(YEAR)),
        op("IS_BUSINESS_DAY", var("since"), WEEKEND, HOLIDAYS, YEAR[0], {"date": "2999-01-01"}),
        op("IS_BUSINESS_DAY", var("since"), WEEKEND, var("codes"), *YEAR),
        op("ADD_BUSINESS_DAYS", var("since"), {"duration": "P3D"}, *HELD),
    ],
)
def test_what_is_no_calendar_and_no_time_does_not_compile(tree):
    refused(tree)


def windows(*clauses):
    held = worlds.document(clauses=[worlds.clause(**each) for each in clauses])
    return predicates.compile_snapshot(contexts.as_snapshot(held), worlds.library())


@pytest.mark.parametrize(
    ("change", "place"),
    [
        ({"calendar": "atlantis"}, "/clauses/0/params/calendar"),
        ({"calendar": {"weekend": []}}, "/clauses/0/params/calendar"),
        ({"utc_offset": "CET"}, "/clauses/0/params/utc_offset"),
        ({"closes": "5 pm"}, "/clauses/0/params/closes"),
        ({"closes": "08:00"}, "/clauses/0"),
    ],
)
def test_a_window_that_is_none_is_refused(change, place):
    with pytest.raises(RtgfError) as refusal:
        windows({"template": "cut_off_window", "params": {**HOURS, **change}})
    assert refusal.value.pointer == place


def test_a_clock_that_changes_is_two_clauses():
    summer = {
        "clause_id": "cut_off.summer",
        "template": "cut_off_window",
        "params": {
            "opens": "07:00",
            "closes": "18:00",
            "utc_offset": "+02:00",
            "calendar": "eu_target",
        },
        "valid_from": "2027-03-28T01:00:00Z",
        "valid_to": "2027-10-31T00:59:59Z",
    }
    winter = {
        **summer,
        "clause_id": "cut_off.winter",
        "params": {**summer["params"], "utc_offset": "+01:00"},
        "valid_from": None,
        "valid_to": "2027-03-28T00:59:59Z",
    }
    rules = windows(summer, {k: v for k, v in winter.items() if v is not None}).predicates
    for at, decision in (
        ("2027-03-25T16:30:00Z", "PERMIT"),  # 17:30 in winter
        ("2027-03-30T16:30:00Z", "DENY"),  # 18:30 in summer
        ("2027-03-30T15:30:00Z", "PERMIT"),
    ):
        assert contexts.decide_on(rules, {}, at=at).decision == decision


CAP = {"template": "currency_amount_cap", "kind": "prohibition"}


def cap(name, value, **dates):
    threshold = {"value": value, "currency": "EUR"}
    return {
        **CAP,
        "clause_id": name,
        "params": {"threshold": threshold, "comparison": "gt"},
        **dates,
    }


def test_a_threshold_changes_on_the_day_the_law_says():
    before = cap("cap.2026", "10000.00", valid_to="2026-12-31")
    after = cap("cap.2027", "5000.00", valid_from="2027-01-01")
    held = windows(before, after)
    context = {"amount": {"value": "7000.00", "currency": "EUR"}}
    assert (
        contexts.decide_on(held.predicates, context, at="2026-12-31T23:59:59Z").decision == "PERMIT"
    )
    assert (
        contexts.decide_on(held.predicates, context, at="2027-01-01T00:00:00Z").decision == "DENY"
    )
    assert {d["clause_id"]: d.get("valid_from") for d in held.prohibitions} == {
        "cap.2026": None,
        "cap.2027": "2027-01-01",
    }


def test_two_thresholds_on_one_day_cannot_both_hold():
    before = cap("cap.2026", "10000.00", valid_to="2027-01-01")
    after = cap("cap.2027", "5000.00", valid_from="2027-01-01")
    with pytest.raises(RtgfError) as refusal:
        windows(before, after)
    assert refusal.value.code is Code.RTGF_MAP_RULE_CONFLICT


def allowed(name, *words, **dates):
    template = {"template": "transfer_mechanism", "kind": "control"}
    return worlds.clause(name, params={"allowed": list(words)}, **template, **dates)


def test_rules_that_are_never_in_force_together_never_meet_in_a_corridor():
    """Each day has its own settlement; a conflict is what nothing could satisfy on some day."""
    before = allowed("before", "consent", "contract", valid_to="2026-12-31")
    after = allowed("after", "binding_rules", valid_from="2027-01-01")

    def settled(*of_sg):
        sides = [
            contexts.rmt(worlds.document("EU", clauses=[before, after])),
            contexts.rmt(worlds.document("SG", clauses=list(of_sg))),
        ]
        merged = corridor.intersect(*sides, corridor="EU-SG")
        return [row["result"] for row in merged.effective_conflicts]

    assert settled(allowed("any", "consent", "binding_rules")) == [["consent"], ["binding_rules"]]
    with pytest.raises(RtgfError) as refusal:
        settled(allowed("any", "consent"))
    assert refusal.value.code is Code.RTGF_MAP_RULE_CONFLICT
    assert settled(allowed("any", "consent", valid_to="2026-12-31")) == [["consent"]]
