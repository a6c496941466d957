"""What a node holds of its lists, and what a fetch did to them, seen from outside."""

from __future__ import annotations

from typing import Any

from rtgf_node.core import digests
from rtgf_node.wire import FetchItem
from tests.nodes import TestNode
from tests.observing import refusals, tree_size
from tests.providers import Providers

MISMATCH = "RTGF_SANCTIONS_HASH_MISMATCH"
UNSIGNED = "RTGF_SANCTIONS_UNSIGNED"
IMPLAUSIBLE = "RTGF_SANCTIONS_IMPLAUSIBLE"
UNREADABLE = "RTGF_SANCTIONS_UNREADABLE"
FETCH_FAILED = "RTGF_SANCTIONS_FETCH_FAILED"


def fetched(node: TestNode, name: str) -> FetchItem:
    """Fetch one list and return what became of it."""
    (item,) = node.fetch(name)
    return item


def in_force(node: TestNode, name: str) -> dict[str, Any] | None:
    """Return the list in force of this name, as the operator sees it."""
    status = node.ask("GET", "/admin/status", role="operator").json()
    return next((one for one in status["datasets"] if one["name"] == name), None)


def check_of(node: TestNode, name: str) -> tuple[dict[str, Any] | None, str]:
    """Return what `/readyz` says of a list, and the node's state."""
    ready = node.ask("GET", "/readyz").json()
    check = next((one for one in ready["checks"] if one["name"] == f"dataset:{name}"), None)
    return check, ready["state"]


def hold(desk: TestNode, providers: Providers, name: str, body: bytes, **answer: Any) -> FetchItem:
    """Have the list in force."""
    providers.world.serve(f"/{name}.xml", body=body, **answer)
    item = fetched(desk, name)
    assert item.outcome == "accepted", item
    return item


def assert_nothing_taken(
    desk: TestNode, name: str, code: str, *, records: bool = True
) -> FetchItem:
    """A fetch that is refused leaves the list in force and the log as they are, and is recorded."""
    before, size, known = in_force(desk, name), tree_size(desk), refusals(desk)
    item = fetched(desk, name)
    assert (item.outcome, item.code) == ("refused", code), item
    assert in_force(desk, name) == before
    assert tree_size(desk) == size
    assert [row[:2] for row in refusals(desk)] == [*(row[:2] for row in known), (code, name)]
    assert (before is not None) == records
    return item


def kept(node: TestNode, body: bytes) -> bool:
    """Return whether the bytes are kept under their digest."""
    name = digests.sha256(body).removeprefix("sha256:")
    files = [path for path in (node.folder / "data/objects").rglob("*") if path.is_file()]
    return body in [path.read_bytes() for path in files if name.endswith(path.name)]
