"""What a verifier's memory says of keys, and of decisions that time alone may change."""

from __future__ import annotations

import pytest

from rtgf_node.core import tokens
from rtgf_node.core.keys import KeySet
from rtgf_node.core.policy import plan, predicates
from rtgf_node.core.trust import TrustState
from rtgf_node.errors import Code
from tests import contexts, worlds

NODE = worlds.node(keys=2)


def with_keys(*keys):
    state = TrustState()
    state.keys = KeySet(keys)
    return state


def test_as_many_keys_must_be_usable_as_the_token_asks_for():
    made = worlds.token(signature_threshold=2)
    token = tokens.parse(tokens.sign(made, NODE.signers))
    assert with_keys(*NODE.public_keys).unusable(token, at=worlds.NOW) is None
    one = with_keys(NODE.public_keys[0])
    assert one.unusable(token, at=worlds.NOW) is Code.RTGF_KID_UNKNOWN
    modest = tokens.parse(tokens.sign(worlds.token(), NODE.signers))
    assert one.unusable(modest, at=worlds.NOW) is None


def token_of(clause):
    held = worlds.document(clauses=[clause], evidence_sources=[worlds.source()])
    policy = predicates.compile_snapshot(contexts.as_snapshot(held), worlds.library())
    rules = list(policy.predicates)
    made = worlds.token(predicate_set=rules, eval_plan=plan.make(rules))
    return tokens.parse(tokens.sign(made, NODE.signers))


@pytest.mark.parametrize(
    ("clause", "changes"),
    [
        (worlds.clause(), False),
        (worlds.screening_clause(), False),
        (worlds.clause(valid_from="2026-12-01"), True),
        (
            worlds.clause(
                template="proof_requirement",
                params={"proof": "solvency", "subject": "originator"},
            ),
            True,
        ),
    ],
)
def test_a_verdict_that_time_alone_may_change_is_not_remembered(clause, changes):
    assert with_keys().changes_unasked(token_of(clause)) is changes
