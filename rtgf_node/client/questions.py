"""What can be asked of a node without a client certificate, as questions."""

from __future__ import annotations

from typing import Final, TypeVar
from urllib.parse import quote
from uuid import uuid4

import msgspec

from rtgf_node import wire
from rtgf_node.client.answers import decode
from rtgf_node.client.exchange import Query, Question
from rtgf_node.core.tiles import WIDTH, TilePath

T = TypeVar("T")

PAGE_ENTRIES: Final = 200
"""Pages of the catalogue and of the log; small enough for `exchange.MAX_ANSWER_BYTES`."""


def about() -> Question[wire.Document]:
    """`GET /.well-known/rtgf`: issuer, log origin and key, freshness policy."""
    return json("/.well-known/rtgf", wire.Document)


def jwks() -> Question[bytes]:
    """`GET /.well-known/jwks.json`: the online keys."""
    return raw("/.well-known/jwks.json")


def signed_jwks() -> Question[str]:
    """`GET /.well-known/jwks.jws`: the same set as a compact JWS of the offline root."""
    return Question("GET", "/.well-known/jwks.jws", _text)


def key_manifest() -> Question[bytes]:
    """`GET /key-manifest.json`: the root-signed list of online keys."""
    return raw("/key-manifest.json")


def healthy() -> Question[wire.Document]:
    """`GET /healthz`."""
    return json("/healthz", wire.Document)


def ready() -> Question[wire.ReadyAnswer]:
    """`GET /readyz`: also when the node answers 503 because it is not ready."""
    return json("/readyz", wire.ReadyAnswer)._replace(accept=frozenset({503}))


def catalog(
    *,
    type: str | None = None,  # noqa: A002 - the contract's parameter name
    jurisdiction: str | None = None,
    domain: str | None = None,
    corridor: str | None = None,
    cursor: str | None = None,
    limit: int | None = None,
) -> Question[wire.Catalog]:
    """`GET /catalog`: one page."""
    query: Query = {
        "type": type,
        "jurisdiction": jurisdiction,
        "domain": domain,
        "corridor": corridor,
        "cursor": cursor,
        "limit": limit,
    }
    return json("/catalog", wire.Catalog, query)


def token(uri: str) -> Question[bytes]:
    """`GET /tokens?uri=`: the exact bytes that were signed."""
    return raw("/tokens", {"uri": uri})


def token_at(type_: str, slug: str) -> Question[bytes]:
    """`GET /tokens/{type}/{slug}`."""
    return raw(f"/tokens/{part(type_)}/{part(slug)}")


def rmt(jurisdiction: str, domain: str, *, version: str | None = None) -> Question[bytes]:
    """`GET /rmt/{jurisdiction}/{domain}`: the newest valid one, or `version`."""
    return raw(f"/rmt/{part(jurisdiction)}/{part(domain)}", {"version": version})


def imt(corridor: str, domain: str, *, version: str | None = None) -> Question[bytes]:
    """`GET /imt/{corridor}/{domain}`: the newest valid one, or `version`."""
    return raw(f"/imt/{part(corridor)}/{part(domain)}", {"version": version})


def snapshot(snapshot_id: str) -> Question[bytes]:
    """`GET /snapshots/{id}`: the snapshot as its authority signed it."""
    return raw(f"/snapshots/{part(snapshot_id)}")


def terms(terms_id: str) -> Question[bytes]:
    """`GET /terms/{id}`: the terms document as its authority signed it."""
    return raw(f"/terms/{part(terms_id)}")


def dataset(name: str, version: str) -> Question[wire.Document]:
    """`GET /datasets/{name}/{version}`: provenance, digests and counts; no names."""
    return json(f"/datasets/{part(name)}/{part(version)}", wire.Document)


def revocations(*, since: int | None = None, type_: str | None = None) -> Question[bytes]:
    """`GET /revocations`: the signed list, or the part after `since`."""
    return raw("/revocations", {"since": since, "type": type_})


