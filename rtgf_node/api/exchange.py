"""What was asked and what is answered, whichever lane HTTP came in by.

A hot route is a plain function from `Asked` to `Answered`. The fast lane calls it (`front.py`), and
so does the framework, for HTTP/2 and whatever else the lane does not read (`blueprint`). What every
answer needs (validators, HEAD, compression) is done in one place, `finish`.
"""

from __future__ import annotations

import gzip
import hashlib
import re
from collections.abc import Awaitable, Callable, Iterable, Mapping
from functools import lru_cache
from http import HTTPStatus
from typing import Any, Final, NamedTuple, TypeAlias, cast

from quart import Blueprint, g, request
from werkzeug.exceptions import RequestEntityTooLarge

from rtgf_node.api import request_ids
from rtgf_node.errors import Code, RtgfError

REQUEST_ID: Final = re.compile(r"[A-Za-z0-9._-]{1,64}")
"""A correlation id that is safe to log and to send back; any other is replaced."""

COMPRESSED_FROM_BYTES: Final = 1024
"""A smaller answer is not worth the time."""

COMPRESSED_KEPT: Final = 256
"""Compressed answers that are kept, since the same few are asked for again and again."""

_STATUS_LINES: Final = {
    status.value: f"HTTP/1.1 {status.value} {status.phrase}\r\n".encode() for status in HTTPStatus
}
_NEVER: Final = re.compile(r"q=0(\.0{0,3})?")
_COMPRESSIBLE: Final = re.compile(r"(text/|application/(.*\+)?json\b)")


View: TypeAlias = Callable[..., Awaitable[Any]]
_Decorator: TypeAlias = Callable[[View], View]


class Asked(NamedTuple):
    """One request, whole.

    Attributes:
      method: in upper case.
      path: as routes are found by it: without the query, and with what was percent-encoded decoded
        (the fast lane leaves such paths to the framework).
      query: what stands after the `?`, as it was sent.
      headers: by lower-case name; of a repeated one, all values joined by `, ` (RFC 9110 §5.3).
      body: the whole of it.
      client: the SAN URI of the verified client certificate, or None.
      address: the address of the other end.
      request_id: under which it is logged.
      fault: why the body was not read.
      identity: the client, or else whom a bearer token names; None before the door, and for others.
    """

    method: str
    path: str
    query: str
    headers: Mapping[str, str]
    body: bytes
    client: str | None
    address: str
    request_id: str
    fault: RtgfError | None = None
    identity: str | None = None


class Answered(NamedTuple):
    """The answer to it.

    Attributes:
      status: the HTTP status.
      headers: without those of the framing, which belong to whoever sends it.
      body: the whole of it; to a HEAD, what a GET would be answered.
    """

    status: int
    headers: Mapping[str, str]
    body: bytes


class Written(NamedTuple):
    """An answer whose head is written already, but for the lines that its sender adds.

    Attributes:
      head: the status line and the headers, also that of the length.
      body: the whole of it.
    """

    head: bytes
    body: bytes


Handler: TypeAlias = Callable[[Asked], Answered | Written | Awaitable[Answered]]
"""Answers at once where it can. It raises nothing: a failure is an answer too."""


class Route(NamedTuple):
    """A hot route.

    Attributes:
      method: `GET`, which answers HEAD too, or `POST`.
      rule: as Quart writes it: `/rmt/<place>/<name>`.
      answer: is given what was asked, and the parts of the path. May raise `RtgfError`.
      is_kept: whether the answer depends on nothing but what was applied and the second.
      again: is asked first; answers what was answered before and would be answered so again, else
        None. What it does not answer at once, or has no record of, it leaves as `answer` does.
    """

    method: str
    rule: str
    answer: Callable[..., Answered | Awaitable[Answered]]
    is_kept: bool = False
    again: Callable[[Asked], Written | Answered | Awaitable[Answered] | None] | None = None


class Views(Blueprint):
    """Routes of the framework, whose views may return `Answered` too."""

    def get(self, rule: str, **options: Any) -> _Decorator:  # type: ignore[override]  # noqa: ANN401
        """Register a view for GET and HEAD."""
        return cast("_Decorator", super().get(rule, **options))

    def post(self, rule: str, **options: Any) -> _Decorator:  # type: ignore[override]  # noqa: ANN401
        """Register a view for POST."""
        return cast("_Decorator", super().post(rule, **options))

    def delete(self, rule: str, **options: Any) -> _Decorator:  # type: ignore[override]  # noqa: ANN401
        """Register a view for DELETE."""
        return cast("_Decorator", super().delete(rule, **options))


