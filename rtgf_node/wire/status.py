"""What a node says of its own state, for who operates it."""

from __future__ import annotations

from rtgf_node.wire.shapes import Answer


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
    """One actor as its supervisor and its mailbox see it.

    `p50_ms` and `p99_ms` are of handling a request, since the process began; null before the first.
    """

    name: str
    state: str
    restarts: int
    depth: int
    capacity: int
    peak: int
    p50_ms: float | None = None
    p99_ms: float | None = None


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


class AlertLine(Answer, frozen=True):
    """An alert that stands. `screen` is of the dashboard, `runbook` a file of the project."""

    name: str
    severity: str
    sentence: str
    detail: str
    since: str
    screen: str
    runbook: str
    code: str | None = None


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
    alerts: tuple[AlertLine, ...] = ()


class KeyAnswer(Answer, frozen=True):
    """One online key, as the root-signed manifest states it."""

    kid: str
    purpose: str
    public: str
    issued_at: str
    expires_at: str
    revoked_at: str | None
