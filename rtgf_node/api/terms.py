"""Terms documents, to be read by anybody as they were signed."""

from __future__ import annotations

from rtgf_node.api.answers import IMMUTABLE, ready
from rtgf_node.api.desk import Desk
from rtgf_node.api.exchange import Answered, Views
from rtgf_node.api.parameters import Query
from rtgf_node.errors import Code, RtgfError


def routes(desk: Desk) -> Views:
    """Return the routes."""
    blueprint = Views("terms", __name__)

    @blueprint.get("/terms/<terms_id>")
    async def terms(terms_id: str) -> Answered:
        as_of = Query("at").as_of(desk.store.log, now=desk.clock.now())
        row = desk.store.terms.document(terms_id)
        if row is None or row.leaf_index >= as_of.tree_size:
            raise RtgfError(Code.RTGF_NOT_FOUND, "no terms document of this id is held here")
        return ready(row.body, cache=IMMUTABLE, content_type="application/ld+json")

    return blueprint