def request_id(headers: Mapping[str, str]) -> str:
    """Return the id that the client gives its request, or a new one."""
    given = headers.get("x-request-id")
    if given is not None and REQUEST_ID.fullmatch(given):
        return given
    return request_ids.new()


def blueprint(name: str, routes: Iterable[Route]) -> Blueprint:
    """Return hot routes as the framework takes them."""
    made = Blueprint(name, __name__)
    for number, route in enumerate(routes):
        view = cast("Any", _view(route))
        made.add_url_rule(route.rule, f"{name}{number}", view, methods=[route.method])
    return made


def _view(route: Route) -> Callable[..., Awaitable[Answered]]:
    async def view(**parts: str) -> Answered:
        fault, body = None, b""
        try:
            body = await request.get_data(cache=True, as_text=False, parse_form_data=False)
        except RequestEntityTooLarge:
            fault = RtgfError(Code.RTGF_BODY_TOO_LARGE, "send a smaller body")
        asked = current()._replace(body=body, fault=fault)
        answered = route.answer(asked, *parts.values())
        return answered if isinstance(answered, Answered) else await answered

    return view


def current() -> Asked:
    """Return the framework's current request, without its body."""
    state = request.scope.get("state", {})
    return Asked(
        method=request.method,
        path=request.path,
        query=request.query_string.decode("latin-1"),
        headers=headers(),
        body=b"",
        client=state.get("client"),
        address=str(state.get("address", "")),
        request_id=g.request_id,
        identity=g.get("identity"),
    )


def headers() -> dict[str, str]:
    """Return the headers of the framework's current request, as `Asked` has them."""
    said: dict[str, str] = {}
    for name, value in request.headers.items():
        key = name.lower()
        said[key] = f"{said[key]}, {value}" if key in said else value
    return said


def written_head(status: int, headers: Mapping[str, str]) -> bytes:
    """Return the status line and the headers as they go out, without the end of the head."""
    lines = [f"{name}: {value}\r\n" for name, value in headers.items()]
    return _STATUS_LINES[status] + "".join(lines).encode("latin-1")


def finish(answered: Answered, *, method: str, headers: Mapping[str, str]) -> Answered:
    """Return the answer as this client gets it: perhaps 304 (RFC 9110 §13), perhaps compressed.

    Args:
      answered: as for everybody.
      method: of the request.
      headers: of the request, by lower-case name.
    """
    if answered.status != 200 or method not in {"GET", "HEAD"}:
        return answered
    status, said, body = with_validator(answered)
    whole = said["ETag"]
    told = dict(said)
    if len(body) >= COMPRESSED_FROM_BYTES and _COMPRESSIBLE.match(said.get("Content-Type", "")):
        told["Vary"] = "Accept-Encoding"
        if _takes_gzip(headers.get("accept-encoding", "")):
            # Other bytes need another strong validator (RFC 9110 §8.8.3.3).
            told["ETag"] = f'{whole[:-1]}-gzip"'
            told["Content-Encoding"] = "gzip"
            body = _compressed(body)
    if "if-none-match" in headers and _holds(headers["if-none-match"], told["ETag"]):
        for name in ("Content-Type", "Content-Encoding"):
            told.pop(name, None)
        return Answered(304, told, b"")
    return Answered(status, told, body)


def with_validator(answered: Answered) -> Answered:
    """Return the answer with an ETag; without one of its own, the digest of its body."""
    if "ETag" in answered.headers:
        return answered
    tag = f'"{hashlib.sha256(answered.body).hexdigest()}"'
    return answered._replace(headers={**answered.headers, "ETag": tag})


def _holds(asked: str, tag: str) -> bool:
    held = {entry.strip().removeprefix("W/") for entry in asked.split(",")}
    return tag in held or "*" in held


def _takes_gzip(accepted: str) -> bool:
    """RFC 9110 §12.5.3, for the one coding that is offered."""
    for entry in accepted.lower().split(","):
        coding, _, weight = entry.partition(";")
        if coding.strip() == "gzip":
            return not _NEVER.fullmatch(weight.strip())
    return False


@lru_cache(maxsize=COMPRESSED_KEPT)
def _compressed(body: bytes) -> bytes:
    return gzip.compress(body, compresslevel=6, mtime=0)
