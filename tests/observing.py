"""What a node shows to whoever looks from outside: log, figures, files and commands."""

from __future__ import annotations

import os
import sqlite3
import subprocess
import sys
from contextlib import closing
from pathlib import Path
from typing import Any

from tests.nodes import PATIENCE_SECONDS, TestNode

ROOT = Path(__file__).resolve().parents[1]


def tree_size(node: TestNode) -> int:
    """Return how many entries the signed log has."""
    return int(node.ask("GET", "/roots/latest").json()["tree_size"])


def events(node: TestNode, type_: str | None = None, *, since: int = 0) -> list[dict[str, Any]]:
    """Return the log's events from a size on, of one type or of all."""
    found: list[dict[str, Any]] = []
    position: int | None = since
    while position is not None:
        page = node.ask("GET", f"/transparency?since={position}").json()
        found += [entry["event"] for entry in page["entries"]]
        position = page["next"]
    return [event for event in found if type_ in {None, event["type"]}]


def refusals(node: TestNode) -> list[tuple[str, str, str]]:
    """Return code, subject and digest of every refused intake, as the node's file has them."""
    with closing(sqlite3.connect(f"file:{node.database}?mode=ro", uri=True)) as conn:
        return list(conn.execute("SELECT code, subject, digest FROM refusals ORDER BY seq"))


def counted(node: TestNode, metric: str) -> float:
    """Return a figure of the metrics listener by its name and labels, 0 if it is not there yet."""
    lines = [line.rpartition(" ") for line in node.metrics().splitlines()]
    return next((float(value) for name, _, value in lines if name == metric), 0.0)


def rtgf(node: TestNode, *arguments: str) -> subprocess.CompletedProcess[str]:
    """Run the command line with the node's settings, as its operator does."""
    clean = {name: value for name, value in os.environ.items() if not name.startswith("RTGF_")}
    return subprocess.run(
        [sys.executable, "-m", "rtgf_node", *arguments, "--config", str(node.toml)],
        env={**clean, "PYTHONPATH": str(ROOT)},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=3 * PATIENCE_SECONDS,
        check=False,
    )
