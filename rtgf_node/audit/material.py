"""What an auditor collects from a node before judging it: everything it publishes, as it came.

Collecting judges nothing. What the node fails to show is written down as a finding, because a node
that hides something must not look better than one that shows it broken.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Final, ParamSpec, TypeVar

import msgspec

from rtgf_node import wire
from rtgf_node.audit.state import EventFile
from rtgf_node.client import MAX_ANSWER_BYTES, Node
from rtgf_node.core import canonical_json, status_list
from rtgf_node.errors import Code, RtgfError

P = ParamSpec("P")
T = TypeVar("T")

# A log of ten million events is fifty thousand pages; a node that never ends its log is cut there.
MAX_LOG_PAGES: Final = 100_000
# Each has room for 131,072 tokens.
MAX_STATUS_LISTS: Final = 1_000
# A head follows its events within a second; each round asks the node for a newer one.
MAX_ROUNDS: Final = 5
ROUND_PAUSE_SECONDS: Final = 0.5

TRY_AGAIN: Final = frozenset(
    {
        Code.RTGF_UNREACHABLE,
        Code.RTGF_VERIFY_RATE_LIMIT,
        Code.RTGF_VERIFY_UNAVAILABLE,
        Code.RTGF_UNAVAILABLE,
        Code.RTGF_OVERLOADED,
        Code.RTGF_ACTOR_CRASHED,
    }
)
"""These say nothing about what the node would show: the audit ends without a verdict."""

Progress = Callable[[str], None]


class Finding(msgspec.Struct, frozen=True):
    """Something that does not hold: which check, of what, and what was seen."""

    check: str
    subject: str
    detail: str


class Remembered(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What an earlier audit saw, kept by the auditor: the node must never contradict it."""

    origin: str
    tree_size: int
    root_hash: str
    at: str


class Material(msgspec.Struct, frozen=True):
    """All that was fetched. Nothing in it is believed yet."""

    url: str
    at: int
    settled_size: int
    """Size of the first head that was fetched: everything fetched later must reflect it."""
    signed_jwks: str
    jwks: bytes
    key_manifest: bytes
    head: bytes
    entries: list[wire.LogEntry]
    catalog: list[wire.CatalogEntry]
    tokens: dict[str, bytes]
    proofs: dict[str, wire.ProofBundle]
    revocations: bytes
    snapshots: dict[str, bytes]
    terms: dict[str, bytes] = {}
    status_lists: dict[int, str] = {}
    withheld: list[Finding] = []
    remembered: Remembered | None = None
    consistency: wire.ConsistencyProof | None = None


def collect(
    node: Node,
    *,
    at: int,
    remembered: Remembered | None,
    progress: Progress,
    wait: Callable[[float], None] = time.sleep,
    kept: EventFile | None = None,
) -> Material:
    """Fetch everything that `audit.check` looks at.

    Events that an earlier audit kept are not fetched again; they are judged again all the same.

    The order matters: a head first, then what is served beside it, then the log up to a head that
    covers all that was served. So nothing that is honest can look late or missing.

    Raises:
      RtgfError: RTGF_UNREACHABLE, or the node cannot show its keys, head or log at all.
    """
    withheld: list[Finding] = []
    settled_size = _size_of(node.head())
    progress(f"tree of {settled_size} events")
    signed_jwks, jwks, manifest = node.signed_jwks(), node.jwks(), node.key_manifest()
    catalog = list(node.catalog_entries())
    revocations = node.revocations()
    status_lists = _status_lists(node, withheld)
    progress(f"catalogue of {len(catalog)} tokens")
    needed = max(
        settled_size,
        _size_of(revocations, member="treeSize"),
        *(_size_of_list(jwt) for jwt in status_lists.values()),
        *(entry.leafIndex + 1 for entry in catalog),
    )
    head = _head_covering(node, needed, wait)
    entries = _log(node, _size_of(head), progress, kept)
    tokens: dict[str, bytes] = {}
    proofs: dict[str, wire.ProofBundle] = {}
    for number, entry in enumerate(catalog, start=1):
        token = _shown(withheld, "token", entry.uri, node.token, entry.uri)
        if token is not None:
            tokens[entry.uri] = token
        if 0 <= entry.leafIndex < len(entries):
            event_id = str(entries[entry.leafIndex].event.get("event_id"))
            proof = _shown(
                withheld, "proof", event_id, node.proof, event_id, from_size=len(entries)
            )
            if proof is not None:
                proofs[event_id] = proof
        if number % 50 == 0:
            progress(f"{number} of {len(catalog)} tokens fetched")
    consistency = None
    if remembered is not None and 0 < remembered.tree_size <= len(entries):
        consistency = _shown(
            withheld,
            "consistency",
            f"{remembered.tree_size}..{len(entries)}",
            node.consistency,
            remembered.tree_size,
            len(entries),
        )
    return Material(
        url=node.url,
        at=at,
        settled_size=settled_size,
        signed_jwks=signed_jwks,
        jwks=jwks,
        key_manifest=manifest,
        head=head,
        entries=entries,
        catalog=catalog,
        tokens=tokens,
        proofs=proofs,
        revocations=revocations,
        snapshots=_documents(entries, withheld, "policy_snapshot", "snapshot", node.snapshot),
        terms=_documents(entries, withheld, "terms", "terms", node.terms),
        status_lists=status_lists,
        withheld=withheld,
        remembered=remembered,
        consistency=consistency,
    )


