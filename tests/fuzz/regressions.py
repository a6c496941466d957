"""Inputs that fuzzing has found, by the target they broke. None may do so again."""

from __future__ import annotations

from rtgf_node.core.canonical_json import canonical_bytes
from tests import worlds

_CHUNKED = b"POST /verify HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n"

_OF_NOWHERE = canonical_bytes(worlds.document() | {"jurisdiction": "E_U"})

REGRESSIONS: tuple[tuple[str, bytes], ...] = (
    # Accepted as a double, and written as an integer that nobody accepts.
    ("json", b'{"a":[1e20]}'),
    ("json", b"-9007199254740992.0"),
    # A place that no predicate can be named after, in a draft that is checked all the same.
    ("draft", _OF_NOWHERE),
    # A tunnel that is asked for with a body in chunks.
    ("request-head", _CHUNKED.replace(b"POST /verify", b"CONNECT a:443")),
    # A request to change the protocol that came together with the end of a body in chunks.
    (
        "request-head",
        _CHUNKED + b"GET / HTTP/1.1\r\nHost: a\r\nConnection: upgrade\r\nUpgrade: b\r\n\r\n",
    ),
)
