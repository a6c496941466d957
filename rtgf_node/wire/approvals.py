"""What is said over HTTP about acts that take two persons."""

from __future__ import annotations

from typing import Annotated, Literal

import msgspec

from rtgf_node.wire import Answer, Body


class ApprovalRequest(Body, frozen=True):
    """`POST /admin/approvals/{id}`: what the second person says."""

    decision: Literal["approve", "refuse"]
    reason: Annotated[str, msgspec.Meta(min_length=1, max_length=500)]


class ApprovalAnswer(Answer, frozen=True):
    """A request for approval: what waits, or how it was settled."""

    approval_id: str
    acts: list[str]
    subject: str
    digest: str
    state: Literal["waiting", "approved", "refused", "lapsed"]
    asked_by: str
    asked_at: str
    deadline: str
    settled_by: str | None
    settled_at: str | None
    reason: str | None


class ApprovalsAnswer(Answer, frozen=True):
    """`GET /admin/approvals`: the newest first."""

    approvals: list[ApprovalAnswer]

    def waiting_for(self, act: str) -> list[ApprovalAnswer]:
        """Return what waits for a second person to agree to this act."""
        return [one for one in self.approvals if one.state == "waiting" and act in one.acts]
