"""The bench's result as a markdown table that can be pasted into a page."""

from __future__ import annotations

import datetime
import os
import platform
import sqlite3
from pathlib import Path

from tests.bench.measure import Row, Skipped

HEAD = ("| what | measured | baseline | times as long |", "|---|---|---|---:|")


def machine() -> str:
    """Return the line that says where and when: processor, system, Python, SQLite, date."""
    today = datetime.datetime.now(tz=datetime.UTC).date().isoformat()
    return (
        f"{_processor()}, {os.cpu_count()} cores, {platform.system()} {platform.release()}; "
        f"Python {platform.python_version()} ({platform.python_compiler()}); "
        f"SQLite {sqlite3.sqlite_version}; {today}."
    )


def line(row: Row | Skipped) -> str:
    """Return one line of the table."""
    if isinstance(row, Skipped):
        return f"| {row.what} | not measured: {row.reason} | | |"
    times = (
        "" if row.ratio is None else f"{row.ratio:.2f}" if row.ratio >= 1 else f"{row.ratio:.2g}"
    )
    return f"| {row.what} | {row.measured} | {row.baseline} | {times} |"


def _processor() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
    except OSError:
        return platform.processor() or platform.machine()
    names = [text.partition(":")[2].strip() for text in lines if text.startswith("model name")]
    return names[0] if names else platform.machine()
