"""What goes over HTTP: request bodies and answers as types, shared by the API and the client.

Request bodies refuse unknown members; answers may gain members in a later version. Times are
RFC 3339 text, digests and ids are strings, byte strings are lower-case hex unless said otherwise.
"""

from __future__ import annotations

from typing import Annotated, Any

import msgspec

from rtgf_node.wire_builds import BuildAnswer as BuildAnswer
from rtgf_node.wire_builds import BuildLine as BuildLine
from rtgf_node.wire_builds import BuildProgress as BuildProgress
from rtgf_node.wire_builds import BuildStage as BuildStage
from rtgf_node.wire_builds import CompileRequest as CompileRequest
from rtgf_node.wire_builds import FetchAnswer as FetchAnswer
from rtgf_node.wire_builds import FetchItem as FetchItem
from rtgf_node.wire_builds import IntakeAnswer as IntakeAnswer
from rtgf_node.wire_shapes import Answer as Answer
from rtgf_node.wire_shapes import Body as Body
from rtgf_node.wire_shapes import Document as Document

# --- problems (RFC 9457) ------------------------------------------------------------------------


class ProblemDetail(Answer, frozen=True, omit_defaults=True):
    """One of the failures inside a problem, with the place it is at."""

    code: str
    detail: str
    pointer: str | None = None


class Problem(Answer, frozen=True, omit_defaults=True):
    """An error answer. `type` resolves on the node itself; `instance` is the request id.

    Where the failure has a place, the first of `errors` is the failure itself, with its pointer.
    """

    type: str
    title: str
    status: int
    detail: str
    code: str
    instance: str
    errors: tuple[ProblemDetail, ...] = ()


# --- verify and evaluate ------------------------------------------------------------------------


class VerifyTokens(Body, frozen=True):
    """The token set: each a token URI, a token id, or a whole token object."""

    rmt: str | Document | None = None
    imt: str | Document | None = None
    cort: str | Document | None = None
    psrt: str | Document | None = None
    rrmt: str | Document | None = None


class VerifyRequest(Body, frozen=True):
    """`POST /verify`: is this token set valid, now, and may I do this?"""

    tokens: VerifyTokens
    context: Any = None
    corridor: str | None = None
    domain: str | None = None
    proofs: dict[str, Document] | None = None
    min_rev_epoch: Annotated[int, msgspec.Meta(ge=0)] | None = None
    at: str | None = None


class TokenVerdict(Answer, frozen=True):
    """What was found of one token of the set."""

    uri: str
    type: str
    canonical_hash: str
    valid: bool
    reason: str | None
    exp: str


class Basis(Answer, frozen=True):
    """What a decision rests on: digests only."""

    token: str
    eval_plan: str
    datasets: list[str]


class VerifyAnswer(Answer, frozen=True):
    """The verdict. No clock in it: the same question on the same state has the same bytes."""

    valid: bool
    revEpoch: int  # noqa: N815 - the contract's spelling
    reason: str | None
    decision: str | None
    controls: list[str]
    reasons: list[str]
    tokens: list[TokenVerdict]
    trace_digest: str | None
    basis: Basis | None = None


class EvaluateRequest(Body, frozen=True):
    """`POST /evaluate`: one token, one context, the decision with its trace."""

    token: str | Document
    context: Any
    at: str | None = None


class EvaluateAnswer(Answer, frozen=True):
    """The decision, the token it was made by, why, and the trace whose digest is given."""

    token: str
    decision: str
    error: bool
    reasons: list[str]
    controls: list[str]
    trace: Any
    trace_digest: str
    revEpoch: int  # noqa: N815 - the contract's spelling
    explanation: str | None = None


# --- registry -----------------------------------------------------------------------------------


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


# --- log ----------------------------------------------------------------------------------------


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


# --- revocation ---------------------------------------------------------------------------------


class RevocationEntry(Answer, frozen=True):
    """One committed change of a token's status."""

    token_id: str
    jti: str
    status: str
    reason: str
    revEpoch: int  # noqa: N815 - the contract's spelling
    at: str
    root: str | None = None


class RevokeItem(Body, frozen=True):
    """One token to withdraw, by id, URI or jti, and why."""

    token: str
    reason: str


class RevokeRequest(Body, frozen=True):
    """`POST /admin/revoke` and `/admin/reinstate`: 1 to 1,000 items, all or nothing."""

    items: list[RevokeItem]
    proofs: bool = False


class RevokeAnswer(Answer, frozen=True):
    """The epoch after it, every token that fell, the dependants included, and proofs if asked for.

    `proofs` are of the entries in the log, in their order; none while nothing may be signed.
    """

    revEpoch: int  # noqa: N815 - the contract's spelling
    entries: list[RevocationEntry]
    proofs: list[ProofBundle] = msgspec.field(default_factory=list)


# --- signing ------------------------------------------------------------------------------------


class ResumeRequest(Body, frozen=True):
    """`POST /admin/log/resume`: sign from this store although the guard says otherwise, and why."""

    reason: Annotated[str, msgspec.Meta(min_length=1, max_length=500)]


# --- status -------------------------------------------------------------------------------------


class Check(Answer, frozen=True):
    """One readiness check."""

    name: str
    ok: bool
    detail: str


class ReadyAnswer(Answer, frozen=True):
    """`GET /readyz`: `ready`, `degraded` (answers, but something is old) or `not_ready`."""

    state: str
    checks: list[Check]


class ActorStatus(Answer, frozen=True):
    """One actor as its supervisor and its mailbox see it."""

    name: str
    state: str
    restarts: int
    depth: int
    capacity: int
    peak: int


class DatasetStatus(Answer, frozen=True):
    """The version of a list that is in force."""

    name: str
    version: str
    records: int
    content_sha256: str
    retrieved_at: str
    fresh: bool
    quarantined: str | None = None


class QuarantinedFile(Answer, frozen=True):
    """The newest file of a list, if it is not in force: why, since when, until when it waits."""

    name: str
    reason: str
    at: str
    until: str
    raw_sha256: str


class StatusAnswer(Answer, frozen=True):
    """`GET /admin/status`: one page for the operator."""

    issuer: str
    version: str
    ready: ReadyAnswer
    tree_size: int
    root_hash: str
    head_issued_at: str
    revEpoch: int  # noqa: N815 - the contract's spelling
    tokens: int
    snapshots: int
    datasets: list[DatasetStatus]
    actors: list[ActorStatus]
    halted: str | None = None
    quarantine: tuple[QuarantinedFile, ...] = ()


class KeyAnswer(Answer, frozen=True):
    """One online key, as the root-signed manifest states it."""

    kid: str
    purpose: str
    public: str
    issued_at: str
    expires_at: str
    revoked_at: str | None
