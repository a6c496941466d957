"""The cluster: who is in it, who leads, and changes of both."""

from __future__ import annotations

from quart import request

from rtgf_node.api.answers import document
from rtgf_node.api.desk import Desk
from rtgf_node.api.exchange import Answered
from rtgf_node.api.parameters import Query
from rtgf_node.api.privileged import PrivilegedViews
from rtgf_node.api.verify import json_body
from rtgf_node.core.shapes import read_body
from rtgf_node.wire_cluster import LeadershipRequest, MemberRequest


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
        desk.access.require(request.scope, "operator")
        asked = read_body(await json_body(), MemberRequest)
        return document(await desk.cluster.add(asked.name, asked.address), status=201)

    @blueprint.post("/members/<name>/promote")
    async def promote(name: str) -> Answered:
        Query()
        desk.access.require(request.scope, "operator")
        return document(await desk.cluster.promote(name))

    @blueprint.post("/members/<name>/remove")
    async def remove(name: str) -> Answered:
        Query()
        desk.access.require(request.scope, "operator")
        return document(await desk.cluster.remove(name))

    @blueprint.post("/leader")
    async def transfer() -> Answered:
        Query()
        desk.access.require(request.scope, "operator")
        asked = read_body(await json_body(), LeadershipRequest)
        return document(await desk.cluster.transfer(asked.to))

    return blueprint
