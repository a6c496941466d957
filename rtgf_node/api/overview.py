"""What a dashboard reads: the whole node as one document, and pages that grow from their end."""

from __future__ import annotations

from collections.abc import Iterable
from itertools import groupby
from operator import attrgetter

from quart import request

from rtgf_node.actors.revocation import entry
from rtgf_node.api.answers import document
from rtgf_node.api.desk import Desk
from rtgf_node.api.exchange import Answered
from rtgf_node.api.parameters import Query
from rtgf_node.api.privileged import PrivilegedViews
from rtgf_node.core import times
from rtgf_node.core.merkle import MAX_TREE_SIZE
from rtgf_node.store.registry_store import NewestRow
from rtgf_node.wire.overview import CorridorsAnswer, PlaceStanding, RevocationsPage

PAGE = 100
"""Revocations in an answer that was asked for without a limit."""

PAGE_MAX = 1000


def routes(desk: Desk) -> PrivilegedViews:
    """Return the routes."""
    blueprint = PrivilegedViews("overview", __name__, desk, url_prefix="/admin")

    def watcher() -> None:
        desk.access.require(request.scope, "operator", "approver", "auditor")

    @blueprint.get("/overview")
    async def overview() -> Answered:
        Query()
        watcher()
        return document(desk.overview(desk.access.caller(request.scope)))

    @blueprint.get("/corridors")
    async def corridors() -> Answered:
        Query()
        watcher()
        newest, now = desk.store.registry.newest_of_each, desk.clock.now()
        return document(
            CorridorsAnswer(
                jurisdictions=_standings(newest("RMT"), now),
                corridors=_standings(newest("IMT"), now),
            )
        )

    @blueprint.get("/revocations")
    async def revocations() -> Answered:
        query = Query("before", "limit")
        watcher()
        before = query.whole("before", default=MAX_TREE_SIZE)
        limit = query.whole("limit", default=PAGE, least=1, most=PAGE_MAX)
        rows = desk.store.revocation.before(before, limit + 1)
        following = rows[limit - 1].rev_epoch if len(rows) > limit else None
        return document(RevocationsPage([entry(row) for row in rows[:limit]], following))

    return blueprint


def _standings(rows: Iterable[NewestRow], now: int) -> list[PlaceStanding]:
    """Return how many of a place's newest tokens stand; `rows` are in order of place."""
    found = []
    for place, group in groupby(rows, attrgetter("place")):
        held = list(group)
        valid = [row for row in held if row.status == "valid"]
        standing = [row for row in valid if row.nbf <= now <= row.exp]
        found.append(
            PlaceStanding(
                place=place,
                in_force=len(standing),
                withdrawn=len(held) - len(valid),
                outside=len(valid) - len(standing),
                first_expiry=times.to_text(min(row.exp for row in standing)) if standing else None,
            )
        )
    return found
