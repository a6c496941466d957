"""What goes over HTTP of the AuthZEN Authorization API 1.0; see `wire` for how these are read.

Requests may have members that are not known here: AuthZEN has receivers ignore them.
"""

from __future__ import annotations

from typing import Literal

import msgspec

from rtgf_node.wire import Answer, Document

Semantic = Literal["execute_all", "deny_on_first_deny", "permit_on_first_permit"]


class Entity(msgspec.Struct, frozen=True):
    """A subject or a resource."""

    type: str
    id: str
    properties: Document = {}


class Action(msgspec.Struct, frozen=True):
    """What is to be done."""

    name: str
    properties: Document = {}


class AccessRequest(msgspec.Struct, frozen=True):
    """`POST /access/v1/evaluation`: may this subject do this to that?"""

    subject: Entity
    action: Action
    resource: Entity
    context: Document = {}


class AccessOptions(msgspec.Struct, frozen=True):
    """How the evaluations of a request are gone through."""

    evaluations_semantic: Semantic = "execute_all"


class AccessBatch(msgspec.Struct, frozen=True):
    """`POST /access/v1/evaluations`: several requests; what one leaves out stands here.

    Without `evaluations` it is one request.
    """

    subject: Entity | None = None
    action: Action | None = None
    resource: Entity | None = None
    context: Document | None = None
    options: AccessOptions = AccessOptions()
    evaluations: list[Document] = []


class AccessError(Answer, frozen=True):
    """Why a request could not be decided."""

    status: int
    message: str


class AccessContext(Answer, frozen=True, omit_defaults=True):
    """Why it was decided so.

    Attributes:
      reasons: codes of the policy, or of what is wrong.
      controls: what must be done with what is permitted; the enforcement point sees to it.
      token: the token that decided.
      rule: the local rule that decided.
      decision: what the token says: `PERMIT`, `PERMIT_WITH_CONTROLS` or `DENY`.
      trace_digest: the digest of the decision's trace.
      revEpoch: the revocation epoch it was given at.
      error: why it could not be decided.
    """

    reasons: list[str]
    controls: tuple[str, ...] = ()
    token: str | None = None
    rule: str | None = None
    decision: str | None = None
    trace_digest: str | None = None
    revEpoch: int | None = None  # noqa: N815 - the contract's spelling
    error: AccessError | None = None


class AccessAnswer(Answer, frozen=True):
    """A decision, and why."""

    decision: bool
    context: AccessContext


class AccessAnswers(Answer, frozen=True):
    """Decisions in the order of what was asked."""

    evaluations: list[AccessAnswer]


class AccessConfiguration(Answer, frozen=True):
    """`GET /.well-known/authzen-configuration`."""

    policy_decision_point: str
    access_evaluation_endpoint: str
    access_evaluations_endpoint: str
