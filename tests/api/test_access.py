"""Roles: who is let in, who is asked for a certificate, who is turned away."""

from __future__ import annotations

import pytest

from rtgf_node.api.access import Access
from rtgf_node.errors import Code, RtgfError
from rtgf_node.settings import RoleConfig

ALICE = "urn:rtgf:operator:alice"
ACCESS = Access([RoleConfig(uri=ALICE, roles=("operator", "auditor"))])


def scope(client: object, address: str = "192.0.2.1") -> dict[str, object]:
    # ASGI's own "client" (address and port) stands beside the state and means nothing here.
    return {"client": ("10.0.0.1", 5), "state": {"client": client, "address": address}}


def test_a_role_lets_in():
    assert ACCESS.require(scope(ALICE), "operator") == ALICE
    assert ACCESS.require(scope(ALICE), "approver", "auditor") == ALICE


@pytest.mark.parametrize("client", [None, ("10.0.0.1", 5), 7])
def test_without_a_certificate_one_is_asked_for(client: object):
    with pytest.raises(RtgfError) as caught:
        ACCESS.require(scope(client), "operator")
    assert caught.value.code is Code.RTGF_UNAUTHENTICATED
    assert caught.value.code.value.status == 401


@pytest.mark.parametrize("client", ["urn:rtgf:operator:mallory", ALICE + "x", ALICE.upper(), ""])
def test_another_identity_is_turned_away(client: str):
    with pytest.raises(RtgfError) as caught:
        ACCESS.require(scope(client), "operator")
    assert caught.value.code is Code.RTGF_FORBIDDEN


def test_another_role_is_turned_away():
    with pytest.raises(RtgfError) as caught:
        ACCESS.require(scope(ALICE), "approver")
    assert caught.value.code is Code.RTGF_FORBIDDEN


def test_no_role_asked_for_lets_nobody_in():
    with pytest.raises(RtgfError):
        ACCESS.require(scope(ALICE))


def test_a_connection_state_is_read_as_well_as_a_scope():
    caller = ACCESS.caller({"client": ALICE, "address": "192.0.2.1"})
    assert (caller.identity, caller.address) == (ALICE, "192.0.2.1")
    assert caller.roles == {"operator", "auditor"}
    assert ACCESS.caller({}).identity is None
