"""When a rule applies; what a context lacks never means that it does not."""

from __future__ import annotations

import pytest

from rtgf_node.core.policy import plan
from rtgf_node.errors import Code, RtgfError
from tests.rules import asked, outcome, predicate, wanting


def occasional(**occasions):
    return [predicate(1, logic=False, applies_when=occasions)]


@pytest.mark.parametrize(
    ("occasions", "context", "applies"),
    [
        ({"instrument": "cash"}, {"instrument": "cash"}, True),
        ({"instrument": "cash"}, {"instrument": "crypto"}, False),
        ({"instrument": ["cash", "crypto"]}, {"instrument": "crypto"}, True),
        ({"crossborder": True}, {"crossborder": True}, True),
        ({"crossborder": True}, {"crossborder": False}, False),
        ({"originator_kind": "legal"}, {"originator": {"kind": "legal"}}, True),
        ({"beneficiary_kind": "legal"}, {"beneficiary": {"kind": "natural"}}, False),
        ({"suspicion": False}, {"suspicion": False}, True),
        ({"purpose": "aid", "risk_class": "high"}, {"purpose": "aid", "risk_class": "low"}, False),
        ({"data_category": ["health"]}, {"data_category": "health"}, True),
    ],
)
def test_a_rule_applies_when_all_its_conditions_hold(occasions, context, applies):
    expected = ("DENY", ["FAILED_1"], False) if applies else ("PERMIT", [], False)
    assert outcome(occasional(**occasions), context) == expected


@pytest.mark.parametrize(
    ("key", "value", "applies"),
    [
        ("amount_gt", "1000.00", False),
        ("amount_gt", "1000.01", True),
        ("amount_gte", "999.99", False),
        ("amount_gte", "1000", True),
    ],
)
def test_an_amount_is_above_or_at_least(key, value, applies):
    occasions = {key: {"value": "1000.00", "currency": "EUR"}}
    found = asked(occasional(**occasions), {"amount": {"value": value, "currency": "EUR"}})
    assert (found.decision == "DENY") is applies
    other = {"amount": {"value": value, "currency": "SGD"}}
    assert outcome(occasional(**occasions), other) == ("DENY", ["CURRENCY_MISMATCH:amount"], True)


def test_what_is_lacking_never_means_that_a_rule_does_not_apply():
    held = occasional(crossborder=True, instrument="cash")
    assert outcome(held, {"instrument": "crypto"}) == ("DENY", ["INPUT_MISSING:crossborder"], True)
    assert outcome(held, {"instrument": "crypto", "crossborder": "no"}) == (
        "DENY",
        ["TYPE_MISMATCH:crossborder"],
        True,
    )
    assert outcome(occasional(originator_kind="legal"), {"originator": "x"}) == (
        "DENY",
        ["TYPE_MISMATCH:originator.kind"],
        True,
    )


def test_what_a_rule_needs_is_not_asked_for_when_it_does_not_apply():
    held = [wanting(1, "wallet", "string", applies_when={"instrument": "crypto"})]
    assert outcome(held, {"instrument": "cash"}) == ("PERMIT", [], False)
    assert outcome(held, {"instrument": "crypto"}) == ("DENY", ["INPUT_MISSING:wallet"], True)


@pytest.mark.parametrize("path", ["instrument", "purpose", "risk_class", "originator.kind"])
@pytest.mark.parametrize("word", ["Cash", "cash ", " cash", "c\u0430sh", "cash\u200b", "\uff43ash"])
def test_a_word_that_is_written_otherwise_is_no_other_word(path, word):
    """Or a clause on cash would not apply to `Cash`."""
    key = path.replace(".", "_")
    rule = wanting(1, "amount", "money", logic=False, applies_when={key: "cash"})
    context = {"amount": {"value": "1", "currency": "EUR"}}
    outer, _, inner = path.partition(".")
    context[outer] = {inner: word} if inner else word
    assert outcome([rule], context) == ("DENY", [f"TYPE_MISMATCH:{path}"], True)


@pytest.mark.parametrize("stated", ["Cash", ["cash", "Crypto"], ""])
def test_a_condition_that_could_never_hold_is_refused(stated):
    rule = wanting(1, "amount", "money", applies_when={"instrument": stated})
    with pytest.raises(RtgfError) as caught:
        plan.make([rule])
    assert caught.value.code is Code.RTGF_MAP_EXPRESSION_INVALID
