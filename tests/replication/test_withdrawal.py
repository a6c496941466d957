"""Revoking takes what rests on a token with it; the epoch only grows."""

from __future__ import annotations

import pytest

from rtgf_node.core import event
from rtgf_node.errors import Code
from rtgf_node.replication.commands import Revoke, RevokeEntry
from rtgf_node.replication.state_machine import StateMachine
from rtgf_node.store import create_store, open_store
from tests.replication import samples
from tests.replication.samples import CORT, IMT, PSRT, RMT_EU, RMT_SG


@pytest.fixture
def store(tmp_path):
    with create_store(tmp_path / "node") as made:
        yield made


@pytest.fixture
def client(store):
    made = samples.Client(StateMachine(store))
    made.accepted(samples.corridor_build())
    return made


def statuses(store) -> dict[str, str]:
    return {t: store.revocation.status(t) for t in (RMT_EU, RMT_SG, IMT, CORT, PSRT)}


def test_revoked_mandate_takes_everything_that_rests_on_it(store, client):
    outcome = client.accepted(samples.revoke(RMT_EU))
    assert [row.token_id for row in outcome.revocations] == [RMT_EU, IMT, CORT, PSRT]
    assert [row.rev_epoch for row in outcome.revocations] == [1, 2, 3, 4]
    assert [row.root_token for row in outcome.revocations] == [None, RMT_EU, RMT_EU, RMT_EU]
    assert outcome.rev_epoch == store.revocation.rev_epoch() == 4
    assert outcome.leaf_indexes == (6, 7, 8, 9)
    assert statuses(store) == {
        RMT_EU: "invalid",
        RMT_SG: "valid",
        IMT: "invalid",
        CORT: "invalid",
        PSRT: "invalid",
    }
    assert store.revocation.since(0) == list(outcome.revocations)
    assert list(store.revocation.current()) == list(outcome.revocations)


def test_each_revocation_is_an_event_that_names_token_reason_and_root(store, client):
    outcome = client.accepted(samples.revoke(RMT_EU, reason="key_compromise"))
    root, imt = (event.parse(store.log.entry(index)) for index in outcome.leaf_indexes[:2])
    assert (root.type, root.subject, root.actor) == ("revocation", RMT_EU, "operator")
    assert root.payload["rev_epoch"] == 1
    assert "root" not in root.payload
    assert imt.subject == IMT
    assert imt.payload["reason"] == "key_compromise"
    assert imt.payload["root"] == RMT_EU
    assert imt.payload["status"] == "invalid"
    issue = event.parse(store.log.entry(store.registry.token(IMT).leaf_index))
    assert imt.refs == {"build": "build-1", "token_issue": issue.event_id}


def test_what_was_revoked_before_is_skipped(store, client):
    client.accepted(samples.revoke(CORT))
    outcome = client.accepted(samples.revoke(RMT_SG))
    assert [row.token_id for row in outcome.revocations] == [RMT_SG, IMT]
    assert outcome.rev_epoch == 4


def test_naming_a_token_and_what_rests_on_it_revokes_each_once(client):
    entries = tuple(RevokeEntry(t, "invalid", "cessation") for t in (RMT_EU, IMT, RMT_EU))
    outcome = client.accepted(Revoke(entries, at=samples.AT, actor="operator"))
    assert [row.token_id for row in outcome.revocations] == [RMT_EU, IMT, CORT, PSRT]


def test_one_unknown_token_refuses_all(store, client):
    size = store.log.size
    entries = (
        RevokeEntry(RMT_EU, "invalid", "cessation"),
        RevokeEntry("RMT:XX:none:1.1", "invalid", "cessation"),
    )
    refusal = client.refused(Revoke(entries, at=samples.AT, actor="operator"))
    assert refusal.code is Code.RTGF_VERIFY_TOKEN_NOT_FOUND
    assert refusal.pointer == "/entries/1/token_id"
    assert store.revocation.rev_epoch() == 0
    assert store.log.size == size
    assert client.accepted(samples.revoke(RMT_EU)).revocations[0].rev_epoch == 1


