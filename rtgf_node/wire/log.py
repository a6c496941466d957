"""What is said over HTTP about issued tokens, about the log, and of its proofs."""

from __future__ import annotations

from typing import Annotated

import msgspec

from rtgf_node.wire.shapes import Answer, Body, Document


class CatalogEntry(Answer, frozen=True):
    """One issued token."""

    uri: str
    type: str
    slug: str
    hash: str
    version: str
    issued_at: str
    nbf: str
    exp: str
    revoked: bool
    leafIndex: int  # noqa: N815 - the contract's spelling


class Catalog(Answer, frozen=True):
    """`GET /catalog`, a page in the order of the log; `cursor` asks for the next."""

    tokens: list[CatalogEntry]
    cursor: str | None


class ProofBundle(Answer, frozen=True):
    """Enough to check one entry offline with the log's public key and nothing else."""

    eventId: str  # noqa: N815 - the contract's spelling, as are those below
    leafIndex: int  # noqa: N815
    treeSize: int  # noqa: N815
    merkleRoot: str  # noqa: N815
    leafHash: str  # noqa: N815
    eventDigest: str  # noqa: N815
    path: list[str]
    consistency: list[str]
    issuedAt: str  # noqa: N815
    checkpoint: str
    signatures: list[Document]


class ConsistencyProof(Answer, frozen=True):
    """`GET /proofs/consistency?from=&to=` (RFC 9162 §2.1.4); hashes in hex."""

    old_size: int
    new_size: int
    old_root: str
    new_root: str
    proof: list[str]


class LogEntry(Answer, frozen=True):
    """One leaf: its index and the event whose canonical bytes were hashed."""

    index: int
    event: Document


class LogPage(Answer, frozen=True):
    """`GET /transparency?since=&limit=`: leaves in order; `next` is where to go on, or null."""

    tree_size: int
    entries: list[LogEntry]
    next: int | None


class ResumeRequest(Body, frozen=True):
    """`POST /admin/log/resume`: sign from this store although the guard says otherwise, and why."""

    reason: Annotated[str, msgspec.Meta(min_length=1, max_length=500)]
