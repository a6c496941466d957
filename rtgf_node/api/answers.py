"""How an answer is made: canonical bytes, media type, cache rules."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import msgspec

from rtgf_node.api.exchange import Answered
from rtgf_node.core.canonical_json import canonical_bytes
from rtgf_node.wire import Answer

JSON = "application/json"
TOKEN_TYPE = "application/imt-rmt+json"  # noqa: S105 - a media type
IMMUTABLE = "public, max-age=31536000, immutable"
SECURITY = {
    "Strict-Transport-Security": "max-age=31536000",
    "X-Content-Type-Options": "nosniff",
}
"""Headers of every answer."""

_READ = {
    **SECURITY,
    "Access-Control-Allow-Origin": "*",
    "Access-Control-Expose-Headers": (
        "ETag, RateLimit, RateLimit-Policy, Retry-After, X-Request-ID"
    ),
}

PREFLIGHT = {
    **SECURITY,
    "Access-Control-Allow-Origin": "*",
    "Access-Control-Allow-Methods": "GET, HEAD",
    "Access-Control-Allow-Headers": "Authorization, If-None-Match, Last-Event-ID, X-Request-ID",
    "Access-Control-Max-Age": "86400",
}
"""What a page of another origin may ask (Fetch §3.2.2): whatever is public, by reading."""


def always(method: str, path: str) -> Mapping[str, str]:
    """Return the headers that every answer to such a request has, problems too.

    Pages of any origin may read what is public; none gets to see an answer of a privileged route.
    """
    is_read = method in {"GET", "HEAD"} and not path.startswith("/admin")
    return _READ if is_read else SECURITY


def document(
    value: Answer | dict[str, Any] | list[Any],
    *,
    max_age: int | None = None,
    settled: bool = False,
    status: int = 200,
) -> Answered:
    """Answer with a JSON document in canonical form.

    A cache may keep it for `max_age` seconds; None forbids keeping it at all. One that is `settled`
    never changes.
    """
    body = canonical_bytes(msgspec.to_builtins(value))
    cache = "no-store" if max_age is None else kept(max_age, settled=settled)
    return ready(body, cache=cache, status=status)


def kept(max_age: int, *, settled: bool = False) -> str:
    """Return the cache rule of an answer that may be kept for `max_age` seconds, or for ever."""
    return IMMUTABLE if settled else f"public, max-age={max_age}"


def ready(
    body: bytes,
    *,
    cache: str,
    content_type: str = JSON,
    etag: str | None = None,
    status: int = 200,
    headers: Mapping[str, str] | None = None,
) -> Answered:
    """Answer with bytes that are ready. Their ETag is their digest, if none is given."""
    told = {"Content-Type": content_type, "Cache-Control": cache, **(headers or {})}
    if etag is not None:
        told["ETag"] = f'"{etag}"'
    return Answered(status, told, body)
