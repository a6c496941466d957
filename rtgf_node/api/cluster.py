"""The cluster: who is in it, who leads, and changes of both."""

from __future__ import annotations

import msgspec
from quart import request

from rtgf_node.actors.messages import AskForApproval, ChangeMembership
from rtgf_node.api.answers import document
from rtgf_node.api.desk import Desk
from rtgf_node.api.exchange import Answered
from rtgf_node.api.parameters import Query
from rtgf_node.api.privileged import PrivilegedViews
from rtgf_node.api.verify import json_body
from rtgf_node.core import digests
from rtgf_node.core.shapes import read_body
from rtgf_node.wire.cluster import LeadershipRequest, MemberRequest, MembershipAnswer


def routes(desk: Desk) -> PrivilegedViews:
    """Return the routes."""
    blueprint = PrivilegedViews("cluster", __name__, desk, url_prefix="/admin/cluster")

    @blueprint.get("")
    async def shown() -> Answered:
        Query()
        desk.access.require(request.scope, "operator", "approver", "auditor")
        return document(desk.cluster.shown())

    @blueprint.post("/members")
    async def add() -> Answered:
        Query()
        actor = desk.access.require(request.scope, "operator")
        asked = read_body(await json_body(), MemberRequest)
        return await change(ChangeMembership("add", asked.name, asked.address, actor))

    @blueprint.post("/members/<name>/promote")
    async def promote(name: str) -> Answered:
        Query()
        actor = desk.access.require(request.scope, "operator")
        return await change(ChangeMembership("promote", name, "", actor))

    @blueprint.post("/members/<name>/remove")
    async def remove(name: str) -> Answered:
        Query()
        actor = desk.access.require(request.scope, "operator")
        return await change(ChangeMembership("remove", name, "", actor))

    async def change(asked: ChangeMembership) -> Answered:
        desk.cluster.expect(None if asked.act == "add" else asked.name)
        if "membership" not in desk.config.approvals.required:
            answer: MembershipAnswer = await desk.membership.ask(asked)
            return document(answer)
        body = msgspec.json.encode(asked)
        approval_id = await desk.approvals.ask(
            AskForApproval(
                acts=("membership",),
                subject=" ".join(filter(None, (asked.act, asked.name, asked.address))),
                digest=digests.sha256(body),
                request=body,
                actor=asked.actor,
            )
        )
        shown = desk.cluster.shown()
        return document(MembershipAnswer("waiting", approval_id, shown), status=202)

    @blueprint.post("/leader")
    async def transfer() -> Answered:
        Query()
        desk.access.require(request.scope, "operator")
        asked = read_body(await json_body(), LeadershipRequest)
        return document(await desk.cluster.transfer(asked.to))

    return blueprint
