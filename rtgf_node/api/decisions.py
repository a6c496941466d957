"""The decision log, asked by whoever operates or audits the node."""

from __future__ import annotations

from functools import partial

import trio
from quart import request

from rtgf_node.api.answers import document
from rtgf_node.api.desk import Desk
from rtgf_node.api.exchange import Answered
from rtgf_node.api.parameters import Query
from rtgf_node.api.privileged import PrivilegedViews
from rtgf_node.api.proofs import bundle_of
from rtgf_node.api.verify import json_body
from rtgf_node.core import decision
from rtgf_node.core.canonical_json import parse_object
from rtgf_node.core.shapes import read_body
from rtgf_node.errors import Code, RtgfError
from rtgf_node.store.decision_store import MAX_PAGE
from rtgf_node.wire.about import RestartedAnswer
from rtgf_node.wire.decisions import DecisionPage, DecisionProof, DecisionRestartRequest

PAGE = 100
"""Entries in an answer that was asked for without a limit."""

MAX_DIGITS = 16
"""Of a number in a path: none that canonical JSON can say is longer."""


def routes(desk: Desk) -> PrivilegedViews:
    """Return the routes."""
    blueprint = PrivilegedViews("decisions", __name__, desk, url_prefix="/admin/decisions")
    reader, roots = desk.decisions.reader, desk.store.decision_roots

    @blueprint.get("")
    async def page() -> Answered:
        query = Query("since", "limit", "request_id")
        desk.access.require(request.scope, "operator", "auditor")
        since = query.whole("since", default=0)
        limit = query.whole("limit", default=PAGE, least=1, most=MAX_PAGE)
        request_id = query.text("request_id")
        look = (
            partial(reader.page, since, limit + 1)
            if request_id is None
            else partial(reader.of_request, request_id, since, limit + 1)
        )
        entries = [decision.read_entry(body) for body in await trio.to_thread.run_sync(look)]
        logged = roots.newest(desk.decisions.chain)
        return document(
            DecisionPage(
                entries=entries[:limit],
                newest=await trio.to_thread.run_sync(reader.newest_seq),
                logged_to=logged.last_seq if logged is not None else 0,
                next=entries[limit - 1].seq if len(entries) > limit else None,
                chain=desk.decisions.chain,
            )
        )

    @blueprint.get("/<seq>/proof")
    async def proof(seq: str) -> Answered:
        Query()
        desk.access.require(request.scope, "operator", "auditor")
        number = int(seq) if seq.isascii() and seq.isdigit() and len(seq) <= MAX_DIGITS else -1
        body = await trio.to_thread.run_sync(reader.entry, number)
        root = roots.covering(desk.decisions.chain, number)
        if root is None:
            raise RtgfError(
                Code.RTGF_TXP_PROOF_NOT_FOUND,
                f"the log holds no root of decision {number} yet; ask again after "
                f"{desk.config.decisions.root_every_seconds:g} s",
            )
        path = await trio.to_thread.run_sync(reader.path_in, root.interval(), number)
        logged = parse_object(desk.store.log.entry(root.leaf_index))
        return document(
            DecisionProof(
                entry=decision.read_entry(body),
                path=path,
                event=logged,
                bundle=bundle_of(desk.store.log, root.event_id, head=desk.heads.newest()),
            )
        )

    @blueprint.post("/restart")
    async def restart() -> Answered:
        Query()
        actor = desk.access.require(request.scope, "approver")
        reason = read_body(await json_body(), DecisionRestartRequest).reason
        kept = await desk.decisions.restart(reason, actor=actor)
        return document(RestartedAnswer(restarted=True, kept=kept))

    return blueprint
