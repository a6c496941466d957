"""The audit rebuilds every status list from the log, and finds each fraud planted in one."""

from __future__ import annotations

import pytest

from rtgf_node.audit import judgement as audit
from rtgf_node.core import status_list
from rtgf_node.errors import Code, RtgfError
from tests.cli.audit_world import LIST_URI, NOW, ROOT, SIGNERS, World
from tests.cli.test_audit_collecting import HonestNode, report

RMT = "RMT:EU:payments_aml:2026-10.1"
IMT = "IMT:EU-SG:payments_aml:2026-10.1"
LIST = ("revocations", "status list 0")


@pytest.fixture
def world() -> World:
    return World()


def findings(material):
    judged = audit.check(material, root_public=ROOT.public)
    return {(finding.check, finding.subject) for finding in judged.findings}


def served(world, jwt: str):
    return world.material(status_lists={0: jwt})


def test_a_list_that_follows_from_the_log_is_no_finding(world):
    world.withdraw(RMT)
    assert findings(world.material()) == set()


def test_a_bit_that_was_cleared_is_found(world):
    hidden = bytes(len(world.packed))
    assert findings(served(world, world.status_list(packed=hidden))) == {LIST}


def test_a_bit_that_was_set_in_secret_is_found(world):
    more = bytearray(world.packed)
    status_list.put(more, 77, status_list.INVALID)
    assert findings(served(world, world.status_list(packed=more))) == {LIST}


def test_another_status_than_the_logged_one_is_found(world):
    other = bytearray(world.packed)
    status_list.put(other, 1, status_list.SUSPENDED)
    assert findings(served(world, world.status_list(packed=other))) == {LIST}


def test_a_stale_list_is_found(world):
    before = world.status_list()
    world.withdraw(RMT)
    assert findings(served(world, before)) == {LIST}


def test_an_expired_list_is_found(world):
    late = world.material(at=NOW + status_list.LIFE_SECONDS + 1)
    assert findings(late) == {LIST}


def test_a_list_signed_with_another_key_is_found(world):
    assert findings(served(world, world.status_list(signer=SIGNERS["token"]))) == {LIST}


def test_a_list_under_another_address_is_found(world):
    moved = world.status_list(uri=LIST_URI.replace("/0", "/1"))
    assert findings(served(world, moved)) == {LIST}


def test_a_list_that_tokens_name_and_nobody_serves_is_found(world):
    assert findings(world.material(status_lists={})) == {LIST}


def test_what_is_no_list_is_found(world):
    assert findings(served(world, "not a list")) == {LIST}


def test_an_event_that_states_another_list_than_it_made_is_found(world):
    lie = {"number": 0, "idx": 0, "sha256": status_list.digest(status_list.empty())}
    entry = {"jti": "0" * 32, "status": "invalid", "reason": "superseded"}
    status_list.put(world.packed, 0, status_list.INVALID)
    world.log("revocation", RMT, world.events[2].digest, **entry, rev_epoch=2, status_list=lie)
    world.entries.append({"token_id": RMT, **entry, "revEpoch": 2, "at": world.events[-1].at})
    assert findings(world.material()) == {("revocations", RMT)}


def test_a_list_that_came_after_the_first_head_is_no_finding(world):
    before = world.material()
    world.withdraw(RMT)
    after = world.material(
        settled_size=len(before.entries), catalog=before.catalog, revocations=before.revocations
    )
    assert findings(after) == set()
    older = world.material(
        settled_size=len(before.entries),
        catalog=before.catalog,
        revocations=before.revocations,
        status_lists=before.status_lists,
    )
    assert findings(older) == set()


@pytest.mark.parametrize("code", [Code.RTGF_INTERNAL, Code.RTGF_FORBIDDEN])
def test_a_list_that_is_withheld_is_found(code):
    class Withholding(HonestNode):
        def status_list(self, number):
            raise RtgfError(code, "not for you")

    judged, _ = report(Withholding(World()))
    assert {(finding.check, finding.subject) for finding in judged.findings} == {LIST}


def test_no_verdict_when_a_list_cannot_be_had_now():
    class Busy(HonestNode):
        def status_list(self, number):
            raise RtgfError(Code.RTGF_UNREACHABLE, "later")

    with pytest.raises(RtgfError):
        report(Busy(World()))