@pytest.mark.parametrize("status", ["invalid", "suspended", "valid"])
def test_invalid_is_final(client, status):
    client.accepted(samples.revoke(IMT))
    assert client.refused(samples.revoke(IMT, status=status)).code is Code.RTGF_CONFLICT


@pytest.mark.parametrize(
    ("status", "reason"),
    [("invalid", "corridor_suspended"), ("suspended", "superseded"), ("invalid", "whim")],
)
def test_reason_must_fit_the_status(client, status, reason):
    refusal = client.refused(samples.revoke(IMT, status=status, reason=reason))
    assert refusal.code is Code.RTGF_INPUT_INVALID
    assert refusal.pointer == "/entries/0/reason"


def test_suspension_is_lifted_with_all_that_followed_it(store, client):
    client.accepted(samples.revoke(RMT_EU, status="suspended"))
    assert statuses(store)[PSRT] == "suspended"
    outcome = client.accepted(samples.revoke(RMT_EU, status="valid"))
    assert [row.token_id for row in outcome.revocations] == [RMT_EU, IMT, CORT, PSRT]
    assert outcome.rev_epoch == 8
    assert set(statuses(store).values()) == {"valid"}


def test_what_rests_on_two_suspended_tokens_waits_for_both(store, client):
    client.accepted(samples.revoke(RMT_EU, status="suspended"))
    client.accepted(samples.revoke(RMT_SG, status="suspended"))
    client.accepted(samples.revoke(RMT_EU, status="valid"))
    assert statuses(store)[IMT] == "suspended"
    client.accepted(samples.revoke(RMT_SG, status="valid"))
    assert set(statuses(store).values()) == {"valid"}


def test_what_was_suspended_by_its_own_name_stays_so(store, client):
    client.accepted(samples.revoke(CORT, status="suspended"))
    client.accepted(samples.revoke(RMT_EU, status="suspended"))
    client.accepted(samples.revoke(RMT_EU, status="valid"))
    assert statuses(store) == {
        RMT_EU: "valid",
        RMT_SG: "valid",
        IMT: "valid",
        CORT: "suspended",
        PSRT: "suspended",
    }


def test_token_cannot_be_lifted_over_what_it_rests_on(client):
    client.accepted(samples.revoke(RMT_EU, status="suspended"))
    assert client.refused(samples.revoke(IMT, status="valid")).code is Code.RTGF_CONFLICT


def test_reinstating_what_is_valid_is_a_conflict(client):
    assert client.refused(samples.revoke(IMT, status="valid")).code is Code.RTGF_CONFLICT


def test_suspended_token_can_be_revoked_for_good(store, client):
    client.accepted(samples.revoke(RMT_EU, status="suspended"))
    outcome = client.accepted(samples.revoke(RMT_EU))
    assert len(outcome.revocations) == 4
    assert client.refused(samples.revoke(RMT_EU, status="valid")).code is Code.RTGF_CONFLICT


def test_a_token_that_rests_on_a_later_named_one_is_lifted_in_the_end(store, client):
    """A diamond whose far corner sorts first: it comes up again when its other parent follows."""
    far = samples.token("CORT:AA-BB:x:1.1", number=11, parents=[RMT_SG, "IMT:SG-US:y:1.1"])
    near = samples.token("IMT:SG-US:y:1.1", number=10, parents=[RMT_SG])
    client.accepted(samples.publish("diamond", near, far))
    client.accepted(samples.revoke(RMT_SG, status="suspended"))
    assert store.revocation.status(far.token_id) == "suspended"
    client.accepted(samples.revoke(RMT_SG, status="valid"))
    assert store.revocation.status(far.token_id) == "valid"


def test_epoch_goes_on_after_a_restart(store, client):
    client.accepted(samples.revoke(PSRT))
    store.close()
    with open_store(store.folder) as again:
        later = samples.Client(StateMachine(again), "later")
        assert later.accepted(samples.append("x")).rev_epoch == 1
        assert later.accepted(samples.revoke(RMT_EU)).revocations[0].rev_epoch == 2
