"""Whatever others do to the node, a good client is answered, rightly, and nothing is lost.

How much longer a good client waits meanwhile is measured by `scripts/bench hostile`.
"""

from __future__ import annotations

import http.client
import os
from collections.abc import Iterator
from contextlib import closing

import pytest

from tests import hostile
from tests.nodes import PATIENCE_SECONDS, RATES, TestNode

ASKED = b'{"tokens":{"rmt":"RMT:EU:payments_aml:2026-10"}}'
REQUESTS = 400
LIMITS = "[http]\nmax_connections = 11000\nhandshake_timeout_seconds = 20.0\n"


@pytest.fixture(scope="module")
def attacked(template, tmp_path_factory) -> Iterator[TestNode]:
    node = template.copy(tmp_path_factory.mktemp("attacked") / "node", settings=RATES)
    node.toml.write_text(node.toml.read_text().replace("[http]\n", LIMITS))
    hostile.make_certificates(node.folder / "pki")
    with node.running():
        yield node


@pytest.mark.parametrize("kind", hostile.KINDS)
def test_a_good_client_is_answered_meanwhile(attacked: TestNode, kind: str) -> None:
    if kind == "crowd" and os.sysconf("SC_OPEN_MAX") < hostile.CROWD + 1000:
        pytest.skip("too few open files are allowed here for ten thousand connections")
    before = attacked.ask("POST", "/verify", ASKED, role="partner")
    assert before.status == 200
    connection = http.client.HTTPSConnection(
        "localhost", attacked.port, timeout=PATIENCE_SECONDS, context=attacked.tls("partner")
    )
    headers = {"Content-Type": "application/json"}
    with closing(connection), hostile.attacking(attacked.port, attacked.folder / "pki", kind):
        for _ in range(REQUESTS):
            connection.request("POST", "/verify", ASKED, headers)
            response = connection.getresponse()
            assert (response.status, response.read()) == (200, before.body)
        revoked = attacked.ask("GET", "/revocations")
        assert revoked.status == 200
    assert attacked.ask("GET", "/readyz").status == 200
    assert attacked.ask("POST", "/verify", ASKED, role="partner").body == before.body
