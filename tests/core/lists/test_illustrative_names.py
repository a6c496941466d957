"""The parties of the illustrative policies are invented; none may look like a listed one."""

from __future__ import annotations

from rtgf_node.core.lists.screening import NameIndex, Party
from tests import contexts

# Well below what any illustrative clause counts as a match.
ALIKE = 0.75


def test_no_party_of_a_scenario_or_example_is_like_a_listed_name(all_names: NameIndex) -> None:
    held = [
        scenario["context"]
        for name in contexts.policy_names()
        for scenario in contexts.policy_document(name)["scenarios"]
    ]
    held += [contexts.example("payment-eu-sg"), contexts.example("payment-eu-sg-large")]
    names = {
        party["name"]
        for context in held
        for party in (context.get("originator"), context.get("beneficiary"))
        if party is not None
    }
    assert len(names) == 7
    for name in sorted(names):
        assert all_names.screen(Party((name,)), threshold=ALIKE) == ()
