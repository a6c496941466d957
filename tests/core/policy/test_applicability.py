"""When a rule applies; what a context lacks never means that it does not."""

from __future__ import annotations

import pytest

from rtgf_node.core.policy import plan, predicates
from rtgf_node.core.policy.rule import compile_rule
from rtgf_node.errors import Code, RtgfError
from tests import contexts, worlds
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
    # Of an amount in another currency, what the context states as its equivalent counts.
    other: dict[str, object] = {"amount": {"value": "1", "currency": "SGD"}}
    missing = "INPUT_MISSING:amount_equivalents.EUR"
    assert outcome(occasional(**occasions), other) == ("DENY", [missing], True)
    other["amount_equivalents"] = {"EUR": {"value": value, "currency": "EUR"}}
    found = asked(occasional(**occasions), other)
    assert (found.decision == "DENY") is applies
    assert not found.error
    other["amount_equivalents"] = {"EUR": {"value": value, "currency": "SGD"}}
    mismatch = "CURRENCY_MISMATCH:amount_equivalents.EUR"
    assert outcome(occasional(**occasions), other) == ("DENY", [mismatch], True)


def test_an_exception_applies_to_an_amount_in_another_currency_too():
    rule = worlds.clause("rule", template="legal_basis", params={"allowed": ["contract"]})
    small = {"amount_gt": {"value": "1000.00", "currency": "EUR"}}
    relaxed = {**rule, "clause_id": "large", "exception_of": "rule", "applies_when": small}
    relaxed["params"] = {"allowed": ["consent"]}
    held = contexts.as_snapshot(worlds.document(clauses=[rule, relaxed]))
    rules = predicates.compile_snapshot(held, worlds.library()).predicates
    context: dict[str, object] = {
        "legal_basis": "consent",
        "amount": {"value": "9000", "currency": "SGD"},
    }
    assert contexts.decide_on(rules, context).reasons == ("INPUT_MISSING:amount_equivalents.EUR",)
    for value, decision in (("1000.00", "DENY"), ("1000.01", "PERMIT")):
        context["amount_equivalents"] = {"EUR": {"value": value, "currency": "EUR"}}
        assert contexts.decide_on(rules, context).decision == decision
        in_euro = {**context, "amount": {"value": value, "currency": "EUR"}}
        in_euro["amount_equivalents"] = {"EUR": {"value": "0", "currency": "EUR"}}
        assert contexts.decide_on(rules, in_euro).decision == decision


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


@pytest.mark.parametrize("days", [{"valid_from": "2026-11-23"}, {"valid_to": "2026-11-21"}])
@pytest.mark.parametrize("context", [{}, {"record_retention": 5, "suspicion": "yes"}])
def test_a_clause_that_is_not_in_force_asks_nothing_of_the_context(days, context):
    """Not even what it would need on the days of its validity: neither inputs nor occasions."""
    clause = worlds.clause(applies_when={"suspicion": True}, **days)
    held = contexts.as_snapshot(worlds.document(clauses=[clause]))
    rules = predicates.compile_snapshot(held, worlds.library()).predicates
    found = contexts.decide_on(rules, context)
    assert (found.decision, found.reasons) == ("PERMIT", ())
    [step] = found.trace["steps"]
    assert (step["outcome"], step["applies"]) == ("not_applicable", False)
    assert found.trace["at"] == "2026-11-22T10:00:00Z"
    assert contexts.decide_on(rules, context, at="2026-11-22T23:59:59Z").decision == "PERMIT"
    in_force = "2026-11-23T00:00:00Z" if "valid_from" in days else "2026-11-21T23:59:59Z"
    found = contexts.decide_on(rules, context, at=in_force)
    assert (found.decision, found.error) == ("DENY", True)


def test_days_that_are_none_do_not_compile():
    held = contexts.as_snapshot(worlds.document())
    [rule] = predicates.compile_snapshot(held, worlds.library()).predicates
    with pytest.raises(RtgfError, match="valid_from and valid_to are days") as refusal:
        compile_rule({**rule, "valid_to": "2026-02-30"})
    assert refusal.value.code is Code.RTGF_MAP_EXPRESSION_INVALID
