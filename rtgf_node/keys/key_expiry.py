"""When the keys that sign now expire, and whether it is time to rotate them."""

from __future__ import annotations

from functools import partial
from typing import Final

from prometheus_client import Gauge

from rtgf_node.core import times
from rtgf_node.keys.key_change import ROTATED
from rtgf_node.store import Store
from rtgf_node.store.key_manifest_store import KeyRow
from rtgf_node.wire import Check

DUE_SECONDS: Final = 7 * 86_400
"""Before the end of a key: for so long old and new verify beside each other."""


def check(store: Store, *, now: int) -> Check:
    """Return whether every key that signs has more than a week to live, for readiness."""
    first = min(_newest(store).values(), key=lambda key: key.expires_at, default=None)
    if first is None:
        return Check("keys", ok=False, detail="no key is published yet")
    due = first.expires_at - DUE_SECONDS
    if now < due:
        return Check("keys", ok=True, detail=f"to be rotated by {times.to_text(due)}")
    verb = "expires" if now < first.expires_at else "has expired"
    return Check(
        "keys",
        ok=False,
        detail=f"rotate them: the {first.purpose} key {first.kid} {verb} at "
        f"{times.to_text(first.expires_at)}",
    )


def watch(gauge: Gauge, store: Store) -> None:
    """Show at each scrape when the newest key of each purpose expires, in seconds since 1970."""
    for purpose in ROTATED:
        gauge.labels(purpose).set_function(partial(_expires_at, store, purpose))


def _expires_at(store: Store, purpose: str) -> float:
    newest = _newest(store).get(purpose)
    return 0.0 if newest is None else float(newest.expires_at)


def _newest(store: Store) -> dict[str, KeyRow]:
    """Return of each purpose the key that lives longest: it signs, the others only verify."""
    found: dict[str, KeyRow] = {}
    for key in store.keys.all():
        if key.purpose not in ROTATED or key.revoked_at is not None:
            continue
        held = found.get(key.purpose)
        if held is None or held.expires_at < key.expires_at:
            found[key.purpose] = key
    return found
