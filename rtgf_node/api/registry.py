"""The registry: the catalogue, and every token as the exact bytes that were signed."""

from __future__ import annotations

from quart import Blueprint, Response

from rtgf_node.api.answers import TOKEN_TYPE, document, ready
from rtgf_node.api.desk import Desk
from rtgf_node.api.parameters import Query
from rtgf_node.core import identifiers, times
from rtgf_node.core.tokens import parse
from rtgf_node.errors import Code, RtgfError
from rtgf_node.store.registry_store import CatalogueRow, Issued
from rtgf_node.wire import Catalog, CatalogEntry

CATALOG_MAX_AGE = 10
"""Seconds a cache may hold a page of the catalogue: it tells what is revoked."""

TOKEN_MAX_AGE = 300
"""Seconds a cache may hold a token, if its own ttl is not shorter."""

PAGE_MAX = 1000


def routes(desk: Desk) -> Blueprint:
    """Return the routes."""
    blueprint = Blueprint("registry", __name__)
    store = desk.store.registry

    def token(issued: Issued | None) -> Response:
        """Answer with the token's bytes; its ETag is its identity, not its signatures'."""
        if issued is None:
            raise RtgfError(Code.RTGF_VERIFY_TOKEN_NOT_FOUND, "no such token here")
        held = parse(issued.token.body)
        return ready(
            issued.token.body,
            cache=f"public, max-age={min(held.ttl_sec, TOKEN_MAX_AGE)}",
            content_type=TOKEN_TYPE,
            etag=held.canonical_hash,
        )

    def newest_valid(type_: str, place: str, name: str, version: str | None) -> Issued | None:
        """Return the newest that is neither withdrawn nor outside its window; or a version."""
        now = desk.clock.now()
        for issued in store.versions(type_, place, name):
            row = issued.token
            if version is not None:
                if version in {row.version, f"{row.version}.{row.issue}"}:
                    return issued
            elif row.nbf <= now <= row.exp and not desk.verifier.withdrawn(row.token_id):
                return issued
        return None

    @blueprint.get("/catalog")
    @blueprint.get("/.well-known/rtgf/catalog.json")
    async def catalog() -> Response:
        query = Query("type", "jurisdiction", "domain", "corridor", "cursor", "limit")
        limit = query.whole("limit", default=100, least=1, most=PAGE_MAX)
        after = query.whole("cursor", default=0) - 1
        kind = query.text("type")
        if kind is not None and kind.upper() not in identifiers.TOKEN_TYPES:
            raise RtgfError(Code.RTGF_BAD_REQUEST, "not a token type", pointer="?type")
        jurisdiction, corridor = query.text("jurisdiction"), query.text("corridor")
        rows = store.catalogue(
            after,
            limit + 1,
            token_type=kind.upper() if kind is not None else None,
            name=query.text("domain"),
            place=identifiers.corridor(corridor) if corridor is not None else None,
            end=identifiers.jurisdiction(jurisdiction) if jurisdiction is not None else None,
        )
        cursor = str(rows[limit].leaf_index) if len(rows) > limit else None
        found = [entry(row) for row in rows[:limit]]
        return document(Catalog(tokens=found, cursor=cursor), max_age=CATALOG_MAX_AGE)

    def entry(row: CatalogueRow) -> CatalogEntry:
        return CatalogEntry(
            uri=identifiers.token_uri(row.token_id),
            type=row.type,
            slug=identifiers.slug(row.token_id),
            hash=row.canonical_hash,
            version=f"{row.version}.{row.issue}",
            issued_at=times.to_text(row.issued_at),
            nbf=times.to_text(row.nbf),
            exp=times.to_text(row.exp),
            revoked=desk.verifier.withdrawn(row.token_id),
            leafIndex=row.leaf_index,
        )

    @blueprint.get("/tokens")
    async def by_uri() -> Response:
        return token(store.find(Query("uri").required("uri")))

    @blueprint.get("/tokens/<type_>/<slug>")
    async def by_slug(type_: str, slug: str) -> Response:
        Query()
        return token(store.by_slug(_type(type_), slug.lower()))

    @blueprint.get("/rmt/<place>/<name>", defaults={"type_": "RMT"})
    @blueprint.get("/rrmt/<place>/<name>", defaults={"type_": "RRMT"})
    async def of_jurisdiction(place: str, name: str, type_: str) -> Response:
        version = Query("version").text("version")
        return token(newest_valid(type_, identifiers.jurisdiction(place), name, version))

    @blueprint.get("/imt/<place>/<name>", defaults={"type_": "IMT"})
    @blueprint.get("/cort/<place>/<name>", defaults={"type_": "CORT"})
    @blueprint.get("/psrt/<place>/<name>", defaults={"type_": "PSRT"})
    async def of_corridor(place: str, name: str, type_: str) -> Response:
        version = Query("version").text("version")
        return token(newest_valid(type_, identifiers.corridor(place), name, version))

    return blueprint


def _type(text: str) -> str:
    if text.upper() not in identifiers.TOKEN_TYPES:
        raise RtgfError(Code.RTGF_VERIFY_TOKEN_NOT_FOUND, "no such type of token")
    return text.upper()
