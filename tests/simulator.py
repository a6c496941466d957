"""A small world of regulators and list providers that answer, and fail, as a test tells them to.

    async with Simulator() as world:
        world.serve("/un.xml", body=b"<list/>", etag='"1"')
        world.fail("/un.xml", times=2, status=503)
        egress = Egress(world.config(), jitter=lambda: 0.0)
        fetched = await egress.get(world.url("/un.xml"))
        assert [asked.path for asked in world.asked] == ["/un.xml"] * 3

The world listens with TLS on 127.0.0.1 (and without, at `plain_url`), so that another process can
fetch from it: give that process `ca_file`. The same answers come over `network`, which stays in
memory and reaches every address: hand it to an `Egress` where a test steers the clock, because
nothing but the clock is waited for then. Host names of the world resolve to `names`; no other name
resolves, so no test leaves the machine.
"""

from __future__ import annotations

import socket
import ssl
import struct
import tempfile
import time
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from enum import Enum
from functools import partial
from http import HTTPStatus
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import h11
import trio

from rtgf_node.keys import pki
from rtgf_node.settings import FetchConfig
from tests.simulated_network import MemoryNetwork, Resolver

HOSTS = ("lists.example", "mirror.example")
READ_BYTES = 65_536
DAY_SECONDS = 86_400


class Fault(Enum):
    """How a provider fails."""

    NONE = "answers"
    SILENT = "reads the request and never answers"
    SLOW_HEAD = "sends its head byte by byte, a pause between them"
    SLOW_BODY = "sends its body byte by byte, a pause between them"
    CUT = "states the length of the body and sends half"
    RESET = "resets the connection instead of answering"
    ENDLESS = "sends chunks for ever"
    UNFRAMED = "sends a body that ends with the connection"


@dataclass(frozen=True)
class Answer:
    """One answer of a provider."""

    body: bytes = b""
    status: int = 200
    headers: Mapping[str, str] = field(default_factory=dict)
    etag: str | None = None
    last_modified: str | None = None
    fault: Fault = Fault.NONE
    pause_seconds: float = 1.0

    def is_known(self, asked: Asked) -> bool:
        """Whether the asker holds this very version, by its own words."""
        known = {asked.headers.get("if-none-match"), asked.headers.get("if-modified-since")}
        return bool(known & ({self.etag, self.last_modified} - {None}))

    def head(self, *, status: int, framing: Mapping[str, str]) -> bytes:
        headers = {
            **({"ETag": self.etag} if self.etag else {}),
            **({"Last-Modified": self.last_modified} if self.last_modified else {}),
            **self.headers,
            **framing,
            "Connection": "close",
        }
        lines = [f"HTTP/1.1 {status} {HTTPStatus(status).phrase}"]
        lines += [f"{name}: {value}" for name, value in headers.items()]
        return ("\r\n".join(lines) + "\r\n\r\n").encode("latin-1")


@dataclass(frozen=True)
class Asked:
    """A request as it came. Header names are in lower case; `at` is trio's clock."""

    method: str
    path: str
    headers: Mapping[str, str]
    at: float
    body: bytes = b""


