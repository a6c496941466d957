"""The audit trail, to be read by whoever operates or audits the node."""

from __future__ import annotations

from functools import partial

import msgspec
import trio
from quart import request

from rtgf_node.api.answers import document
from rtgf_node.api.desk import Desk
from rtgf_node.api.exchange import Answered
from rtgf_node.api.parameters import Query
from rtgf_node.api.privileged import PrivilegedViews
from rtgf_node.errors import Code, RtgfError
from rtgf_node.ops.audit_trail import KINDS
from rtgf_node.wire.audit_trail import AuditTrailPage

PAGE_LINES = 100
"""Lines of a page where nothing else is asked for."""

PAGE_LINES_MAX = 1000
"""Lines of a page at most."""


def routes(desk: Desk) -> PrivilegedViews:
    """Return the routes."""
    blueprint = PrivilegedViews("audit_trail", __name__, desk, url_prefix="/admin")

    @blueprint.get("/audit-trail")
    async def page() -> Answered:
        query = Query("kind", "since", "limit")
        desk.access.require(request.scope, "operator", "auditor")
        said = query.text("kind")
        kind = "acts" if said is None else said
        if kind not in KINDS:
            raise RtgfError(
                Code.RTGF_INPUT_INVALID, f"kind: one of {', '.join(KINDS)}", pointer="?kind"
            )
        since = query.whole("since", default=1)
        limit = query.whole("limit", default=PAGE_LINES, least=1, most=PAGE_LINES_MAX)
        look = partial(desk.trail.page, kind, since=since, limit=limit + 1)
        found = await trio.to_thread.run_sync(look)
        more = found[limit].seq if len(found) > limit else None
        return document(AuditTrailPage([msgspec.to_builtins(one) for one in found[:limit]], more))

    return blueprint
