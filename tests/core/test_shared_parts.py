"""Tokens that have rules in common share them in memory, and read as any other."""

from __future__ import annotations

from rtgf_node.core import tokens
from rtgf_node.core.shared_parts import SharedParts
from tests import worlds
from tests.core.test_build import EU, SG, run


def test_a_token_reads_as_by_itself_and_shares_its_rules_with_the_next() -> None:
    artefacts = run(worlds.by_id(EU, SG), ["EU", "SG", "EU-SG"]).artefacts
    bodies = [body for name, body in artefacts.items() if name.startswith("tokens/")]
    parts = SharedParts()
    held = [parts.read(body) for body in bodies]
    assert held == [tokens.parse(body) for body in bodies]
    for first, again in zip(held, map(parts.read, bodies), strict=True):
        assert first is not again
        assert first.predicate_set
        assert again.predicate_set
        assert [*map(id, first.predicate_set)] == [*map(id, again.predicate_set)]
        assert first.evidence is again.evidence
