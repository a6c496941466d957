"""Builds: a full matrix of 60 jurisdictions and 4 domains, and what one changed snapshot costs.

Both runs of a build are made as a node makes them, in two processes, compared byte for byte. The
snapshots are `full_matrix`'s, the lists those under `config/demo-lists`. What is compared is the
processor time of this process and of all that it started, which others on the machine alter least.
"""

from __future__ import annotations

import resource
import statistics
import tempfile
import time
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import NamedTuple

import trio

from rtgf_node.building.processes import Standby
from rtgf_node.building.twice import build_twice
from rtgf_node.core.build import BuildOutput
from tests.bench import full_matrix
from tests.bench.measure import Row, text

QUICK_PLACES = 12
"""Jurisdictions of the matrix that `--quick` builds: 576 tokens."""

PROCESSES = 2
"""For both runs together: what a machine of two cores has."""

_EVERYONE = (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)


class Built(NamedTuple):
    """Builds of one request after another.

    Attributes:
      cpu: seconds of all of them, their processes' start and end among them.
      wall: seconds of each.
      output: what the last gave; its files stay in the folder.
    """

    cpu: float
    wall: list[float]
    output: BuildOutput


async def _builds(asked: bytes, folder: Path, times: int) -> tuple[list[float], BuildOutput]:
    wall = []
    async with Standby() as standby:
        for _ in range(times):
            began = time.perf_counter()
            output = await build_twice(
                asked,
                folder=folder,
                keep_in=folder / "kept",
                processes=PROCESSES,
                standby=standby,
            )
            wall.append(time.perf_counter() - began)
    return wall, output


def build(asked: bytes, folder: Path, times: int = 1) -> Built:
    """Return what came of building a request so many times, and what it took."""
    before = _cpu()
    wall, output = trio.run(partial(_builds, asked, folder, times))
    return Built(_cpu() - before, wall, output)


def measure(*, quick: bool) -> Iterator[Row]:
    """Yield the rows."""
    places = full_matrix.PLACES[:QUICK_PLACES] if quick else full_matrix.PLACES
    more = 2 if quick else 8
    with tempfile.TemporaryDirectory(prefix="rtgf-bench-") as name:
        lists = Path(name)
        asked, count = full_matrix.request(lists, places)
        whole = build(asked, lists / "whole")
        changed, few = full_matrix.change(lists, whole.output.artefacts, places)
        first = build(changed, lists / "first")
        further = build(changed, lists / "further", 1 + more)
        cost = (further.cpu - first.cpu) / more
        words = (
            f"the whole matrix: {text(whole.cpu)} of CPU, {text(whole.wall[0])};"
            f" largest process {_peak_mb()} MB"
        )
        yield Row(
            f"one changed snapshot in a matrix of {count} tokens: {few} tokens, built twice by"
            " processes that stand by",
            f"{text(cost)} of CPU, {text(statistics.median(further.wall[1:]))}",
            words,
            cost / whole.cpu,
        )
        yield Row(
            "the same, by processes that start first",
            f"{text(first.cpu)} of CPU, {text(first.wall[0])}",
            words,
            first.cpu / whole.cpu,
        )


def _cpu() -> float:
    used = [resource.getrusage(who) for who in _EVERYONE]
    return sum(each.ru_utime + each.ru_stime for each in used)


def _peak_mb() -> int:
    return max(resource.getrusage(who).ru_maxrss for who in _EVERYONE) // 1024
