"""The bench's result as a markdown table that can be pasted into a page."""

from __future__ import annotations

import datetime
import os
import platform
import sqlite3
import sysconfig
from pathlib import Path

from tests.bench.measure import Row, Skipped

HEAD = ("| what | measured | baseline | times as long |", "|---|---|---|---:|")


def machine() -> str:
    """Return the line that says where and when: processor, system, Python, SQLite, date."""
    today = datetime.datetime.now(tz=datetime.UTC).date().isoformat()
    compiled = "" if _optimised() else ", built without profile-guided optimisation"
    return (
        f"{_processor()}, {os.cpu_count()} cores, {platform.system()} {platform.release()}; "
        f"Python {platform.python_version()}{compiled}; SQLite {sqlite3.sqlite_version}; {today}."
    )


def line(row: Row | Skipped) -> str:
    """Return one line of the table."""
    if isinstance(row, Skipped):
        return f"| {row.what} | not measured: {row.reason} | | |"
    times = "" if row.ratio is None else f"{row.ratio:.3g}"
    return f"| {row.what} | {row.measured} | {row.baseline} | {times} |"


def _processor() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
    except OSError:
        return platform.processor() or platform.machine()
    names = [text.partition(":")[2].strip() for text in lines if text.startswith("model name")]
    return names[0] if names else platform.machine()


def _optimised() -> bool:
    return "--enable-optimizations" in (sysconfig.get_config_var("CONFIG_ARGS") or "")
