"""A decision in words: clause, predicate, what was compared, which law; and nobody's data."""

from __future__ import annotations

import pytest

from rtgf_node.core import times
from rtgf_node.core.policy import explain, plan
from rtgf_node.core.policy.decide import decide, prepare, run
from rtgf_node.core.policy.wording import Wording, literal

AT = times.parse("2026-11-22T10:00:00Z")


def op(name, *args):
    return {"op": name, "args": list(args)}


def var(path):
    return {"var": path}


def eur(value):
    return {"money": {"value": value, "currency": "EUR"}}


def predicate(number, *, kind, inputs, logic, reason, controls=(), **changes):
    return {
        "id": f"pred.eu.payments_aml.{number:012x}",
        "domain": "payments_aml",
        "clause_id": f"eu.aml.{number}",
        "jurisdiction": "EU",
        "kind": kind,
        "template": "test",
        "applies_to": "both",
        "inputs": [{"name": name, "type": kind_} for name, kind_ in inputs.items()],
        "logic": logic,
        "on_fail": {
            "decision": "PERMIT_WITH_CONTROLS" if controls else "DENY",
            "reason": reason,
            "controls": list(controls),
        },
        "citation": {"ref": "eu-2023-1113", "article": "5", "paragraph": "2"},
        **changes,
    }


SCREEN = {
    "op": "LOOKUP",
    "resolver": "sanctions",
    "args": {
        "party": var("beneficiary"),
        "lists": {"list": ["eu-fsf", "un-sc"]},
        "threshold": {"decimal": "0.92"},
    },
}
SANCTIONS = predicate(
    1,
    kind="prohibition",
    inputs={"beneficiary": "party"},
    logic=op("NOT", var("screening.listed")),
    derive=[{"name": "screening", "expr": SCREEN}],
    reason="SANCTIONS_LISTED",
    citation={
        "ref": "eu-269-2014",
        "instrument": "Regulation (EU) No 269/2014",
        "article": "Article 2",
    },
)
REVIEW = predicate(
    2,
    kind="control",
    inputs={"amount": "money"},
    logic=op("NOT", op("GT", var("amount"), eur("1000.00"))),
    reason="AMOUNT_OVER_THRESHOLD",
    controls=["ENHANCED_REVIEW"],
)
RETENTION = predicate(
    3,
    kind="obligation",
    inputs={"record_retention": "duration"},
    logic=op("GTE", var("record_retention"), {"duration": "P60M"}),
    reason="RETENTION_TOO_SHORT",
)
SET = [SANCTIONS, REVIEW, RETENTION]
REFERENCES = {
    "eu-2023-1113": {
        "instrument": "Regulation (EU) 2023/1113",
        "title": "Information accompanying transfers of funds",
    }
}
CONTEXT = {
    "amount": {"value": "5613.37", "currency": "EUR"},
    "beneficiary": {"name": "Canary Person"},
    "record_retention": "P41M",
}


def decided(context, *, listed=True, predicates=SET):
    def sanctions(_):
        return {"listed": listed, "matches": [], "dataset_digests": []}

    token = {"predicate_set": predicates, "eval_plan": plan.make(predicates)}
    return decide(token, context, at=AT, resolvers={"sanctions": sanctions})


def test_a_refusal_goes_from_the_clause_to_the_law():
    said = explain.sentences(decided(CONTEXT), SET, references=REFERENCES)
    law = "Law: Regulation (EU) 2023/1113 (Information accompanying transfers of funds), Article 5"
    assert said == [
        "It is refused (ENHANCED_REVIEW). Rules that apply: 3; not fulfilled: 3.",
        "Clause eu.aml.3 (EU obligation) requires that the record retention is at least 5 years;"
        " that is not so (RETENTION_TOO_SHORT, predicate pred.eu.payments_aml.000000000003)."
        f" {law}, paragraph 2.",
        "Clause eu.aml.1 (EU prohibition) requires that the beneficiary is not found on the lists"
        " eu-fsf or un-sc (from a score of 0.92); that is not so (SANCTIONS_LISTED, predicate"
        " pred.eu.payments_aml.000000000001). Law: Regulation (EU) No 269/2014, Article 2.",
        "Clause eu.aml.2 (EU control) makes ENHANCED_REVIEW due, for the amount is more than"
        " EUR 1,000.00 (AMOUNT_OVER_THRESHOLD, predicate pred.eu.payments_aml.000000000002)."
        f" {law}, paragraph 2.",
    ]


def test_the_words_say_nothing_about_anyone():
    for context in (CONTEXT, {}, {"beneficiary": "Canary", "amount": 5613.37}):
        text = explain.text(decided(context), SET, references=REFERENCES)
        for canary in ("Canary", "5613", "5,613", "P41M", "41"):
            assert canary not in text


def test_a_permit_needs_few_words():
    lawful = {
        "amount": {"value": "1", "currency": "EUR"},
        "beneficiary": {},
        "record_retention": "P5Y",
    }
    text = explain.text(decided(lawful, listed=False), SET)
    assert text == "It is permitted. Rules that apply: 3; not fulfilled: 0."


