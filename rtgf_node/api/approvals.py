"""Approvals: what waits for a second person, and what that person says."""

from __future__ import annotations

from quart import request

from rtgf_node.actors.approvals import answer
from rtgf_node.actors.messages import Settle
from rtgf_node.api.answers import document
from rtgf_node.api.desk import Desk
from rtgf_node.api.exchange import Answered
from rtgf_node.api.parameters import Query
from rtgf_node.api.privileged import PrivilegedViews
from rtgf_node.api.verify import json_body
from rtgf_node.core.shapes import read_body
from rtgf_node.wire.approvals import ApprovalRequest, ApprovalsAnswer


def routes(desk: Desk) -> PrivilegedViews:
    """Return the routes."""
    blueprint = PrivilegedViews("approvals", __name__, desk, url_prefix="/admin")

    @blueprint.get("/approvals")
    async def listed() -> Answered:
        Query()
        desk.access.require(request.scope, "operator", "approver", "auditor")
        return document(ApprovalsAnswer([answer(row) for row in desk.store.approvals.newest()]))

    @blueprint.post("/approvals/<approval_id>")
    async def settle(approval_id: str) -> Answered:
        Query()
        actor = desk.access.require(request.scope, "approver")
        said = read_body(await json_body(), ApprovalRequest)
        settled = await desk.approvals.ask(
            Settle(
                approval_id=approval_id,
                state="approved" if said.decision == "approve" else "refused",
                reason=said.reason,
                actor=actor,
            )
        )
        return document(settled)

    return blueprint