class Simulator:
    """The world. Use it in an `async with`; it ends with everything it started.

    Attributes:
      asked: the requests, in order.
      connected: the addresses that `network` was asked to connect to, in order.
      names: host name → its addresses.
      ca_file: the authority that vouches for the world, PEM.
    """

    def __init__(
        self,
        *,
        hosts: Sequence[str] = HOSTS,
        certificate_hosts: Sequence[str] | None = None,
        certificate_age_days: int = 0,
    ) -> None:
        """Make a world that is called `hosts`.

        `certificate_hosts` and `certificate_age_days` (it is good for 30) make its certificate one
        that nobody should accept.
        """
        self.hosts = tuple(hosts)
        self.names: dict[str, list[str]] = {host: ["127.0.0.1"] for host in (*hosts, "localhost")}
        self.asked: list[Asked] = []
        self.connected: list[str] = []
        self.network = MemoryNetwork(self._accept)
        self._routes: dict[str, deque[Answer]] = {}
        self._handlers: dict[str, Callable[[Asked], Answer]] = {}
        self._certificate_hosts = self.hosts if certificate_hosts is None else certificate_hosts
        self._certificate_age_days = certificate_age_days

    def serve(
        self,
        path: str,
        *,
        body: bytes = b"",
        status: int = 200,
        headers: Mapping[str, str] | None = None,
        etag: str | None = None,
        last_modified: str | None = None,
        fault: Fault = Fault.NONE,
        pause_seconds: float = 1.0,
    ) -> None:
        """Answer `path` like this from now on; a validator makes it answer 304 where it is known.

        `path` includes the query, if there is one.
        """
        self.script(
            path,
            Answer(body, status, headers or {}, etag, last_modified, fault, pause_seconds),
        )

    def redirect(self, path: str, location: str, *, status: int = 302) -> None:
        """Send whoever asks for `path` to `location`."""
        self.serve(path, status=status, headers={"Location": location})

    def script(self, path: str, *answers: Answer) -> None:
        """Answer `path` with these one after the other, and with the last for ever."""
        self._routes[path] = deque(answers)

    def handle(self, path: str, handler: Callable[[Asked], Answer]) -> None:
        """Answer `path`, whatever its query, with what `handler` makes of each request."""
        self._handlers[path] = handler

    def fail(self, path: str, *, times: int, status: int = 503, fault: Fault = Fault.NONE) -> None:
        """Fail `times` times before `path` answers as it would now."""
        self._routes[path].extendleft([Answer(status=status, fault=fault)] * times)

    def url(self, path: str, *, host: str = "127.0.0.1") -> str:
        """Where `path` is, with TLS."""
        return f"https://{host}:{self.port}{path}"

    def plain_url(self, path: str, *, host: str = "127.0.0.1") -> str:
        """Where `path` is, without TLS."""
        return f"http://{host}:{self.plain_port}{path}"

    def config(self, **changes: Any) -> FetchConfig:
        """Settings under which everything here may be fetched; `changes` replace some."""
        settings: dict[str, Any] = {
            "allowed_hosts": (*self.hosts, "127.0.0.1", "localhost"),
            "allow_private_addresses": True,
            "ca_file": self.ca_file,
            **changes,
        }
        return FetchConfig(**settings)

    async def __aenter__(self) -> Self:
        self._folder = tempfile.TemporaryDirectory(prefix="rtgf-simulator-")
        self.ca_file = Path(self._folder.name) / "ca.pem"
        self._tls = self._server_context(self._certificate_hosts, self._certificate_age_days)
        self._nursery_manager = trio.open_nursery()
        self.nursery = await self._nursery_manager.__aenter__()
        ports = []
        for handler in (self.answer_tls, self.answer):
            listeners = await self.nursery.start(
                partial(trio.serve_tcp, handler, 0, host="127.0.0.1")
            )
            ports.append(listeners[0].socket.getsockname()[1])
        self.port, self.plain_port = ports
        self._resolver_before = trio.socket.set_custom_hostname_resolver(Resolver(self.names))
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        trio.socket.set_custom_hostname_resolver(self._resolver_before)
        self.nursery.cancel_scope.cancel()
        try:
            # Without the test's own exception, so that it comes out as it was raised.
            await self._nursery_manager.__aexit__(None, None, None)
        finally:
            self._folder.cleanup()

    def _accept(self, address: str, port: int, stream: trio.abc.Stream) -> None:
        self.connected.append(address)
        answer = self.answer if port == self.plain_port else self.answer_tls
        self.nursery.start_soon(answer, stream)

    async def answer_tls(self, stream: trio.abc.Stream) -> None:
        """Answer one connection that begins with a TLS handshake."""
        await self.answer(
            trio.SSLStream(stream, self._tls, server_side=True, https_compatible=True)
        )

    async def answer(self, stream: trio.abc.Stream) -> None:
        """Answer the one request of a connection, and close it."""
        try:
            asked = await _read_request(stream)
            if asked is not None:
                self.asked.append(asked)
                await self._give(stream, asked)
            await stream.aclose()
        except (trio.BrokenResourceError, trio.ClosedResourceError, h11.RemoteProtocolError):
            pass  # the asker went away, which is its right
        finally:
            await trio.aclose_forcefully(stream)

    async def _give(self, stream: trio.abc.Stream, asked: Asked) -> None:
        answers = self._routes.get(asked.path, deque([Answer(status=404)]))
        answer = answers.popleft() if len(answers) > 1 else answers[0]
        handler = self._handlers.get(asked.path.partition("?")[0])
        if handler is not None:
            answer = handler(asked)
        if answer.is_known(asked):
            await stream.send_all(answer.head(status=304, framing={}))
            return
        body = answer.body
        framing = {
            Fault.UNFRAMED: {},
            Fault.ENDLESS: {"Transfer-Encoding": "chunked"},
        }.get(answer.fault, {"Content-Length": str(len(body))})
        head = answer.head(status=answer.status, framing=framing)
        match answer.fault:
            case Fault.NONE | Fault.UNFRAMED:
                await stream.send_all(head + body)
            case Fault.SILENT:
                await trio.sleep_forever()
            case Fault.SLOW_HEAD:
                await _drip(stream, head + body, answer.pause_seconds)
            case Fault.SLOW_BODY:
                await stream.send_all(head)
                await _drip(stream, body, answer.pause_seconds)
            case Fault.CUT:
                await stream.send_all(head + body[: len(body) // 2])
            case Fault.RESET:
                _reset(stream)
            case Fault.ENDLESS:
                await stream.send_all(head)
                chunk = b"%x\r\n%b\r\n" % (len(body), body)
                while True:
                    await stream.send_all(chunk)

    def _server_context(self, hosts: Sequence[str], age_days: int) -> ssl.SSLContext:
        now = int(time.time())
        ca = pki.create_ca("Simulated providers", now=now - (age_days + 1) * DAY_SECONDS)
        server = pki.issue(
            ca,
            "provider",
            san_dns=hosts,
            san_ips=("127.0.0.1",) if hosts == self.hosts else (),
            now=now - age_days * DAY_SECONDS,
            days=30,
            server=True,
        )
        self.ca_file.write_bytes(ca.certificate_pem())
        certificate_file = self.ca_file.with_name("provider.pem")
        key_file = self.ca_file.with_name("provider.key")
        certificate_file.write_bytes(server.certificate_pem())
        key_file.write_bytes(server.key_pem())
        context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
        context.load_cert_chain(certificate_file, key_file)
        return context


async def _read_request(stream: trio.abc.Stream) -> Asked | None:
    parser = h11.Connection(h11.SERVER)
    asked: Asked | None = None
    body = b""
    while True:
        event = parser.next_event()
        if event is h11.NEED_DATA:
            parser.receive_data(bytes(await stream.receive_some(READ_BYTES)))
        elif isinstance(event, h11.Request):
            headers = {name.decode(): value.decode("latin-1") for name, value in event.headers}
            asked = Asked(
                event.method.decode(), event.target.decode(), headers, trio.current_time()
            )
        elif isinstance(event, h11.Data):
            body += bytes(event.data)
        elif isinstance(event, h11.EndOfMessage):
            return None if asked is None else replace(asked, body=body)
        elif isinstance(event, h11.ConnectionClosed):
            return None


async def _drip(stream: trio.abc.Stream, data: bytes, pause: float) -> None:
    for byte in data:
        await trio.sleep(pause)
        await stream.send_all(bytes([byte]))


def _reset(stream: trio.abc.Stream) -> None:
    """Make the close that follows a TCP reset; in memory there is only the close."""
    while isinstance(stream, trio.SSLStream):
        stream = stream.transport_stream
    if isinstance(stream, trio.SocketStream):
        stream.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