def test_an_error_is_not_called_a_breach():
    said = explain.sentences(decided({"record_retention": 5, "amount": {}}), SET)
    assert said[0] == (
        "It is refused because it could not be decided. Rules that apply: 3; not fulfilled: 3."
    )
    assert "could not be decided: the record retention is not given in the form" in said[1]
    assert "could not be decided: the beneficiary was not given" in said[2]
    # Without the references, the law is named as the predicate names it.
    assert said[1].endswith("Law: eu-2023-1113, Article 5, paragraph 2.")


def test_a_resolver_that_failed_is_named():
    token = {"predicate_set": SET, "eval_plan": plan.make(SET)}
    found = decide(token, CONTEXT, at=AT, resolvers={})
    assert "the sanctions check could not be made" in explain.text(found, SET)


def test_a_token_that_is_not_well_formed_is_explained_too():
    broken = {**RETENTION, "logic": op("EVAL")}
    found = run(prepare([broken], None), {}, at=AT, resolvers={})
    said = explain.sentences(found, [broken])
    assert said[1:] == [
        "It could not be decided: the rule pred.eu.payments_aml.000000000003 is not well formed."
    ]
    found = run(prepare([], None), [], at=AT, resolvers={})
    assert explain.sentences(found, [])[1:] == [
        "It could not be decided: the token has no rules, and so permits nothing.",
        "It could not be decided: the context is not given in the form that the rule needs.",
    ]


@pytest.mark.parametrize(
    ("tree", "words", "opposite"),
    [
        (op("GT", var("amount"), eur("1000")), "is more than EUR 1,000", "is not more than EUR"),
        (op("LT", var("a.b"), 5), "the a b is less than 5", "the a b is at least 5"),
        (op("LTE", var("a"), {"duration": "P10BD"}), "at most 10 business days", "is more than 10"),
        (op("IN", var("a"), {"list": ["x"]}), "the a is x", "the a is not x"),
        (op("IN", var("a"), {"list": ["x", "y"]}), "is one of x or y", "is none of x or y"),
        (op("HAS_VALUE", var("originator"), "lei"), "the originator lei is given", "is not given"),
        (var("flag"), "the flag holds", "the flag does not hold"),
        (op("AGE_LT_DAYS", var("a"), 30), "the a is less than 30 days ago", "at least 30 days ago"),
        (op("SUBSET_OF", var("a"), {"list": ["x"]}), "nothing besides x", "something besides x"),
        (op("EQUALS", op("LENGTH", var("a")), 3), "the length of the a is 3", "is not 3"),
        (op("GT", op("ADD", var("a"), 1), 3), "the a plus 1 is more than 3", "is not more than 3"),
        (op("LT", op("NOW"), var("a")), "the time of the decision is less than the a", "at least"),
        (op("AND", var("a"), var("b")), "the a holds and the b holds", "not hold or the b does"),
        (op("AND", True, var("b")), "the b holds", "the b does not hold"),
        (
            op("OR", op("AND", var("a"), var("b")), var("c")),
            "(the a holds and the b holds) or the c holds",
            "(the a does not hold or the b does not hold) and the c does not hold",
        ),
    ],
)
def test_expressions_in_words(tree, words, opposite):
    wording = Wording({})
    assert words in wording.statement(tree)
    assert opposite in wording.statement(tree, negated=True)
    assert wording.statement(op("NOT", op("NOT", tree))) == wording.statement(tree)


def test_an_amount_or_its_equivalent_is_said_once():
    limit = eur("1000")
    tree = op(
        "OR",
        op("AND", op("EQUALS", var("amount.currency"), "EUR"), op("GT", var("amount"), limit)),
        op(
            "AND",
            op("NOT_EQUALS", var("amount.currency"), "EUR"),
            op("GT", var("amount_equivalents.EUR"), limit),
        ),
    )
    assert Wording({}).statement(tree) == (
        "the amount is more than EUR 1,000 (or its equivalent in that currency)"
    )


@pytest.mark.parametrize(
    ("tree", "words"),
    [
        ({"duration": "P1Y"}, "1 year"),
        ({"duration": "P18M"}, "18 months"),
        ({"duration": "PT36H"}, "36 hours"),
        ({"duration": "P14D"}, "14 days"),
        ({"duration": "P1BD"}, "1 business day"),
        ({"money": {"value": "1234567.50", "currency": "KRW"}}, "KRW 1,234,567.50"),
        ({"list": []}, "nothing"),
        ({"list": [{"duration": "P1Y"}, {"duration": "P2Y"}]}, "1 year or 2 years"),
        ({"list": [f"x{number}" for number in range(14)]}, "x11 and 2 more"),
        ({"date": "2026-01-01"}, "2026-01-01"),
    ],
)
def test_literals_in_words(tree, words):
    assert literal(tree).endswith(words)
