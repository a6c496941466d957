"""A server of somebody whom a node tells something: TLS under the node's own authority."""

from __future__ import annotations

import ssl
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, Protocol

from tests.nodes import TestNode


class Take(Protocol):
    """Takes what came, and returns the status to answer."""

    def __call__(self, method: str, path: str, headers: Any, body: bytes) -> int: ...


@contextmanager
def receiving(node: TestNode, port: int, take: Take) -> Iterator[None]:
    """Hand what is sent to `https://localhost:port` to `take`."""

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["content-length"]))
            self.send_response(take(self.command, self.path, self.headers, body))
            self.send_header("content-length", "0")
            self.end_headers()

        do_PUT = do_POST  # noqa: N815 - the library's spelling

        def log_message(self, *_: Any) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", port), Handler)
    pki = node.folder / "pki"
    tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    tls.load_cert_chain(pki / "node.pem", pki / "node.key")
    server.socket = tls.wrap_socket(server.socket, server_side=True)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    try:
        yield
    finally:
        server.shutdown()
        thread.join()
        server.server_close()
