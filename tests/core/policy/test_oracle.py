"""The evaluator agrees to the byte with a second one that is written from the specification."""

from __future__ import annotations

import random

import pytest

from rtgf_node.core import digests, times
from rtgf_node.core.policy import plan
from rtgf_node.core.policy.decide import prepare, run
from rtgf_node.core.policy.operators import OPERATORS
from tests import naive_policy, policy_questions

AT = times.parse("2026-11-22T10:00:00Z")
SHARDS = 8
SETS_A_SHARD = 300
CONTEXTS_A_SET = 30
PAIRS = 100_000


def sanctions(arguments):
    """A resolver that errs in every way there is, by what it is asked about."""
    name = arguments["party"].get("name")
    if name == "Zoë":
        raise TimeoutError
    if name == " ":
        return {"listed": "no", "matches": [], "dataset_digests": []}
    matches = [{"score": 0.5, "list": "un-sc"}] if len(arguments["lists"]) > 1 else ["m"]
    listed = name == "Listed"
    return {"listed": listed, "matches": matches if listed else [], "dataset_digests": []}


def proof(arguments):
    """A resolver that reads all of its arguments, and errs by the receipt."""
    receipt = arguments["receipt"]
    if receipt.get("other") is None:
        raise ValueError
    valid = arguments["subject"].get("kind") == arguments["proof"] or receipt["other"] == "a"
    return {"valid": valid} if receipt["other"] != "cash" else {"valid": 1}


def registry(arguments):
    """A resolver that knows some tokens, and answers of others in every wrong way."""
    wrong = {"x9": None, "Zoë": {"found": True}, "": {"found": True, "valid": "yes"}}
    token = arguments["token"]
    return wrong.get(token, {"found": len(token) > 1, "valid": token == "EU", "more": [0.5]})


RESOLVERS = {"sanctions": sanctions, "proof": proof, "registry": registry}


def questions(shard):
    """Sets of one to four predicates, each with contexts to decide on."""
    chance = random.Random(f"policy {shard}")
    for _ in range(SETS_A_SHARD):
        count = chance.choice([1, 1, 2, 3])
        predicates = [policy_questions.predicate(number, chance) for number in range(count)]
        yield predicates, [policy_questions.context(chance) for _ in range(CONTEXTS_A_SET)]


@pytest.mark.parametrize("shard", range(SHARDS))
def test_two_evaluators_agree_to_the_byte(shard):
    pairs, outcomes, used = 0, set(), set()
    for predicates, contexts in questions(shard):
        made = plan.make(predicates)
        prepared = prepare(predicates, made)
        assert prepared.faults == ()
        used.update(*(row["ops"] for row in made["sequence"]))
        for context in contexts:
            found = run(prepared, context, at=AT, resolvers=RESOLVERS)
            naive = naive_policy.decide(predicates, made, context, at=AT, resolvers=RESOLVERS)
            assert found.trace_bytes.decode() == naive.trace, (predicates, context)
            assert (found.decision, found.reasons, found.controls, found.error) == naive[:4]
            assert found.trace_digest == digests.sha256(naive.trace.encode())
            pairs += len(predicates)
            outcomes |= {found.decision, *(reason.partition(":")[0] for reason in found.reasons)}
    assert pairs * SHARDS >= PAIRS
    assert used == {*OPERATORS, "LOOKUP"}
    assert outcomes >= {
        "PERMIT",
        "PERMIT_WITH_CONTROLS",
        "DENY",
        "INPUT_MISSING",
        "TYPE_MISMATCH",
        "CURRENCY_MISMATCH",
        "VALUE_OUT_OF_RANGE",
        "RESOLVER_ERROR",
    }