def _shown(
    withheld: list[Finding],
    check: str,
    subject: str,
    ask: Callable[P, T],
    *arguments: P.args,
    **named: P.kwargs,
) -> T | None:
    """Return what the node shows, or write down that it does not."""
    try:
        return ask(*arguments, **named)
    except RtgfError as error:
        if error.code in TRY_AGAIN:
            raise
        withheld.append(Finding(check, subject, f"the node does not show it: {error}"))
        return None


def _documents(
    entries: list[wire.LogEntry],
    withheld: list[Finding],
    type_: str,
    check: str,
    ask: Callable[[str], bytes],
) -> dict[str, bytes]:
    """Return by id what the log says was taken in by events of this type."""
    found: dict[str, bytes] = {}
    for leaf in entries:
        if leaf.event.get("type") == type_:
            name = str(leaf.event.get("subject"))
            body = _shown(withheld, check, name, ask, name)
            if body is not None:
                found[name] = body
    return found


def _size_of(document: bytes, *, member: str = "tree_size") -> int:
    """Return the tree size that a served document states."""
    parsed = canonical_json.parse(document, max_bytes=MAX_ANSWER_BYTES)
    size = parsed.get(member) if isinstance(parsed, dict) else None
    if not isinstance(size, int) or isinstance(size, bool) or size < 0:
        raise RtgfError(Code.RTGF_INTERNAL, f"what the node serves states no {member}")
    return size


def _status_lists(node: Node, withheld: list[Finding]) -> dict[int, str]:
    """Return every status list by its number: they are numbered without a gap."""
    found: dict[int, str] = {}
    for number in range(MAX_STATUS_LISTS):
        try:
            found[number] = node.status_list(number)
        except RtgfError as error:
            if error.code in TRY_AGAIN:
                raise
            if error.code is not Code.RTGF_NOT_FOUND:
                told = f"the node does not show it: {error}"
                withheld.append(Finding("revocations", f"status list {number}", told))
            break
    return found


def _size_of_list(jwt: str) -> int:
    """Return the size of the tree whose revocations a list reflects; 0 for what is no list."""
    try:
        return status_list.claims_of(jwt).treeSize
    except RtgfError:
        return 0


def _head_covering(node: Node, needed: int, wait: Callable[[float], None]) -> bytes:
    """Return a head of at least `needed` leaves, or the last one when the node gets no further."""
    head = node.head()
    for _ in range(MAX_ROUNDS):
        if _size_of(head) >= needed:
            break
        wait(ROUND_PAUSE_SECONDS)
        head = node.head()
    return head


def _log(node: Node, size: int, progress: Progress, kept: EventFile | None) -> list[wire.LogEntry]:
    """Return the leaves 0 to `size` as the node lists them; fewer when it stops short."""
    entries = kept.read() if kept is not None else []
    if entries:
        progress(f"{len(entries)} events were read before")
    for _ in range(MAX_LOG_PAGES):
        if len(entries) >= size:
            break
        page = node.log_page(len(entries))
        if not page.entries:
            break
        entries += page.entries
        if kept is not None:
            kept.add(page.entries)
        progress(f"{len(entries)} of {size} events read")
    return entries[:size]
