"""The registry: the catalogue, and every token as the exact bytes that were signed."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

from rtgf_node.api.answers import TOKEN_TYPE, document, kept, ready
from rtgf_node.api.desk import Desk
from rtgf_node.api.exchange import Answered, Asked, Route
from rtgf_node.api.parameters import Query
from rtgf_node.core import identifiers, times
from rtgf_node.core.as_of import AsOf
from rtgf_node.core.tokens import parse
from rtgf_node.errors import Code, RtgfError
from rtgf_node.store.registry_store import CatalogueRow, Issued
from rtgf_node.wire import Catalog, CatalogEntry

CATALOG_MAX_AGE = 10
"""Seconds a cache may hold a page of the catalogue: it tells what is revoked."""

TOKEN_MAX_AGE = 300
"""Seconds a cache may hold a token, if its own ttl is not shorter."""

PAGE_MAX = 1000

OF_JURISDICTIONS = frozenset({"RMT", "RRMT"})
"""Types of token that belong to one jurisdiction; the others to a corridor."""


def routes(desk: Desk) -> list[Route]:
    """Return the routes."""
    store = desk.store.registry

    def state(query: Query) -> AsOf:
        return query.as_of(desk.store.log, now=desk.clock.now())

    def token(issued: Issued | None, as_of: AsOf) -> Answered:
        """Answer with the token's bytes; its ETag is its identity, not its signatures'."""
        if issued is None:
            raise RtgfError(Code.RTGF_VERIFY_TOKEN_NOT_FOUND, "no such token here")
        held = parse(issued.token.body)
        return ready(
            issued.token.body,
            cache=kept(min(held.ttl_sec, TOKEN_MAX_AGE), settled=as_of.settled),
            content_type=TOKEN_TYPE,
            etag=held.canonical_hash,
        )

    def newest_valid(
        type_: str, read_place: Callable[[str], str], asked: Asked, said: str, name: str
    ) -> Answered:
        """Answer with the newest that is neither withdrawn nor outside its window; or a version."""
        query = Query("version", "at", of=asked.query)
        place = read_place(said)
        version, as_of = query.text("version"), state(query)
        for issued in store.versions(type_, place, name, before_leaf=as_of.tree_size):
            row = issued.token
            if version is not None:
                if version in {row.version, f"{row.version}.{row.issue}"}:
                    return token(issued, as_of)
            elif row.nbf <= as_of.at <= row.exp and not withdrawn(row.token_id, as_of):
                return token(issued, as_of)
        raise RtgfError(
            Code.RTGF_VERIFY_TOKEN_NOT_FOUND,
            f"no {type_} of {place}, {name} is in force here; look at /catalog"
            if version is None
            else f"no {type_} of {place}, {name} has the version {version}; look at /catalog",
        )

    def withdrawn(token_id: str, as_of: AsOf) -> bool:
        return desk.verifier.withdrawn(token_id, tree_size=as_of.tree_size)

    def catalog(asked: Asked) -> Answered:
        known = ("type", "jurisdiction", "domain", "corridor", "cursor", "limit", "at")
        query = Query(*known, of=asked.query)
        as_of = state(query)
        limit = query.whole("limit", default=100, least=1, most=PAGE_MAX)
        after = query.whole("cursor", default=0) - 1
        kind = query.text("type")
        if kind is not None and kind.upper() not in identifiers.TOKEN_TYPES:
            raise RtgfError(Code.RTGF_BAD_REQUEST, "not a token type", pointer="?type")
        jurisdiction, corridor = query.text("jurisdiction"), query.text("corridor")
        domain = query.text("domain")
        rows = store.catalogue(
            after,
            limit + 1,
            token_type=kind.upper() if kind is not None else None,
            name=identifiers.domain(domain) if domain is not None else None,
            place=identifiers.corridor(corridor) if corridor is not None else None,
            end=identifiers.jurisdiction(jurisdiction) if jurisdiction is not None else None,
            before_leaf=as_of.tree_size,
        )
        cursor = str(rows[limit].leaf_index) if len(rows) > limit else None
        page = Catalog(tokens=[entry(row, as_of) for row in rows[:limit]], cursor=cursor)
        return document(page, max_age=CATALOG_MAX_AGE, settled=as_of.settled)

    def entry(row: CatalogueRow, as_of: AsOf) -> CatalogEntry:
        return CatalogEntry(
            uri=identifiers.token_uri(row.token_id),
            type=row.type,
            slug=identifiers.slug(row.token_id),
            hash=row.canonical_hash,
            version=f"{row.version}.{row.issue}",
            issued_at=times.to_text(row.issued_at),
            nbf=times.to_text(row.nbf),
            exp=times.to_text(row.exp),
            revoked=withdrawn(row.token_id, as_of),
            leafIndex=row.leaf_index,
        )

    def by_uri(asked: Asked) -> Answered:
        query = Query("uri", "at", of=asked.query)
        as_of = state(query)
        return token(store.find(query.required("uri"), before_leaf=as_of.tree_size), as_of)

    def by_slug(asked: Asked, type_: str, slug: str) -> Answered:
        as_of = state(Query("at", of=asked.query))
        issued = store.by_slug(_type(type_), slug.lower(), before_leaf=as_of.tree_size)
        return token(issued, as_of)

    return [
        Route("GET", "/catalog", catalog, is_kept=True),
        Route("GET", "/.well-known/rtgf/catalog.json", catalog, is_kept=True),
        Route("GET", "/tokens", by_uri, is_kept=True),
        Route("GET", "/tokens/<type_>/<slug>", by_slug, is_kept=True),
        *(
            Route(
                "GET",
                f"/{type_.lower()}/<place>/<name>",
                partial(
                    newest_valid,
                    type_,
                    identifiers.jurisdiction if type_ in OF_JURISDICTIONS else identifiers.corridor,
                ),
                is_kept=True,
            )
            for type_ in identifiers.TOKEN_TYPES
        ),
    ]


def _type(text: str) -> str:
    if text.upper() not in identifiers.TOKEN_TYPES:
        raise RtgfError(Code.RTGF_VERIFY_TOKEN_NOT_FOUND, "no such type of token")
    return text.upper()
