"""How an answer becomes an HTTP response: canonical bytes, validators, cache rules."""

from __future__ import annotations

import hashlib
from typing import Any

import msgspec
from quart import Response, request

from rtgf_node.core.canonical_json import canonical_bytes
from rtgf_node.wire import Answer

JSON = "application/json"
TOKEN_TYPE = "application/imt-rmt+json"  # noqa: S105 - a media type
IMMUTABLE = "public, max-age=31536000, immutable"


def document(
    value: Answer | dict[str, Any] | list[Any], *, max_age: int | None = None, status: int = 200
) -> Response:
    """Answer with a JSON document in canonical form.

    A cache may keep it for `max_age` seconds; None forbids keeping it at all.
    """
    body = canonical_bytes(msgspec.to_builtins(value))
    return ready(body, cache=_cache(max_age), status=status)


def ready(
    body: bytes,
    *,
    cache: str,
    content_type: str = JSON,
    etag: str | None = None,
    status: int = 200,
) -> Response:
    """Answer with bytes that are ready, or 304 when the caller holds them (RFC 9110 §13)."""
    tag = f'"{etag or hashlib.sha256(body).hexdigest()}"'
    response = Response(body, status=status, content_type=content_type)
    if request.method in {"GET", "HEAD"} and status == 200:
        if _holds(tag):
            response = Response(b"", status=304)
            response.headers.remove("Content-Type")
        response.headers["ETag"] = tag
        response.headers["Access-Control-Allow-Origin"] = "*"
    response.headers["Cache-Control"] = cache
    return response


def _holds(tag: str) -> bool:
    asked = request.headers.get("If-None-Match", "")
    held = {entry.strip().removeprefix("W/") for entry in asked.split(",")}
    return tag in held or "*" in held


def _cache(max_age: int | None) -> str:
    return "no-store" if max_age is None else f"public, max-age={max_age}"
