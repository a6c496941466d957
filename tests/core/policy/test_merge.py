"""The merge registry: what holds when two jurisdictions ask for different amounts of one thing."""

from __future__ import annotations

import itertools

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rtgf_node.core import canonical_json
from rtgf_node.core.policy import merge


def money(value, currency="EUR", comparison="gt"):
    return {"value": value, "currency": currency, "comparison": comparison}


@pytest.mark.parametrize(
    ("parameter", "values", "result"),
    [
        ("record_retention.minimum_period", ["P5Y", "P7Y"], ["P7Y"]),
        ("record_retention.minimum_period", ["P60M", "P4Y"], ["P60M"]),
        ("record_retention.minimum_period", ["P5Y", "P2000D"], ["P5Y", "P2000D"]),
        ("reporting_deadline.maximum_delay", ["PT24H", "P3D"], ["PT24H"]),
        ("reporting_deadline.maximum_delay", ["P3BD", "P10BD"], ["P3BD"]),
        ("reporting_deadline.maximum_delay", ["PT24H", "P3BD"], ["P3BD", "PT24H"]),
        (
            "travel_rule_information.threshold",
            [money("1000.00"), money("999.99")],
            [money("999.99")],
        ),
        ("travel_rule_information.threshold", [money("9.00"), money("10.00")], [money("9.00")]),
        (
            "travel_rule_information.threshold",
            [money("1000.00"), money("1000.00", comparison="gte")],
            [money("1000.00", comparison="gte")],
        ),
        (
            "travel_rule_information.threshold",
            [money("1000.00"), money("1500.00", "SGD")],
            [money("1000.00"), money("1500.00", "SGD")],
        ),
        ("sanctions_screening.threshold", ["0.92", "0.9"], ["0.9"]),
        ("sanctions_screening.lists", [["un-sc"], ["eu-fsf", "un-sc"]], [["eu-fsf", "un-sc"]]),
        ("transfer_mechanism.allowed", [["a", "b"], ["b", "c"]], [["b"]]),
        ("due_diligence.level", ["simplified", "enhanced", "standard"], ["enhanced"]),
        ("due_diligence.party", ["originator", "beneficiary"], ["beneficiary", "originator"]),
        (
            "travel_rule_information.originator_above",
            [[["name"]], [["address", "national_id"], ["name"]]],
            [[["address", "national_id"], ["name"]]],
        ),
    ],
)
def test_what_holds_when_all_must_hold(parameter, values, result):
    template, _, name = parameter.partition(".")
    for order in itertools.permutations(values):
        merged = merge.merge(template, name, order)
        assert merged is not None
        assert list(merged.values) == result


def test_sets_of_allowed_things_with_none_in_common_have_no_result():
    assert merge.merge("transfer_mechanism", "allowed", [["a"], ["b"]]) is None
    assert (
        merge.merge("transfer_mechanism", "allowed", [["a", "b"], ["b", "c"], ["a", "c"]]) is None
    )


def test_a_parameter_without_a_row_is_a_conflict_only_when_values_differ():
    assert merge.merge("tea_ceremony", "sugar", ["one", "two"]) is None
    merged = merge.merge("tea_ceremony", "sugar", ["one", "one"])
    assert merged is not None
    assert merged.values == ("one",)


def test_a_flag_is_required_where_either_requires_it():
    combine = merge.KINDS["flag"].combine
    assert combine([True, False], ()) == [True]
    assert combine([False, False], ()) == [False]


def test_every_row_names_a_kind():
    assert {row.kind for row in merge.PARAMETERS.values()} <= set(merge.KINDS)


def test_a_comparison_is_part_of_its_threshold():
    params = {"threshold": {"value": "1.00", "currency": "EUR"}, "comparison": "gte", "level": "x"}
    assert merge.comparable(params) == {
        "threshold": money("1.00", comparison="gte"),
        "level": "x",
    }
    assert merge.comparable({"threshold": "0.92"}) == {"threshold": "0.92"}


WORDS = st.lists(st.sampled_from("abcd"), min_size=1, unique=True).map(sorted)
VALUES = {
    "record_retention.minimum_period": st.builds(
        "P{}{}".format, st.integers(0, 40), st.sampled_from(["Y", "M", "D", "W", "BD"])
    ),
    "reporting_deadline.maximum_delay": st.builds(
        "P{}{}".format, st.integers(0, 40), st.sampled_from(["D", "BD"])
    ),
    "travel_rule_information.threshold": st.builds(
        lambda n, c, k: money(f"{n}.00", c, k),
        st.integers(0, 30),
        st.sampled_from(["EUR", "SGD"]),
        st.sampled_from(["gt", "gte"]),
    ),
    "sanctions_screening.lists": WORDS,
    "transfer_mechanism.allowed": WORDS,
    "due_diligence.level": st.sampled_from(["simplified", "standard", "enhanced"]),
}
CASES = st.sampled_from(sorted(VALUES)).flatmap(
    lambda name: st.tuples(st.just(name), st.lists(VALUES[name], min_size=1, max_size=5))
)


def same(a, b):
    return canonical_json.canonical_bytes(list(a)) == canonical_json.canonical_bytes(list(b))


@given(CASES, st.randoms(use_true_random=False))
def test_neither_order_nor_repetition_matters(case, shuffler):
    (template, _, name), values = case[0].partition("."), case[1]
    merged = merge.merge(template, name, values)
    again = [*values, shuffler.choice(values)]
    shuffler.shuffle(again)
    other = merge.merge(template, name, again)
    if merged is None:
        assert other is None
        return
    assert other is not None
    if not template.startswith(("record", "reporting")):
        assert same(merged.values, other.values)
    # Two texts may say one length, such as P12M and P1Y; either stands for both.
    kind = merge.PARAMETERS[case[0]].kind
    assert [merge.class_of(kind, v) for v in merged.values] == [
        merge.class_of(kind, v) for v in other.values
    ]


@given(CASES)
def test_merging_a_result_once_more_changes_nothing(case):
    (template, _, name), values = case[0].partition("."), case[1]
    merged = merge.merge(template, name, values)
    if merged is not None:
        again = merge.merge(template, name, list(merged.values))
        assert again is not None
        assert same(merged.values, again.values)


@given(CASES)
def test_what_all_say_alike_is_what_holds(case):
    (template, _, name), value = case[0].partition("."), case[1][0]
    merged = merge.merge(template, name, [value] * 3)
    assert merged is not None
    assert merged == merge.merge(template, name, [value])
    assert merged.classes == (merge.class_of(merge.row(template, name).kind, value),)
