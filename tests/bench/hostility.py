"""What a good client waits while others attack, against what it waits in peace."""

from __future__ import annotations

import http.client
import statistics
import tempfile
import time
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

from tests import hostile
from tests.bench.http import SETTINGS
from tests.bench.measure import Row, text
from tests.nodes import TestNode

ASKED = b'{"tokens":{"rmt":"RMT:EU:payments_aml:2026-10"}}'
LIMITS = "[http]\nmax_connections = 11000\nhandshake_timeout_seconds = 20.0\n"


def measure(*, quick: bool) -> Iterator[Row]:
    """Yield a row for each kind of attack."""
    requests = 300 if quick else 2000
    with tempfile.TemporaryDirectory(prefix="rtgf-bench-") as name:
        node = TestNode(Path(name) / "node", settings=SETTINGS)
        node.toml.write_text(node.toml.read_text().replace("[http]\n", LIMITS))
        hostile.make_certificates(node.folder / "pki")
        with node.running():
            node.fetch()
            if node.compile().state != "published":
                raise RuntimeError("the bench's node did not publish")
            _p99(node, requests)
            for kind in hostile.KINDS:
                quiet = _p99(node, requests)
                with hostile.attacking(node.port, node.folder / "pki", kind):
                    attacked = _p99(node, requests)
                yield Row(
                    f"p99 of a good client's `/verify` during `{kind}`",
                    text(attacked),
                    f"in peace: {text(quiet)}",
                    attacked / quiet,
                )


def _p99(node: TestNode, requests: int) -> float:
    """Return the 99th percentile in seconds, on one kept connection."""
    waited = []
    connection = http.client.HTTPSConnection(
        "localhost", node.port, timeout=60, context=node.tls("partner")
    )
    with closing(connection):
        for _ in range(requests):
            began = time.perf_counter()
            connection.request("POST", "/verify", ASKED, {"Content-Type": "application/json"})
            response = connection.getresponse()
            response.read()
            waited.append(time.perf_counter() - began)
            if response.status != 200:
                raise RuntimeError(f"a good client was answered {response.status}")
    return statistics.quantiles(waited, n=100)[98]
