"""What a good client waits while others attack, against what it waits in peace.

The attackers have one core, the node and the good client the other, and everybody without a
certificate has the limits of a new node. What the good client waits is told in two ways: by the
clock on the wall, in which everything else on the machine has its part; and by the processor time
that the node itself takes between the question and the answer, in which nobody else has. The ratio
is that of the latter. What it cannot keep apart: the kernel's work for the loopback is charged to
whoever runs meanwhile, and caches are shared.
"""

from __future__ import annotations

import http.client
import os
import statistics
import tempfile
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager, suppress
from pathlib import Path
from typing import NamedTuple

from tests import hostile
from tests.bench.measure import Row, text
from tests.nodes import TestNode
from tests.processes import main_process, own_clock

ASKED = b'{"tokens":{"rmt":"RMT:EU:payments_aml:2026-10"}}'
SETTINGS = "\n[limits]\npartner_per_second = 10000000.0\npartner_burst = 10000000\n"
LIMITS = "[http]\nmax_connections = 11000\nhandshake_timeout_seconds = 20.0\n"
PAUSE_SECONDS = 0.0005
"""Between two questions: the attackers find a node that has time for them."""

OURS, THEIRS = frozenset({1}), frozenset({0})
"""Cores."""


class Waited(NamedTuple):
    """99th percentiles in seconds: of the node's own processor time, and on the wall."""

    own: float
    wall: float

    def __str__(self) -> str:
        """Return both in words."""
        return f"{text(self.own)} of the node's own time, {text(self.wall)} in all"


def measure(*, quick: bool) -> Iterator[Row]:
    """Yield a row for each kind of attack."""
    requests = 300 if quick else 3000
    with tempfile.TemporaryDirectory(prefix="rtgf-bench-") as name, _on(OURS):
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
                pki = node.folder / "pki"
                with _on(THEIRS), hostile.attacking(node.port, pki, kind), _on(OURS):
                    attacked = _p99(node, requests)
                yield Row(
                    f"p99 of a good client's `/verify` during `{kind}`",
                    str(attacked),
                    f"in peace: {quiet}",
                    attacked.own / quiet.own,
                )


@contextmanager
def _on(cores: frozenset[int]) -> Iterator[None]:
    """Keep to these cores, as does whatever is started meanwhile; where there are so many."""
    before = os.sched_getaffinity(0)
    with suppress(OSError):
        os.sched_setaffinity(0, cores)
    try:
        yield
    finally:
        os.sched_setaffinity(0, before)


def _p99(node: TestNode, requests: int) -> Waited:
    """Return what a client with one kept connection waits."""
    waited = []
    clock = own_clock(main_process(node))
    connection = http.client.HTTPSConnection(
        "localhost", node.port, timeout=60, context=node.tls("partner")
    )
    with closing(connection):
        for _ in range(requests):
            own, wall = clock(), time.perf_counter()
            connection.request("POST", "/verify", ASKED, {"Content-Type": "application/json"})
            response = connection.getresponse()
            waited.append((clock() - own, time.perf_counter() - wall))
            response.read()
            if response.status != 200:
                raise RuntimeError(f"a good client was answered {response.status}")
            time.sleep(PAUSE_SECONDS)
    return Waited(*(statistics.quantiles(each, n=100)[98] for each in zip(*waited, strict=True)))
