"""Webhooks: a partner's server that is told of revocations, over TLS and signed."""

from __future__ import annotations

import time
from contextlib import AbstractContextManager
from typing import Any

import pytest

from rtgf_node.cli.demo_node import free_port
from rtgf_node.core import notification
from rtgf_node.core.notification import Notification
from tests.nodes import PATIENCE_SECONDS, TestNode
from tests.receivers import receiving

TOKENS = [f"IMT:{pair}:payments_aml:2026-10.1" for pair in ("EU-SG", "EU-UK", "SG-KR", "AU-SG")]
LIFTABLE = "corridor_suspended"


class Partner:
    """A partner's server; `told` is what it believed and took.

    Attributes:
      statuses: what it answers next; 200 when there are none left.
    """

    def __init__(self, node: TestNode, port: int) -> None:
        self.node = node
        self.port = port
        self.url = f"https://localhost:{port}/rtgf"
        self.told: list[Notification] = []
        self.refused = 0
        self.statuses: list[int] = []

    def serving(self) -> AbstractContextManager[None]:
        """Take deliveries."""
        return receiving(self.node, self.port, self.take)

    def take(self, _method: str, _path: str, headers: Any, body: bytes) -> int:
        if self.statuses:
            self.refused += 1
            return self.statuses.pop(0)
        assert headers["content-type"] == "application/json"
        signature = headers[notification.SIGNATURE_HEADER]
        at = int(time.time())
        told = notification.check(body, signature, self.node.keys(), audience=self.url, at=at)
        self.told.append(told)
        return 204

    def entries(self) -> list[dict[str, Any]]:
        return [entry for told in self.told for entry in told.entries]

    def wait(self, count: int) -> list[dict[str, Any]]:
        """Return the revocations that were told, once there are so many."""
        deadline = time.monotonic() + PATIENCE_SECONDS
        while len(self.entries()) < count:
            assert time.monotonic() < deadline, (self.told, self.refused)
            time.sleep(0.01)
        return self.entries()


@pytest.fixture
def node(make_node) -> TestNode:
    node = make_node(published=True, running=False)
    text = node.toml.read_text()
    reachable = 'allowed_hosts = ["localhost"]\nallow_private_addresses = true'
    node.toml.write_text(text.replace("allowed_hosts = []", reachable))
    return node


def tells(node: TestNode, name: str = "bank", *, events: str = "") -> Partner:
    """Make a partner that the node is to tell."""
    partner = Partner(node, free_port())
    node.toml.write_text(
        node.toml.read_text() + f'\n[[webhook]]\nname = "{name}"\nurl = "{partner.url}"\n'
        f'ca_file = "{node.folder}/pki/ca.pem"\n{events}'
    )
    return partner


def listed(node: TestNode) -> list[dict[str, Any]]:
    return node.ask("GET", "/revocations").json()["entries"]


def count(node: TestNode, result: str) -> float:
    name = f'rtgf_webhook_deliveries_total{{result="{result}",webhook="bank"}} '
    lines = [line for line in node.metrics().splitlines() if line.startswith(name)]
    return float(lines[0].rpartition(" ")[2]) if lines else 0.0


def test_a_partner_is_told_as_it_happens(node):
    partner = tells(node)
    with node.running(), partner.serving():
        node.revoke(TOKENS[0])
        partner.wait(1)
        node.revoke("RMT:SG:payments_aml:2026-10.1")
        whole = listed(node)
        assert len(whole) > 2
        assert partner.wait(len(whole)) == whole
        first, *_, last = partner.told
        assert (first.issuer, first.since, first.revEpoch) == ("did:web:fma.example", 0, 1)
        assert last.revEpoch == whole[-1]["revEpoch"]
        ends = [told.revEpoch for told in partner.told]
        assert [told.since for told in partner.told] == [0, *ends[:-1]]
        assert count(node, "ok") == len(partner.told)
        # The partner has heard it before its delivery is on record.
        deadline = time.monotonic() + PATIENCE_SECONDS
        while 'rtgf_webhook_behind{webhook="bank"} 0.0' not in node.metrics():
            assert time.monotonic() < deadline


def test_a_partner_that_was_down_misses_nothing(node):
    """Also over a restart of the node: what was confirmed is not told again, the rest is."""
    partner = tells(node)
    with node.running():
        with partner.serving():
            node.revoke(TOKENS[0])
            partner.wait(1)
            deadline = time.monotonic() + PATIENCE_SECONDS
            while 'rtgf_webhook_behind{webhook="bank"} 0.0' not in node.metrics():
                assert time.monotonic() < deadline
        node.revoke(TOKENS[1])
        deadline = time.monotonic() + PATIENCE_SECONDS
        while not count(node, "failed"):
            assert time.monotonic() < deadline
            time.sleep(0.05)
    with node.running():
        node.revoke(TOKENS[2])
        with partner.serving():
            told = partner.wait(3)
    assert [entry["token_id"] for entry in told] == TOKENS[:3]


def test_readiness_shows_how_a_partner_stands(node):
    tells(node)
    with node.running():
        node.revoke(TOKENS[0])
        state = node.ask("GET", "/readyz").json()
        [check] = [one for one in state["checks"] if one["name"] == "webhook:bank"]
        assert (check["ok"], state["state"]) == (True, "ready")
        assert check["detail"].startswith("not told for ")


def test_what_is_not_confirmed_is_told_again(node):
    partner = tells(node)
    partner.statuses = [500, 404]
    with node.running(), partner.serving():
        node.revoke(TOKENS[0])
        assert [entry["token_id"] for entry in partner.wait(1)] == TOKENS[:1]
        assert partner.refused == 2
        assert count(node, "failed") == 2


def test_one_partner_holds_up_no_other(node):
    down, up = tells(node, "bank"), tells(node, "other")
    with node.running(), up.serving():
        node.revoke(TOKENS[0])
        assert up.wait(1)
        assert down.told == []


def test_only_what_was_asked_for(node):
    partner = tells(node, events='events = ["reinstatement"]\n')
    with node.running(), partner.serving():
        node.revoke(TOKENS[0], reason=LIFTABLE)
        node.revoke(TOKENS[1])
        node.revoke(TOKENS[0], reason=LIFTABLE, act="reinstate")
        [entry] = partner.wait(1)
        assert (entry["token_id"], entry["status"]) == (TOKENS[0], "valid")
        assert partner.told[-1].revEpoch == 3


def test_a_new_webhook_is_told_from_its_first_day_on(node):
    with node.running():
        node.revoke(TOKENS[0])
    partner = tells(node)
    with node.running(), partner.serving():
        node.revoke(TOKENS[1])
        assert [entry["token_id"] for entry in partner.wait(1)] == [TOKENS[1]]
