"""A bucket that speaks enough S3 for an export: put, head, get, list and delete, over HTTP."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import parse_qs, unquote, urlsplit
from xml.sax.saxutils import escape


class FakeS3:
    """What is in the bucket, and where it listens.

    Attributes:
      objects: bodies by bucket and key, `bucket/key`.
      headers: the request headers with which each was put.
      url: the endpoint.
    """

    def __init__(self) -> None:
        self.objects: dict[str, bytes] = {}
        self.headers: dict[str, dict[str, str]] = {}
        self.url = ""

    @contextmanager
    def running(self) -> Iterator[FakeS3]:
        """Listen until the context is left."""
        server = ThreadingHTTPServer(("127.0.0.1", 0), _handler(self))
        server.daemon_threads = True
        self.url = f"http://127.0.0.1:{server.server_port}"
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
        thread.start()
        try:
            yield self
        finally:
            server.shutdown()
            thread.join()
            server.server_close()


def _handler(bucket: FakeS3) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def log_message(self, *_: object) -> None:
            pass

        def do_PUT(self) -> None:
            key = self._key()
            bucket.objects[key] = self._body()
            bucket.headers[key] = {name.lower(): value for name, value in self.headers.items()}
            self._answer(200, b"")

        def do_GET(self) -> None:
            asked = parse_qs(urlsplit(self.path).query)
            if asked.get("list-type") == ["2"]:
                self._answer(200, self._listing(asked.get("prefix", [""])[0]))
                return
            data = bucket.objects.get(self._key())
            self._answer(404 if data is None else 200, data or b"")

        def do_HEAD(self) -> None:
            self.do_GET()

        def do_POST(self) -> None:
            # The request to delete several objects at once.
            place, done = self._key().strip("/"), ""
            for part in self._body().decode().split("<Key>")[1:]:
                key = part.partition("</Key>")[0]
                bucket.objects.pop(f"{place}/{key}", None)
                done += f"<Deleted><Key>{key}</Key></Deleted>"
            self._answer(200, f"<DeleteResult>{done}</DeleteResult>".encode())

        def _key(self) -> str:
            return unquote(urlsplit(self.path).path).lstrip("/")

        def _body(self) -> bytes:
            return self.rfile.read(int(self.headers.get("Content-Length", 0)))

        def _listing(self, prefix: str) -> bytes:
            place = self._key().strip("/")
            found = "".join(
                f"<Contents><Key>{escape(key[len(place) + 1 :])}</Key><Size>{len(data)}</Size>"
                '<LastModified>2026-11-23T00:00:00.000Z</LastModified><ETag>"x"</ETag></Contents>'
                for key, data in sorted(bucket.objects.items())
                if key.startswith(f"{place}/{prefix}")
            )
            whole = f"<IsTruncated>false</IsTruncated>{found}"
            return f"<ListBucketResult>{whole}</ListBucketResult>".encode()

        def _answer(self, status: int, body: bytes) -> None:
            self.send_response(status)
            self.send_header("Last-Modified", "Mon, 23 Nov 2026 00:00:00 GMT")
            self.send_header("ETag", '"x"')
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            if self.command != "HEAD":
                self.wfile.write(body)

    return Handler
