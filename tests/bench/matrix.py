"""Builds: a full matrix of 60 jurisdictions and 4 domains, and what one changed snapshot costs.

Both runs of a build are made as a node makes them, in fresh processes, compared byte for byte. The
snapshots are `full_matrix`'s, the lists those under `config/demo-lists`.
"""

from __future__ import annotations

import resource
import statistics
import tempfile
import time
from collections.abc import Iterator
from functools import partial
from pathlib import Path

import trio

from rtgf_node.building.twice import build_twice
from rtgf_node.core.build import BuildOutput
from tests.bench import full_matrix
from tests.bench.measure import Row, text

QUICK_PLACES = 12
"""Jurisdictions of the matrix that `--quick` builds: 576 tokens."""

PROCESSES = 2
"""For both runs together: what a machine of two cores has."""


def build(asked: bytes, folder: Path) -> tuple[float, BuildOutput]:
    """Return how long a build took, and what it gave; its files stay in `folder`."""
    began = time.perf_counter()
    output = trio.run(
        partial(
            build_twice,
            asked,
            folder=folder,
            keep_in=folder / "kept",
            processes=PROCESSES,
        )
    )
    return time.perf_counter() - began, output


def measure(*, quick: bool) -> Iterator[Row]:
    """Yield the rows."""
    places = full_matrix.PLACES[:QUICK_PLACES] if quick else full_matrix.PLACES
    with tempfile.TemporaryDirectory(prefix="rtgf-bench-") as name:
        lists, whole = Path(name), Path(name) / "whole"
        asked, count = full_matrix.request(lists, places)
        full, output = build(asked, whole)
        changed, few = full_matrix.change(lists, output.artefacts, places)
        costs = [
            build(changed, Path(name) / f"change-{turn}")[0] for turn in range(2 if quick else 5)
        ]
        cost = statistics.median(costs)
        yield Row(
            f"one changed snapshot in a matrix of {count} tokens: {few} tokens, built twice",
            text(cost),
            f"the whole matrix: {text(full)}; largest process {_peak_mb()} MB",
            cost / full,
        )


def _peak_mb() -> int:
    everyone = (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)
    return max(resource.getrusage(who).ru_maxrss for who in everyone) // 1024
