"""`scripts/bench`: measure, and print the table.

    scripts/bench [--quick] [GROUP ...]

The table goes to standard output, progress to standard error. Groups: verify, workers, check,
append, proof, start, screen, compile, decide, tiles, decisions, cluster.
"""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Callable, Iterator, Mapping

from tests.bench import (
    appends,
    cluster,
    decisions,
    hostility,
    http,
    matrix,
    policy,
    proofs,
    report,
    screening,
    serving,
    starting,
    tiles,
    verification,
    workers,
)
from tests.bench.measure import Row, Skipped

GROUPS: Mapping[str, Callable[..., Iterator[Row | Skipped]]] = {
    "verify": serving.measure,
    "http": http.measure,
    "hostile": hostility.measure,
    "workers": workers.measure,
    "check": verification.measure,
    "append": appends.measure,
    "proof": proofs.measure,
    "start": starting.measure,
    "screen": screening.measure,
    "compile": matrix.measure,
    "decide": policy.measure,
    "tiles": tiles.measure,
    "decisions": decisions.measure,
    "cluster": cluster.measure,
}


def main() -> int:
    """Run the groups that are asked for; without any, all."""
    parser = argparse.ArgumentParser(prog="scripts/bench", description="Measure, as ratios.")
    parser.add_argument("groups", nargs="*", metavar="GROUP", help=", ".join(GROUPS))
    parser.add_argument("--quick", action="store_true", help="fewer rounds, smaller trees")
    asked = parser.parse_args()
    unknown = sorted(set(asked.groups) - set(GROUPS))
    if unknown:
        parser.error(f"no such group: {', '.join(unknown)}; there are {', '.join(GROUPS)}")
    sys.stdout.write("\n".join([report.machine(), "", *report.HEAD]) + "\n")
    for name in asked.groups or GROUPS:
        began = time.perf_counter()
        for row in GROUPS[name](quick=asked.quick):
            sys.stdout.write(report.line(row) + "\n")
            sys.stdout.flush()
        sys.stderr.write(f"{name}: {time.perf_counter() - began:.1f} s\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
