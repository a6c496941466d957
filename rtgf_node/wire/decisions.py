"""What goes over HTTP of the decision log; see `wire` for how these types are read."""

from __future__ import annotations

from typing import Annotated

import msgspec

from rtgf_node.wire import Answer, Body, Document, ProofBundle


class DecisionEntry(Answer, frozen=True, forbid_unknown_fields=True):
    """One answer that was given: digests and ids, in the order of the chain.

    Attributes:
      seq: its number, from 1 on without gaps.
      at: when it was answered.
      request_id: as in the answer's `X-Request-ID`.
      client: the certificate's identity; null without one. Addresses are not kept.
      route: what was asked.
      request_digest: SHA-256 of the request's body; null if none was taken.
      answer_digest: SHA-256 of the answer's body as it was sent, without a receipt around it.
      tokens: the ids of the tokens it rests on; none where the answer is a problem.
      decision: what the policy said, where it was asked.
      valid: the verdict, of a batch whether all are; null where the answer is none.
      reason: the code why not valid, or the code of the problem that was answered.
      revEpoch: the revocation epoch it was given at.
      trace_digest: the digest of the decision's trace.
      prev: the hash of the entry before it.
    """

    seq: int
    at: str
    request_id: str
    client: str | None
    route: str
    request_digest: str | None
    answer_digest: str
    tokens: list[str]
    decision: str | None
    valid: bool | None
    reason: str | None
    revEpoch: int | None  # noqa: N815 - the contract's spelling
    trace_digest: str | None
    prev: str


class DecisionPage(Answer, frozen=True):
    """`GET /admin/decisions?since=&limit=&request_id=`: entries in order.

    `next` is the `since` of the next page, or null; `logged_to` is the last entry that a root in
    the log proves; `chain` is what those roots are of: each member of a cluster has its own.
    """

    entries: list[DecisionEntry]
    newest: int
    logged_to: int
    next: int | None
    chain: str = ""


class DecisionProof(Answer, frozen=True):
    """`GET /admin/decisions/{seq}/proof`: entry, path, the event with the root, and its own proof.

    `path` is the RFC 6962 audit path, in hex, of the entry's hash in its interval.
    """

    entry: DecisionEntry
    path: list[str]
    event: Document
    bundle: ProofBundle


class DecisionRestartRequest(Body, frozen=True):
    """`POST /admin/decisions/restart`: go on without what was kept so far, and why."""

    reason: Annotated[str, msgspec.Meta(min_length=1, max_length=500)]
