"""A node to bring snapshots to: whom it believes, and what it means that it refused one."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from rtgf_node.core import digests
from tests.authorities import pinned, source
from tests.nodes import RATES, Reply, TestNode
from tests.observing import counted, refusals, tree_size
from tests.worlds import Identity, authority, document, sealed

EU = authority("EU")
QUORUM = Identity("did:web:quorum.example", use="authority", keys=3)
OTHER = authority("US")
STRANGER = authority("KP")

SCHEMA = "RTGF_POL_MATRIX_SCHEMA_INVALID"
SIGNATURE = "RTGF_POL_MATRIX_SIGNATURE_INVALID"
STALE = "RTGF_POL_MATRIX_STALE"


def door_node(folder: Path) -> TestNode:
    """Make a node that pins three authorities and knows three places to fetch EU's from."""
    settings = (
        RATES
        + pinned(folder / "pinned", EU, QUORUM, OTHER)
        + source("drop", "drop.json", EU)
        + source("matrix", "matrix.jsonld", EU)
        + source("nowhere", "nowhere.json", EU)
    )
    return TestNode(folder / "node", settings=settings)


def of(place: str, **changes: Any) -> dict[str, Any]:
    """Return an unsigned snapshot of the pinned authority for any place."""
    return document(place, **{"issuer": EU.did, **changes})


def signed(made: dict[str, Any], by: Identity = EU) -> bytes:
    """Return it hashed and signed."""
    return sealed(made, by.signers)


def sent(node: TestNode, body: bytes) -> Reply:
    """Push it as a regulator."""
    return node.ask("POST", "/admin/snapshots", body, role="regulator")


def assert_refused(
    node: TestNode, body: bytes, status: int, code: str, pointer: str | None = None
) -> None:
    """It is refused with its code and place, counted and recorded; and nothing else changed."""
    metric = f'rtgf_snapshot_validations_total{{result="{code}"}}'
    size, known, count = tree_size(node), refusals(node), counted(node, metric)
    index = node.ask("GET", "/policy-matrix/index.jsonld").body
    problem = sent(node, body).problem(status, code)
    if pointer is not None:
        assert pointer in [error.get("pointer") for error in problem["errors"]], problem
    assert refusals(node) == [*known, (code, "push", digests.sha256(body) if body else "")]
    assert counted(node, metric) == count + 1
    assert tree_size(node) == size
    assert node.ask("GET", "/policy-matrix/index.jsonld").body == index
