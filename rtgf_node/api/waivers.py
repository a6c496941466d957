"""Waivers: an approver hands them in, whoever operates or audits the node reads them."""

from __future__ import annotations

from quart import request

from rtgf_node.actors.messages import PushWaiver
from rtgf_node.api.answers import document
from rtgf_node.api.desk import Desk
from rtgf_node.api.exchange import Answered
from rtgf_node.api.parameters import Query
from rtgf_node.api.privileged import PrivilegedViews
from rtgf_node.api.verify import json_body
from rtgf_node.core import times
from rtgf_node.core.canonical_json import parse_object
from rtgf_node.manual_review import MANUAL_REVIEW, read_review
from rtgf_node.wire.waivers import WaiverEntry, WaiversAnswer


def routes(desk: Desk) -> PrivilegedViews:
    """Return the routes."""
    blueprint = PrivilegedViews("waivers", __name__, desk, url_prefix="/admin/waivers")

    @blueprint.post("")
    async def push() -> Answered:
        Query()
        actor = desk.access.require(request.scope, "approver")
        taken = await desk.fetcher.ask(PushWaiver(body=await json_body(), actor=actor))
        return document(taken, status=201 if taken.outcome == "accepted" else 200)

    @blueprint.get("")
    async def listed() -> Answered:
        Query()
        desk.access.require(request.scope, "operator", "approver", "auditor")
        entries = [
            WaiverEntry(row.digest, times.to_text(row.at), row.leaf_index, parse_object(row.body))
            for row in desk.store.waivers.newest()
        ]
        review = read_review(desk.config.node.data_dir / MANUAL_REVIEW)
        return document(WaiversAnswer(entries, review))

    return blueprint
