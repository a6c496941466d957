"""What an evidence file says. That forged ones are refused is in `tests/docs/test_checker.py`."""

from __future__ import annotations

import json

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rtgf_node.core import evidence, evidence_check
from rtgf_node.errors import Code, RtgfError
from tests.evidence_world import IMT, ISSUER, ORIGIN, RMT_EU, RMT_SG, ROOT, SIGNERS, World, data


def verdict(world: World, token_id: str = RMT_EU) -> evidence_check.Verdict:
    return evidence_check.check(data(world.file(token_id)), root_public=ROOT.public)


def test_it_says_what_the_token_is_and_that_it_was_logged():
    world = World()
    found = verdict(world, IMT)
    assert (found.token_id, found.type, found.place) == (IMT, "IMT", "EU-SG")
    assert (found.uri, found.issuer) == (f"urn:rtgf:token:{IMT}", ISSUER)
    assert found.canonical_hash == world.tokens[IMT]["canonical_hash"]
    assert found.signed_by == [SIGNERS["token"].kid]
    assert (found.origin, found.tree_size) == (ORIGIN, len(world.events))
    assert found.leaf_index == world.index[IMT]
    assert found.issued_at == world.events[world.index[IMT]].at
    assert found.snapshots == [
        "snapshot:eu:payments_aml:2026-10",
        "snapshot:sg:payments_aml:2026-10",
    ]
    assert found.datasets == ["eu-fsf:1", "un-sc:1"]
    assert (found.status, found.status_reason, found.revEpoch) == ("valid", None, 0)
    assert found.reason is None
    assert found.code() is None


def test_it_says_why_a_token_was_withdrawn():
    world = World()
    world.revoke(RMT_SG, reason="key_compromise")
    found = verdict(world, RMT_SG)
    assert (found.status, found.status_reason, found.revEpoch) == ("invalid", "key_compromise", 1)
    assert found.code() is Code.RTGF_VERIFY_REVOKED
    assert verdict(world, RMT_EU).reason is None


def test_a_lifted_suspension_leaves_its_trace_and_no_mark():
    world = World()
    for status in ("suspended", "valid"):
        world.revoke(RMT_SG, status=status, reason="corridor_suspended")
    found = verdict(world, RMT_SG)
    assert (found.status, found.status_reason, found.revEpoch) == ("valid", "corridor_suspended", 2)
    assert found.code() is None


def test_names_of_cosigners_are_told_and_not_believed():
    file = World().file()
    file["checkpoint"] += "— witness.example/w1 " + "A" * 104 + "\n"
    found = evidence_check.check(data(file), root_public=ROOT.public)
    assert (found.cosigned, found.unchecked) == ([], ["witness.example/w1"])


def test_it_writes_what_it_reads():
    body = data(World().file())
    assert evidence.to_bytes(evidence.parse(body)) == body


@settings(max_examples=60)
@given(st.data())
def test_no_byte_of_a_file_can_be_changed(draw):
    body = data(World().file())
    place = draw.draw(st.integers(0, len(body) - 1))
    other = draw.draw(st.integers(0, 255).filter(lambda byte: byte != body[place]))
    changed = body[:place] + bytes([other]) + body[place + 1 :]
    with pytest.raises(RtgfError):
        evidence_check.check(changed, root_public=ROOT.public)


@settings(max_examples=40)
@given(st.data())
def test_no_member_can_be_left_out_and_none_replaced(draw):
    file = World().file()
    holder, name = file, draw.draw(st.sampled_from(sorted(file)))
    while isinstance(holder[name], dict) and holder[name] and draw.draw(st.booleans()):
        holder = holder[name]
        name = draw.draw(st.sampled_from(sorted(holder)))
    if draw.draw(st.booleans()):
        del holder[name]
    else:
        strange = [None, "", [], {}, 7, -1, True, "x", [{}], {"event": {}}, 1.5, [[]]]
        holder[name] = draw.draw(st.sampled_from([v for v in strange if v != holder[name]]))
    with pytest.raises(RtgfError):
        evidence_check.check(data(file), root_public=ROOT.public)


@given(
    st.recursive(
        st.none() | st.integers(0, 9) | st.text(max_size=3),
        lambda inner: (
            st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3)
        ),
    )
)
def test_no_document_breaks_the_reader(value):
    with pytest.raises(RtgfError) as caught:
        evidence_check.check(json.dumps(value).encode(), root_public=ROOT.public)
    assert caught.value.code in {Code.RTGF_JSON_INVALID, Code.RTGF_INPUT_INVALID}
