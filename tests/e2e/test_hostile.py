"""Whatever others do to the node, a good client is answered, rightly, and nothing is lost.

What the node does between a good client's question and its answer is counted in its own processor
time, in which nobody else's load has a part. What one in a hundred waits at least is measured by
`scripts/bench hostile`.
"""

from __future__ import annotations

import http.client
import os
import statistics
from collections.abc import Iterator
from contextlib import closing

import pytest

from tests import hostile
from tests.nodes import PATIENCE_SECONDS, RATES, TestNode
from tests.processes import main_process, own_clock

ASKED = b'{"tokens":{"rmt":"RMT:EU:payments_aml:2026-10"}}'
ALLOWED = f"{RATES}partner_per_second = 100000.0\npartner_burst = 1000000\n"
REQUESTS = 400
AS_LONG = 3
"""At most so many times its own time in peace."""
TRIES = 5
"""While a client of a busy machine waits for its turn, the node works for others."""

LIMITS = "[http]\nmax_connections = 11000\nhandshake_timeout_seconds = 20.0\n"


@pytest.fixture(scope="module")
def attacked(template, tmp_path_factory) -> Iterator[TestNode]:
    node = template.copy(tmp_path_factory.mktemp("attacked") / "node", settings=ALLOWED)
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
    quiet = own_seconds(attacked, before.body)
    with hostile.attacking(attacked.port, attacked.folder / "pki", kind):
        assert any(own_seconds(attacked, before.body) <= AS_LONG * quiet for _ in range(TRIES))
        assert attacked.ask("GET", "/revocations").status == 200
    assert attacked.ask("GET", "/readyz").status == 200
    assert attacked.ask("POST", "/verify", ASKED, role="partner").body == before.body


def own_seconds(node: TestNode, expected: bytes) -> float:
    """Return what the node takes for most questions of a good client, which it answers rightly."""
    clock, taken = own_clock(main_process(node)), []
    connection = http.client.HTTPSConnection(
        "localhost", node.port, timeout=PATIENCE_SECONDS, context=node.tls("partner")
    )
    with closing(connection):
        for _ in range(REQUESTS):
            before = clock()
            connection.request("POST", "/verify", ASKED, {"Content-Type": "application/json"})
            response = connection.getresponse()
            taken.append(clock() - before)
            assert (response.status, response.read()) == (200, expected)
    return statistics.median(taken)
