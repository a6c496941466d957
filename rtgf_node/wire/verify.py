"""What is asked and answered about token sets, and about what one token allows."""

from __future__ import annotations

from typing import Annotated, Any

import msgspec

from rtgf_node.wire.shapes import Answer, Body, Document


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
