"""Who this node is: `/.well-known/*`, the key set, the policy matrix."""

from __future__ import annotations

from quart import Blueprint, Response

from rtgf_node import __version__
from rtgf_node.api.answers import IMMUTABLE, document, ready
from rtgf_node.api.desk import Desk
from rtgf_node.api.parameters import Query
from rtgf_node.core import checkpoint, times
from rtgf_node.core.canonical_json import parse
from rtgf_node.core.keys import KeySet
from rtgf_node.errors import Code, RtgfError
from rtgf_node.store.key_manifest_store import KeyDocuments

MAX_AGE = 300
"""Seconds a cache may hold the description of the node and its keys."""


def routes(desk: Desk) -> Blueprint:
    """Return the routes."""
    blueprint = Blueprint("wellknown", __name__)
    cached = f"public, max-age={MAX_AGE}"
    url = desk.config.node.public_url.rstrip("/")

    def keys() -> KeyDocuments:
        documents = desk.store.keys.documents()
        if documents is None:
            raise RtgfError(Code.RTGF_UNAVAILABLE, "the key set is not logged yet; try again")
        return documents

    @blueprint.get("/.well-known/rtgf")
    async def about() -> Response:
        Query()
        origin = desk.config.log_origin()
        snapshots = desk.store.intake.newest_snapshots()
        places = {(row.domain, row.jurisdiction) for row in snapshots}
        corridors = sorted(
            f"{a}-{b}" for domain, a in places for d, b in places if d == domain and a != b
        )
        log_keys = [key for key in KeySet.from_jwks(parse(keys().jwks)) if key.use == "log"]
        witness = (
            {}
            if desk.witness_key is None
            else {"witness": {"key": desk.witness_key, "submission_prefix": url}}
        )
        return document(
            {
                **witness,
                "issuer": desk.config.node.issuer,
                "dids": [desk.config.node.issuer],
                "jwks_uri": f"{url}/.well-known/jwks.json",
                "signed_jwks_uri": f"{url}/.well-known/jwks.jws",
                "registry": url,
                "verify": f"{url}/verify",
                "revocations": f"{url}/revocations",
                "domains": sorted({domain for domain, _ in places}),
                "jurisdictions": sorted({jurisdiction for _, jurisdiction in places}),
                "corridors": sorted(set(corridors)),
                "log": {
                    "origin": origin,
                    "keys": [checkpoint.verifier_key(origin, key.public) for key in log_keys],
                },
                "freshness": {
                    "head_every_seconds": int(desk.config.log.head_every_seconds),
                    "revocation_max_staleness_seconds": int(
                        desk.config.verify.max_staleness_seconds
                    ),
                },
                "versions": {"node": __version__, "schema": "rtgf-token/1"},
            },
            max_age=MAX_AGE,
        )

    @blueprint.get("/.well-known/jwks.json")
    @blueprint.get("/jwks.json")
    async def jwks() -> Response:
        Query()
        return ready(keys().jwks, cache=cached, content_type="application/jwk-set+json")

    @blueprint.get("/.well-known/jwks.jws")
    async def signed_jwks() -> Response:
        Query()
        return ready(keys().jwks_jws.encode(), cache=cached, content_type="application/jose")

    @blueprint.get("/key-manifest.json")
    async def manifest() -> Response:
        Query()
        return ready(keys().manifest, cache=cached)

    @blueprint.get("/policy-matrix/index.jsonld")
    async def matrix() -> Response:
        Query()
        entries = []
        for row in desk.store.intake.newest_snapshots():
            held = parse(row.body)
            assert isinstance(held, dict)
            entries.append(
                {
                    "jurisdiction": row.jurisdiction,
                    "domain": row.domain,
                    "source_uri": f"{url}/snapshots/{row.snapshot_id}",
                    "issuing_authority_did": held["issuer"],
                    "last_updated": row.at,
                }
            )
        return document({"snapshots": entries}, max_age=MAX_AGE)

    @blueprint.get("/snapshots/<snapshot_id>")
    async def snapshot(snapshot_id: str) -> Response:
        Query()
        row = desk.store.intake.snapshot(snapshot_id)
        if row is None:
            raise RtgfError(Code.RTGF_NOT_FOUND, "no snapshot of this id is held here")
        return ready(row.body, cache=IMMUTABLE, content_type="application/ld+json")

    @blueprint.get("/datasets/<name>/<version>")
    async def dataset(name: str, version: str) -> Response:
        Query()
        row = desk.store.intake.dataset(name, version)
        if row is None:
            raise RtgfError(Code.RTGF_NOT_FOUND, "no dataset of this name and version is held here")
        return document(
            {
                "name": row.name,
                "version": row.version,
                "provider": row.provider,
                "reader": row.reader,
                "raw_sha256": row.raw_sha256,
                "content_sha256": row.content_sha256,
                "record_count": row.record_count,
                "published": row.published,
                "retrieved_at": times.to_text(row.retrieved_at),
                "checked_at": times.to_text(row.checked_at),
                "authenticity": row.signature_state,
                "leafIndex": row.leaf_index,
            },
            max_age=MAX_AGE,
        )

    return blueprint
