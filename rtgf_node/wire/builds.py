"""What is said over HTTP about what is taken in, and about builds; see `wire`."""

from __future__ import annotations

import msgspec

from rtgf_node.wire.shapes import Answer, Body, Document


class IntakeAnswer(Answer, frozen=True):
    """What became of a pushed or fetched document. `outcome` is `accepted` or `unchanged`."""

    subject: str
    outcome: str
    digest: str
    event_id: str | None
    detail: str = ""


class FetchItem(Answer, frozen=True):
    """What one source gave: `accepted`, `unchanged`, `quarantined` or `refused`."""

    source: str
    outcome: str
    subject: str = ""
    records: int | None = None
    unreadable: int | None = None
    raw_sha256: str | None = None
    content_sha256: str | None = None
    code: str | None = None
    detail: str = ""


class FetchAnswer(Answer, frozen=True):
    """`POST /admin/fetch[/{source}]`: one item per document looked at."""

    items: list[FetchItem]


class CompileRequest(Body, frozen=True):
    """`POST /admin/compile`: build what is due.

    `accept_conflicts` needs the approver's role: corridors whose rules differ are published only
    after somebody accepted the stricter ones.
    """

    jurisdictions: list[str] | None = None
    domains: list[str] | None = None
    accept_conflicts: bool = False


class BuildStage(Answer, frozen=True):
    """One line of a build's log."""

    stage: str
    detail: str
    at: str


class BuildProgress(Answer, frozen=True):
    """How far a stage is, in tokens."""

    stage: str
    done: int
    total: int


class BuildAnswer(Answer, frozen=True):
    """A build: `running`, `published`, `nothing_due`, `cancelled` or `failed`.

    `failed` are the jurisdictions and domains that could not be built, each with its code; of a
    published build, the rest was.
    """

    build_id: str
    state: str
    stages: list[BuildStage]
    issued: list[str]
    held: list[str]
    unsatisfiable: list[Document]
    failed: list[Document] = msgspec.field(default_factory=list)
    progress: BuildProgress | None = None
    manifest_digest: str | None = None
    code: str | None = None
    detail: str | None = None
    causes: list[Document] = msgspec.field(default_factory=list)


class BuildLine(Answer, frozen=True):
    """A build in the register."""

    build_id: str
    state: str
    at: str
    manifest_digest: str | None