def status_list(number: int) -> Question[str]:
    """`GET /revocations/status-list/{number}`: a Token Status List as a signed JWT."""
    return Question("GET", f"/revocations/status-list/{number}", _text)


def evidence(token: str) -> Question[bytes]:
    """`GET /evidence/{token}`: all that is needed to judge a token offline."""
    return raw(f"/evidence/{part(token)}")


def head() -> Question[bytes]:
    """`GET /roots/latest`: the newest signed tree head."""
    return raw("/roots/latest")


def proof(event_id: str, *, from_size: int | None = None) -> Question[wire.ProofBundle]:
    """`GET /proofs/{event_id}`: an inclusion proof, and a consistency proof from a size."""
    return json(f"/proofs/{part(event_id)}", wire.ProofBundle, {"from": from_size})


def consistency(old_size: int, new_size: int) -> Question[wire.ConsistencyProof]:
    """`GET /proofs/consistency?from=&to=`."""
    query: Query = {"from": old_size, "to": new_size}
    return json("/proofs/consistency", wire.ConsistencyProof, query)


def log_page(since: int, *, limit: int = PAGE_ENTRIES) -> Question[wire.LogPage]:
    """`GET /transparency?since=&limit=`: leaves from `since` on."""
    return json("/transparency", wire.LogPage, {"since": since, "limit": limit})


def checkpoint() -> Question[bytes]:
    """`GET /checkpoint`: the newest head as a signed note (C2SP tlog-checkpoint)."""
    return raw("/checkpoint")


def tile(level: int, index: int, *, width: int = WIDTH) -> Question[bytes]:
    """`GET /tile/{level}/{index}`: hashes of the tree (C2SP tlog-tiles)."""
    return raw(f"/{TilePath(level, index, width)}")


def entry_bundle(index: int, *, width: int = WIDTH) -> Question[bytes]:
    """`GET /tile/entries/{index}`: the leaves below a tile of level 0."""
    return raw(f"/{TilePath(None, index, width)}")


def verify(request: wire.VerifyRequest, *, key: str | None = None) -> Question[wire.VerifyAnswer]:
    """`POST /verify`. It changes nothing, so it is tried again like a read.

    Under a `key` of the caller's, all tries are recorded and counted as one; each such answer waits
    for the node's disk.
    """
    return _post("/verify", request, wire.VerifyAnswer, key=key)


def evaluate(
    request: wire.EvaluateRequest, *, explain: bool = False
) -> Question[wire.EvaluateAnswer]:
    """`POST /evaluate`, with the explanation in words when asked."""
    query: Query = {"explain": "text" if explain else None}
    return _post("/evaluate", request, wire.EvaluateAnswer, query)


def write(path: str, content: bytes, shape: type[T]) -> Question[T]:
    """Return the question of a write, which the node does once however often it comes."""
    return Question(
        "POST",
        path,
        lambda data: decode(data, shape),
        content=content,
        is_read=False,
        key=str(uuid4()),
    )


def part(text: str) -> str:
    """Return `text` as one path segment; ids hold colons, which are allowed there (RFC 3986)."""
    return quote(text, safe=":")


def json(path: str, shape: type[T], query: Query | None = None) -> Question[T]:
    """Return the question of a read whose answer is JSON of this shape."""
    return Question("GET", path, lambda data: decode(data, shape), query or {})


def raw(path: str, query: Query | None = None) -> Question[bytes]:
    """Return the question of a read whose answer is wanted as it comes."""
    return Question("GET", path, bytes, query or {})


def _text(data: bytes) -> str:
    return data.decode("ascii", errors="replace").strip()


def _post(
    path: str,
    body: wire.Body,
    shape: type[T],
    query: Query | None = None,
    *,
    key: str | None = None,
) -> Question[T]:
    content = msgspec.json.encode(body)
    return Question("POST", path, lambda data: decode(data, shape), query or {}, content, key=key)
