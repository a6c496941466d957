"""Tokens that come in pieces before their build: unseen until it is published, then all of them."""

from __future__ import annotations

import pytest
from msgspec import structs

from rtgf_node.core import event
from rtgf_node.errors import Code
from rtgf_node.replication.build_commands import NoteBuild, StageTokens
from rtgf_node.replication.state_machine import StateMachine
from tests.replication import samples

WHOLE = samples.corridor_build()
ID = WHOLE.build_id


def stage(first, *tokens):
    return StageTokens(ID, first, tokens)


def rest(staged):
    """The publication of the build when so many of its tokens are staged."""
    return structs.replace(
        WHOLE,
        staged=staged,
        issuer="did:web:fma.example",
        events=(WHOLE.events[0], *WHOLE.events[1 + staged :]),
        tokens=WHOLE.tokens[staged:],
    )


@pytest.mark.parametrize("cuts", [(1,), (2, 4), (5,), (1, 2, 3, 4, 5)])
def test_in_pieces_it_is_published_as_in_one(store, client, cuts):
    before = 0
    for cut in cuts:
        client.accepted(stage(before, *WHOLE.tokens[before:cut]))
        before = cut
        assert store.registry.count() == store.log.size == 0
    outcome = client.accepted(rest(before))
    assert outcome.leaf_indexes == (0, 1, 2, 3, 4, 5)
    assert [row.token for row in store.registry.of_build(ID)] == [*WHOLE.tokens]
    assert store.registry.children(samples.RMT_EU) == (samples.IMT,)
    assert store.staging.builds() == []
    issued = event.parse(store.log.entry(1))
    assert (issued.type, issued.subject) == ("token_issue", samples.RMT_EU)
    assert (issued.actor, issued.refs["build"]) == ("did:web:fma.example", ID)
    assert issued.digest == WHOLE.tokens[0].canonical_hash


@pytest.mark.parametrize("first", [1, 3])
def test_a_gap_or_a_piece_twice_is_refused(store, client, first):
    client.accepted(stage(0, *WHOLE.tokens[:2]))
    assert client.refused(stage(first, *WHOLE.tokens[2:])).code is Code.RTGF_CONFLICT
    assert store.staging.count(ID) == 2


@pytest.mark.parametrize("staged", [0, 1, 3])
def test_a_build_of_more_or_fewer_than_are_staged_is_refused(store, client, staged):
    client.accepted(stage(0, *WHOLE.tokens[:2]))
    assert client.refused(rest(staged)).code is Code.RTGF_CONFLICT
    assert store.registry.build(ID) is None
    assert store.log.size == 0


def test_what_is_staged_is_checked_as_what_comes_with_the_build(store, client):
    client.accepted(samples.publish("one", samples.token(samples.RMT_EU, number=0)))
    client.accepted(stage(0, *WHOLE.tokens[:2]))
    assert client.refused(rest(2)).code is Code.RTGF_CONFLICT  # the RMT is issued already
    assert store.registry.build(ID) is None
    assert (store.registry.count(), store.log.size) == (1, 2)


def test_from_the_beginning_it_begins_anew_and_with_nothing_it_is_forgotten(store, client):
    client.accepted(stage(0, *WHOLE.tokens[:2]))
    client.accepted(stage(0, WHOLE.tokens[0]))
    assert [*store.staging.tokens(ID)] == [WHOLE.tokens[0]]
    client.accepted(stage(0))
    assert store.staging.builds() == []


@pytest.mark.parametrize("state", ["failed", "cancelled", "running"])
def test_a_note_of_how_it_ended_forgets_it(store, client, state):
    client.accepted(stage(0, *WHOLE.tokens[:2]))
    client.accepted(NoteBuild(ID, state, samples.AT, ""))
    assert store.staging.builds() == []


def test_staged_again_after_it_was_published_it_changes_nothing(store, client):
    client.accepted(stage(0, *WHOLE.tokens[:2]))
    first = client.accepted(rest(2))
    client.accepted(stage(0, *WHOLE.tokens[:4]))
    assert client.accepted(rest(4)).leaf_indexes == first.leaf_indexes
    assert store.staging.builds() == []
    altered = structs.replace(WHOLE.tokens[0], body=b"{}")
    client.accepted(stage(0, altered, *WHOLE.tokens[1:4]))
    assert client.refused(rest(4)).code is Code.RTGF_CONFLICT


def test_a_piece_whose_answer_was_lost_may_come_again(store, client):
    """RTGF-CT-83."""
    client.accepted(stage(0, *WHOLE.tokens[:1]))
    for _ in range(2):
        client.accepted(stage(1, *WHOLE.tokens[1:3]))
        assert [*store.staging.tokens(ID)] == [*WHOLE.tokens[:3]]
    altered = structs.replace(WHOLE.tokens[1], body=b"{}")
    assert client.refused(stage(1, altered, WHOLE.tokens[2])).code is Code.RTGF_CONFLICT


def test_a_build_whose_answer_was_lost_may_come_again(store, client):
    """RTGF-CT-83."""
    client.accepted(stage(0, *WHOLE.tokens[:2]))
    first = client.accepted(rest(2))
    assert client.accepted(rest(2)).leaf_indexes == first.leaf_indexes
    assert store.log.size == len(first.leaf_indexes)
    assert client.refused(structs.replace(rest(2), staged=1)).code is Code.RTGF_CONFLICT


def test_what_is_staged_outlives_the_writer_and_no_other_build_has_it(store, client):
    client.accepted(stage(0, *WHOLE.tokens[:2]))
    again = samples.Client(StateMachine(store), "after a restart")
    other = structs.replace(rest(2), build_id="other")
    assert again.refused(other).code is Code.RTGF_CONFLICT
    again.accepted(rest(2))
