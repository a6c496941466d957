"""A client that costs little: prepared requests over TLS connections that are kept open.

What is measured is the server, so the client parses no more of an answer than it must to find its
end, and keeps several connections busy, so that the server never waits for it.
"""

from __future__ import annotations

import socket
import ssl
from collections.abc import Sequence
from pathlib import Path
from types import TracebackType
from typing import Self

READ_BYTES = 65_536


class KeepAliveClient:
    """Connections to one server, each with one request in flight at most."""

    def __init__(
        self,
        host: str,
        port: int,
        *,
        ca_file: Path,
        certificate_file: Path,
        key_file: Path,
        connections: int,
    ) -> None:
        self._address = (host, port)
        self._tls = ssl.create_default_context(cafile=str(ca_file))
        self._tls.load_cert_chain(certificate_file, key_file)
        self._connections = [self._connect() for _ in range(connections)]

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        for connection in self._connections:
            connection.close()

    def ask(self, request: bytes, count: int) -> None:
        """Send the request this many times, the connections in turn.

        Raises:
          RuntimeError: an answer was not 200.
        """
        while count > 0:
            used = range(min(count, len(self._connections)))
            for place in used:
                self._connections[place].sendall(request)
            for place in used:
                if not read_answer(self._connections[place]):
                    self._connections[place].close()
                    self._connections[place] = self._connect()
            count -= len(used)

    def _connect(self) -> ssl.SSLSocket:
        plain = socket.create_connection(self._address, timeout=30)
        plain.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        return self._tls.wrap_socket(plain, server_hostname=self._address[0])


def request(method: str, path: str, host: str, body: bytes = b"") -> bytes:
    """Return a whole HTTP/1.1 request."""
    lines: Sequence[str] = (
        f"{method} {path} HTTP/1.1",
        f"Host: {host}",
        "Content-Type: application/json",
        f"Content-Length: {len(body)}",
    )
    return ("\r\n".join(lines) + "\r\n\r\n").encode("ascii") + body


def read_answer(connection: ssl.SSLSocket) -> bool:
    """Read one answer whole, and return whether the connection stays open."""
    data = b""
    while (end := data.find(b"\r\n\r\n")) < 0:
        data += _received(connection)
    head = data[:end].lower()
    if not head.startswith(b"http/1.1 200"):
        raise RuntimeError(f"not the expected answer: {head[:200]!r}")
    _, mark, rest = head.partition(b"\r\ncontent-length:")
    if not mark:
        raise RuntimeError("an answer without a length")
    missing = end + 4 + int(rest.partition(b"\r\n")[0]) - len(data)
    while missing > 0:
        missing -= len(_received(connection))
    return b"\r\nconnection: close" not in head


def _received(connection: ssl.SSLSocket) -> bytes:
    data = connection.recv(READ_BYTES)
    if not data:
        raise RuntimeError("the server closed the connection")
    return data
