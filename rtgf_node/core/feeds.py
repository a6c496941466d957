"""How old an authority lets the lists be that its rules are decided with."""

from __future__ import annotations

from collections.abc import Mapping

from rtgf_node.core import snapshot
from rtgf_node.core.policy import duration
from rtgf_node.errors import RtgfError


def ages(body: bytes) -> Mapping[str, int] | None:
    """Return, by dataset name, the age in seconds that a snapshot allows.

    None if the snapshot cannot be read: then no list is young enough for its rules.
    """
    try:
        sources = snapshot.parse(body).evidence_sources
    except RtgfError:
        return None
    return {
        source.dataset: _least_seconds(source.feed.max_age)
        for source in sources
        if source.feed is not None
    }


def _least_seconds(text: str) -> int:
    """Return how long a stated age is at least; none at all where it has no definite length."""
    try:
        return duration.least_seconds(duration.parse(text))
    except ValueError:
        return 0
