"""A token is sealed to the same bytes whichever of its members were written before."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from rtgf_node.core import tokens
from rtgf_node.core.canonical_json import canonical_bytes
from rtgf_node.core.sealing import sealed
from tests import worlds

TOKEN = {k: v for k, v in worlds.token().items() if k not in {"canonical_hash", "signatures"}}


@given(st.sets(st.sampled_from(sorted(TOKEN))))
def test_texts_that_are_known_change_nothing(known):
    made = sealed(TOKEN, {name: canonical_bytes(TOKEN[name]) for name in known})
    assert made.document == tokens.seal(TOKEN)
    assert made.text == canonical_bytes(made.document)


@given(st.sets(st.sampled_from(sorted(TOKEN)), min_size=1))
def test_any_members_can_be_all_there_are(names):
    part = {name: TOKEN[name] for name in names}
    texts = {name: canonical_bytes(TOKEN[name]) for name in names}
    for made in (sealed(part), sealed(part, texts)):
        assert made.document == tokens.seal(part)
        assert made.text == canonical_bytes(made.document)


def test_a_text_is_taken_as_it_is():
    assert b'"ttl_sec":[7]' in sealed(TOKEN, {"ttl_sec": b"[7]"}).text
