"""A cold start: from the command to the first signed head over TLS, against a start with no log."""

from __future__ import annotations

import statistics
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

from rtgf_node.cli.demo_node import RunningNode
from rtgf_node.store import open_store
from tests.bench import large_log
from tests.bench.measure import Row, ratio, text
from tests.nodes import TestNode

LEAVES = 1_000_000
QUICK_LEAVES = 100_000


def measure(*, quick: bool) -> Iterator[Row]:
    """Yield one row: two nodes that differ in their logs alone, started in turns."""
    leaves = QUICK_LEAVES if quick else LEAVES
    with tempfile.TemporaryDirectory(prefix="rtgf-bench-") as name:
        new = TestNode(Path(name) / "new")
        _seconds(new)
        grown = new.copy(Path(name) / "grown")
        with open_store(grown.folder / "data") as store:
            large_log.grow(store, leaves)
        # The first start signs what was appended.
        _seconds(grown)
        pairs = [(_seconds(new), _seconds(grown)) for _ in range(3 if quick else 7)]
    theirs, ours = zip(*pairs, strict=True)
    yield Row(
        f"cold start to the first answer, {leaves:,} leaves",
        text(statistics.median(ours)),
        f"the same node with an empty log: {text(statistics.median(theirs))}",
        ratio(ours, theirs),
    )


def _seconds(node: TestNode) -> float:
    began = time.perf_counter()
    with RunningNode(node.toml, node.folder / "node.log") as running, node.client() as client:
        running.wait_ready(client)
        client.checkpoint()
        return time.perf_counter() - began
