"""Where one HTTP/1.1 request ends and the next begins (RFC 9112), read strictly.

Whatever two readers could take for two different things is refused: that is what request smuggling
is made of. llhttp, the parser of Node.js, refuses bare CR or LF, folded lines, white space before a
colon, and every ambiguous or repeated length; what it lets pass is refused here.
"""

from __future__ import annotations

from typing import Final, NamedTuple

import httptools

from rtgf_node.errors import Code, RtgfError

HEAD_END: Final = b"\r\n\r\n"

HTTP2_PREFACE: Final = b"PRI * HTTP/2.0\r\n\r\n"
"""The first line of a client that speaks HTTP/2 without having asked (RFC 9113 §3.4)."""

MAX_TARGET_BYTES: Final = 8 << 10
"""A longer request target has no use here (RFC 9112 §3 asks for 8,000 at least)."""

MAX_HEADERS: Final = 100
"""Header lines of one request."""


class Head(NamedTuple):
    """The head of a request.

    Attributes:
      method: as sent; methods are in upper case.
      target: the request target as sent.
      headers: by lower-case name; repeated ones joined by `, `.
      length: bytes of the body; None if it comes in chunks.
      keep_alive: whether the connection stays open after the answer.
      upgrade: whether it asks to change the protocol, which nobody has to (RFC 9110 §7.8).
      path: the target up to its query.
      query: what stands after the `?`.
      is_plain: whether its form is the usual one: a body of known length, and no wish about the
        protocol.
    """

    method: str
    target: str
    headers: dict[str, str]
    length: int | None
    keep_alive: bool
    upgrade: bool
    path: str
    query: str
    is_plain: bool


class _Parts:
    """What the parser calls as it goes."""

    __slots__ = ("headers", "hosts", "lines", "target")

    def __init__(self) -> None:
        self.target = b""
        self.headers: dict[str, str] = {}
        self.hosts = 0
        self.lines = 0

    def on_url(self, url: bytes) -> None:
        self.target += url

    def on_header(self, name: bytes, value: bytes) -> None:
        key = name.decode("latin-1").lower()
        text = value.decode("latin-1").strip(" \t")
        self.lines += 1
        if key == "host":
            self.hosts += 1
        self.headers[key] = f"{self.headers[key]}, {text}" if key in self.headers else text


def read_head(data: bytes) -> Head:
    """Read a head, with the empty line that ends it.

    Raises:
      RtgfError: RTGF_BAD_REQUEST if it is not one, or could be read in two ways.
    """
    parts = _Parts()
    parser = httptools.HttpRequestParser(parts)
    upgrade = False
    try:
        parser.feed_data(data)
    except httptools.HttpParserUpgrade:
        upgrade = True
    except httptools.HttpParserError as error:
        raise _bad(str(error)) from error
    method = parser.get_method().decode("ascii")
    version = parser.get_http_version()
    line_end = data.find(b"\r\n")
    # llhttp takes repeated spaces, empty lines in front, and a line without a version.
    if data[:line_end] != b"%b %b HTTP/%b" % (method.encode(), parts.target, version.encode()):
        raise _bad("its first line is not `method target HTTP/1.1`")
    if version not in {"1.0", "1.1"}:
        raise _bad("HTTP/1.1 is spoken here")
    if len(parts.target) > MAX_TARGET_BYTES or parts.lines > MAX_HEADERS:
        raise RtgfError(Code.RTGF_HEAD_TOO_LARGE, "a shorter target, or fewer headers")
    if b"#" in parts.target:
        raise _bad("a request target has no fragment")
    if method == "CONNECT":
        # After it nothing is HTTP any more (RFC 9110 §9.3.6), whatever its headers say of a body.
        raise _bad("this is no proxy, and opens no tunnel")
    headers = parts.headers
    if parts.hosts > 1 or (parts.hosts == 0 and version == "1.1"):
        raise _bad("exactly one Host is needed")
    chunked = "transfer-encoding" in headers
    if chunked and (version != "1.1" or headers["transfer-encoding"].lower() != "chunked"):
        raise _bad("chunked is the one transfer coding that is understood")
    upgrade = upgrade or "upgrade" in headers
    target = parts.target.decode("ascii")
    path, _, query = target.partition("?")
    return Head(
        method=method,
        target=target,
        headers=headers,
        length=None if chunked else int(headers.get("content-length", "0")),
        keep_alive=_keeps_alive(version, headers),
        upgrade=upgrade,
        path=path,
        query=query,
        is_plain=not (chunked or upgrade or "expect" in headers),
    )


class Chunks:
    """A body that comes in chunks (RFC 9112 §7.1), read strictly and written anew.

    What follows the body is not given back: where it begins is the parser's knowledge.

    Attributes:
      is_whole: whether the last chunk came.
    """

    def __init__(self, head: bytes) -> None:
        """Begin after `head`, which `read_head` has accepted and which asks for no upgrade."""
        self.is_whole = False
        self._pieces: list[bytes] = []
        self._parser = httptools.HttpRequestParser(self)
        self._parser.feed_data(head)

    def on_body(self, body: bytes) -> None:
        """Take a piece; called by the parser."""
        if not self.is_whole:
            self._pieces.append(b"%x\r\n%b\r\n" % (len(body), body))

    def on_message_complete(self) -> None:
        """Take the end; called by the parser."""
        if not self.is_whole:
            self._pieces.append(b"0\r\n\r\n")
        self.is_whole = True

    def feed(self, data: bytes) -> bytes:
        """Return what these bytes bring of the body, as chunks.

        Raises:
          RtgfError: RTGF_BAD_REQUEST if they are no chunks.
        """
        try:
            self._parser.feed_data(data)
        except (httptools.HttpParserError, httptools.HttpParserUpgrade) as error:
            # Once the body is whole, it is the next request that the parser stumbles over.
            if not self.is_whole:
                raise _bad(f"its chunks: {error}") from error
        pieces, self._pieces = self._pieces, []
        return b"".join(pieces)


def _keeps_alive(version: str, headers: dict[str, str]) -> bool:
    """RFC 9112 §9.3."""
    options = {option.strip() for option in headers.get("connection", "").lower().split(",")}
    return version == "1.1" and "close" not in options


def _bad(detail: str) -> RtgfError:
    return RtgfError(Code.RTGF_BAD_REQUEST, f"the request cannot be read: {detail}")
