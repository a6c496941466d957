"""A few rules and a lawful payment, for tests of what is decided about it."""

from __future__ import annotations

from rtgf_node.core import times
from rtgf_node.core.policy import plan
from rtgf_node.core.policy.decide import decide

AT = times.parse("2026-11-22T10:00:00Z")
LIMIT = {"money": {"value": "1000.00", "currency": "EUR"}}
SCREEN = {
    "op": "LOOKUP",
    "resolver": "sanctions",
    "args": {
        "party": {"var": "beneficiary"},
        "lists": {"list": ["un-sc"]},
        "threshold": {"decimal": "0.92"},
    },
}


def op(name, *args):
    return {"op": name, "args": list(args)}


def predicate(number, *, kind="obligation", logic=True, decision="DENY", **changes):
    controls = [f"CONTROL_{number}"] if decision == "PERMIT_WITH_CONTROLS" else []
    return {
        "id": f"pred.eu.test.{number:012x}",
        "domain": "test",
        "clause_id": f"c.{number:03}",
        "jurisdiction": "EU",
        "kind": kind,
        "template": "test",
        "applies_to": "both",
        "applies_when": None,
        "inputs": [],
        "derive": [],
        "logic": logic,
        "on_fail": {"decision": decision, "reason": f"FAILED_{number}", "controls": controls},
        "citation": {"ref": "law", "article": "1"},
        "params": {},
        **changes,
    }


def wanting(number, name, type_, logic=True, *, required=True, **changes):
    inputs = [{"name": name, "type": type_, "required": required}]
    return predicate(number, logic=logic, inputs=inputs, **changes)


SANCTIONS = wanting(
    7,
    "beneficiary",
    "party",
    op("NOT", {"var": "screening.listed"}),
    kind="prohibition",
    derive=[{"name": "screening", "expr": SCREEN}],
)
REVIEW = wanting(
    8,
    "amount",
    "money",
    op("NOT", op("GT", {"var": "amount"}, LIMIT)),
    kind="control",
    decision="PERMIT_WITH_CONTROLS",
)
RETENTION = wanting(
    1, "record_retention", "duration", op("GTE", {"var": "record_retention"}, {"duration": "P5Y"})
)
SET = [SANCTIONS, REVIEW, RETENTION]
LAWFUL = {
    "amount": {"value": "250.00", "currency": "EUR"},
    "beneficiary": {"name": "Nobody Unusual", "date_of_birth": "1980-01-01"},
    "record_retention": "P5Y",
}


def sanctions(arguments):
    return {
        "listed": arguments["party"].get("name") == "Listed",
        "matches": [],
        "dataset_digests": [],
    }


RESOLVERS = {"sanctions": sanctions}


def asked(predicates, context, *, at=AT, resolvers=RESOLVERS):
    token = {"predicate_set": predicates, "eval_plan": plan.make(predicates)}
    return decide(token, context, at=at, resolvers=resolvers)


def outcome(predicates, context, **more):
    found = asked(predicates, context, **more)
    return found.decision, list(found.reasons), found.error
