"""Two workers against one, over TLS 1.3, on kept connections, asked by wrk.

Both nodes are up together and are asked in turns. wrk and the node run on the same cores as the
workers, so the question that takes a worker longer shows better what a second one is worth. What
that leaves open is told by processor time, which each process is charged for itself: what an answer
costs the workers, the node and wrk.
"""

from __future__ import annotations

import os
import re
import resource
import shutil
import statistics
import subprocess
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import NamedTuple

import msgspec

from tests.bench.measure import Row, Skipped, rate, ratio, text
from tests.nodes import TestNode, context
from tests.processes import main_process, own_clock, workers

ALLOWED = """[limits]
public_per_second = 1000000.0
public_burst = 1000000
[workers]
count = {}
"""
CONNECTIONS = 32
"""Enough that the kernel deals out about as many to each."""

SLICE_SECONDS = 2
RMT = "RMT:SG:payments_aml:2026-10"
QUESTIONS = {
    "warm `/verify` of two tokens": (
        "/verify",
        {"tokens": {"rmt": RMT, "imt": "IMT:EU-SG:payments_aml:2026-10"}},
    ),
    "`/evaluate` of a payment": (
        "/evaluate",
        {"token": RMT, "context": context("payment-eu-sg")},
    ),
}


def measure(*, quick: bool) -> Iterator[Row | Skipped]:
    """Yield two rows for each question."""
    what = "two workers, {}"
    missing = "wrk is not here" if shutil.which("wrk") is None else None
    if (os.cpu_count() or 1) < 2:
        missing = "there is one core"
    if missing is not None:
        yield from (Skipped(what.format(name), missing) for name in QUESTIONS)
        return
    with tempfile.TemporaryDirectory(prefix="rtgf-bench-") as folder, ExitStack() as stack:
        one = TestNode(Path(folder) / "one", settings=ALLOWED.format(1))
        with one.running():
            one.fetch()
            if one.compile().state != "published":
                raise RuntimeError("the bench's node did not publish")
        two = one.copy(Path(folder) / "two", settings=ALLOWED.format(2))
        for node in (one, two):
            stack.enter_context(node.running())
        for name, (path, asked) in QUESTIONS.items():
            script = Path(folder) / "ask.lua"
            script.write_text(
                f'wrk.method = "POST"\nwrk.body = [[{msgspec.json.encode(asked).decode()}]]\n'
                'wrk.headers["Content-Type"] = "application/json"\n'
            )
            found: dict[TestNode, list[Took]] = {one: [], two: []}
            for number in range(3 if quick else 7):
                for node in (one, two) if number % 2 else (two, one):
                    found[node].append(_took(node, path, script))
            walls = {node: [each.wall for each in took] for node, took in found.items()}
            yield Row(
                what.format(name),
                rate(statistics.median(walls[two])),
                f"one worker: {rate(statistics.median(walls[one]))}",
                ratio(walls[two], walls[one]),
            )
            costs = {node: [each.workers for each in took] for node, took in found.items()}
            yield Row(
                f"{what.format(name)}: processor time of the workers for each",
                _costs(found[two]),
                f"one worker: {_costs(found[one])}",
                ratio(costs[two], costs[one]),
            )


class Took(NamedTuple):
    """Seconds for an answer: on the wall, and of the processor time of each that has a part."""

    wall: float
    workers: float
    node: float
    wrk: float


def _costs(took: Sequence[Took]) -> str:
    wall, workers, node, wrk = (statistics.median(each) for each in zip(*took, strict=True))
    busy = f"{(workers + node + wrk) / wall:.2f} cores busy"
    return f"{text(workers)} (the node {text(node)}, wrk {text(wrk)}; {busy})"


def _took(node: TestNode, path: str, script: Path) -> Took:
    main = main_process(node)
    clocks = [own_clock(pid) for pid in workers(main)], [own_clock(main)]
    before = [sum(clock() for clock in each) for each in clocks] + [_children()]
    began = time.perf_counter()
    told = subprocess.run(
        [
            *("wrk", "-t1", f"-c{CONNECTIONS}", f"-d{SLICE_SECONDS}s", "-s", str(script)),
            f"https://127.0.0.1:{node.port}{path}",
        ],
        capture_output=True,
        text=True,
        check=True,
    ).stdout
    wall = time.perf_counter() - began
    after = [sum(clock() for clock in each) for each in clocks] + [_children()]
    found = re.search(r"(\d+) requests in", told)
    if found is None or "Non-2xx" in told:
        raise RuntimeError(f"wrk was not answered: {told}")
    spent = (wall, *(end - begin for begin, end in zip(before, after, strict=True)))
    return Took(*(seconds / int(found[1]) for seconds in spent))


def _children() -> float:
    """Return the processor time of the children that have ended."""
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime
