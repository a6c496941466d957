"""Warm `/verify` on a running node, against a static answer of the same server.

A real node in a process of its own, asked over TLS 1.3 with a partner's certificate, on kept
connections. The static answer is `/healthz`: the same way in and out, and nothing between.
"""

from __future__ import annotations

import statistics
import tempfile
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import msgspec

from tests.bench.keep_alive import KeepAliveClient, request
from tests.bench.measure import Row, alternate, rate, ratio
from tests.nodes import TestNode, context

CONNECTIONS = 8
"""Busy at a time: enough that the server always has a request at hand."""

ALLOWED = "[limits]\npartner_per_second = 1000000.0\npartner_burst = 1000000\n"
TOKENS = {"rmt": "RMT:SG:payments_aml:2026-10", "imt": "IMT:EU-SG:payments_aml:2026-10"}


def measure(*, quick: bool) -> Iterator[Row]:
    """Yield a row without and a row with a context to decide on."""
    with tempfile.TemporaryDirectory(prefix="rtgf-bench-") as name:
        node = TestNode(Path(name) / "node", settings=ALLOWED)
        with node.running():
            node.fetch()
            issued = node.compile()
            if issued.state != "published":
                raise RuntimeError(f"the bench's node did not publish: {issued}")
            yield from _rows(node, rounds=3 if quick else 7)


def _rows(node: TestNode, *, rounds: int) -> Iterator[Row]:
    address = urlsplit(node.url)
    host, port = address.hostname or "", address.port or 0
    pki = node.folder / "pki"
    questions: dict[str, dict[str, Any]] = {
        "of two tokens": {"tokens": TOKENS},
        "of two tokens and a payment": {"tokens": TOKENS, "context": context("payment-eu-sg")},
    }
    for asked in questions.values():
        answer = node.verify(**{"imt": TOKENS["imt"], "rmt": TOKENS["rmt"]} | _context(asked))
        if not answer.valid:
            raise RuntimeError(f"the bench's question is not answered as valid: {answer}")
    requests = {
        name: request("POST", "/verify", address.netloc, msgspec.json.encode(asked))
        for name, asked in questions.items()
    }
    with KeepAliveClient(
        host,
        port,
        ca_file=pki / "ca.pem",
        certificate_file=pki / "partner.pem",
        key_file=pki / "partner.key",
        connections=CONNECTIONS,
    ) as client:
        slices = {name: partial(client.ask, sent) for name, sent in requests.items()}
        static = partial(client.ask, request("GET", "/healthz", address.netloc))
        found = alternate({**slices, "static": static}, rounds=rounds, at_least=CONNECTIONS * 4)
    for name in requests:
        yield Row(
            f"warm `/verify` {name}",
            rate(statistics.median(found[name])),
            f"`/healthz` of the same node: {rate(statistics.median(found['static']))}",
            ratio(found[name], found["static"]),
        )


def _context(asked: dict[str, Any]) -> dict[str, Any]:
    return {"context": asked["context"]} if "context" in asked else {}
