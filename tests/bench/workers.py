"""Two workers against one, over TLS 1.3, on kept connections, asked by wrk.

Both nodes are up together and are asked in turns. wrk runs on the same cores, so the question that
takes a worker longer shows better what a second one is worth.
"""

from __future__ import annotations

import os
import re
import shutil
import statistics
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import msgspec

from tests.bench.measure import Row, Skipped, rate, ratio
from tests.nodes import TestNode, context

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
    """Yield a row for each question."""
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
            found: dict[TestNode, list[float]] = {one: [], two: []}
            for number in range(3 if quick else 7):
                for node in (one, two) if number % 2 else (two, one):
                    found[node].append(_seconds_each(node, path, script))
            yield Row(
                what.format(name),
                rate(statistics.median(found[two])),
                f"one worker: {rate(statistics.median(found[one]))}",
                ratio(found[two], found[one]),
            )


def _seconds_each(node: TestNode, path: str, script: Path) -> float:
    told = subprocess.run(
        [
            *("wrk", "-t1", f"-c{CONNECTIONS}", f"-d{SLICE_SECONDS}s", "-s", str(script)),
            f"https://127.0.0.1:{node.port}{path}",
        ],
        capture_output=True,
        text=True,
        check=True,
    ).stdout
    found = re.search(r"Requests/sec:\s+([\d.]+)", told)
    if found is None or "Non-2xx" in told:
        raise RuntimeError(f"wrk was not answered: {told}")
    return 1 / float(found[1])
