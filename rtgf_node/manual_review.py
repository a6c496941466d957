"""`manual_review.json` in the data folder: the clauses that halted the newest such build.

Each says which build that was, and when: the file stays when a later build passes.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final

import msgspec

MANUAL_REVIEW: Final = "manual_review.json"


def write_review(path: Path, entries: Sequence[dict[str, Any]]) -> None:
    """Replace the file whole: a reader sees the old entries or the new ones."""
    fresh = path.with_name(f".{path.name}.new")
    fresh.write_bytes(msgspec.json.format(msgspec.json.encode(entries), indent=2) + b"\n")
    os.replace(fresh, path)


def read_review(path: Path) -> list[dict[str, Any]]:
    """Return the entries, none if no build was ever halted by one."""
    try:
        data = path.read_bytes()
    except FileNotFoundError:
        return []
    return msgspec.json.decode(data, type=list[dict[str, Any]])
