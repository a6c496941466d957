"""The listener over real sockets: who the client is, and that a bad client hurts only itself."""

from __future__ import annotations

import datetime
import json
import socket
import ssl
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from functools import partial
from pathlib import Path
from typing import Any

import h2.config
import h2.connection
import h2.events
import httpx2
import pytest
import structlog
import trio
from cryptography import x509
from quart import request
from quart_trio import QuartTrio

from rtgf_node.api.exchange import Answered, Asked, Handler
from rtgf_node.api.lane import Hot
from rtgf_node.api.listeners import NOTHING_HOT, Bound, serve
from rtgf_node.api.server_tls import ServerTls
from rtgf_node.errors import Code, RtgfError
from rtgf_node.keys import pki
from rtgf_node.settings import HttpConfig

NOW = int(datetime.datetime.now(tz=datetime.UTC).timestamp())
ALICE = "urn:rtgf:operator:alice"
ASKED = b"GET /who HTTP/1.1\r\nhost: x\r\n\r\n"
PATIENCE = 60  # seconds, after which a test has failed; nothing waits for it in good times


class World:
    """A CA, a server certificate, clients, and an application that does what its path says."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.ca = pki.create_ca("Test CA", now=NOW)
        self.write("ca", self.ca)
        self.make_server()
        self.make("alice", san_uris=[ALICE], client=True)
        self.tls = ServerTls(self.path("node"), self.path("node", "key"), self.path("ca"))
        self.cut = trio.Event()
        self.inside = trio.Event()
        self.go_on = trio.Event()

    def path(self, name: str, kind: str = "pem") -> Path:
        return self.folder / f"{name}.{kind}"

    def write(self, name: str, credential: pki.Credential) -> None:
        self.path(name).unlink(missing_ok=True)
        self.path(name, "key").unlink(missing_ok=True)
        pki.write(credential, self.path(name), self.path(name, "key"))

    def make(self, name: str, *, ca: pki.Credential | None = None, **kwargs: Any) -> None:
        self.write(name, pki.issue(ca or self.ca, name, **({"now": NOW} | kwargs)))

    def make_server(self) -> None:
        self.make("node", san_dns=["localhost"], san_ips=["127.0.0.1"], server=True)

    def context(self, name: str | None = None, alpn: list[str] | None = None) -> ssl.SSLContext:
        context = ssl.create_default_context(cafile=str(self.path("ca")))
        if name is not None:
            context.load_cert_chain(self.path(name), self.path(name, "key"))
        if alpn is not None:
            context.set_alpn_protocols(alpn)
        return context

    async def app(self, scope: Any, receive: Any, send: Any) -> None:
        path = scope["path"]

        async def answer(body: bytes, status: int = 200) -> None:
            length = (b"content-length", str(len(body)).encode())
            await send({"type": "http.response.start", "status": status, "headers": [length]})
            await send({"type": "http.response.body", "body": body})

        if path == "/who":
            state = scope["state"]
            await answer(json.dumps([state["client"], state["address"]]).encode())
        elif path == "/echo":
            body, more = b"", True
            while more:
                message = await receive()
                body += message["body"]
                more = message["more_body"]
            await answer(body)
        elif path == "/refuse":
            await answer(b"too large", 413)
        elif path == "/slow":
            self.inside.set()
            await self.go_on.wait()
            await answer(b"done at last")
        elif path == "/stream":
            await send({"type": "http.response.start", "status": 200, "headers": []})
            for _ in range(6):
                await trio.sleep(0.1)
                await send({"type": "http.response.body", "body": b"tick\n", "more_body": True})
            await send({"type": "http.response.body", "body": b""})
        elif path == "/large":
            try:
                await answer(bytes(64 << 20))
            finally:
                self.cut.set()
        else:
            raise ZeroDivisionError


@pytest.fixture
def world(tmp_path: Path) -> World:
    return World(tmp_path)


@asynccontextmanager
async def serving(
    world: World, *, plain: bool = False, app: Any = None, hot: Hot = NOTHING_HOT, **limits: Any
) -> AsyncIterator[Bound]:
    tls = None if plain else world.tls
    config = HttpConfig(**limits)
    with trio.fail_after(PATIENCE):
        async with trio.open_nursery() as nursery:
            bound = await nursery.start(
                partial(serve, app or world.app, config, tls=tls, bind="127.0.0.1:0", hot=hot)
            )
            yield bound
            nursery.cancel_scope.cancel()


async def connect(
    world: World, bound: Bound, name: str | None = None, alpn: list[str] | None = None
) -> trio.SSLStream[trio.SocketStream]:
    stream = await trio.open_ssl_over_tcp_stream(
        "127.0.0.1", bound.port, https_compatible=True, ssl_context=world.context(name, alpn)
    )
    try:
        await stream.do_handshake()
    except BaseException:
        await trio.aclose_forcefully(stream)
        raise
    return stream


class Ready:
    """Has an answer to everything.

    Attributes:
      by: the tasks in which it answered.
    """

    def __init__(self) -> None:
        self.by: list[str] = []

    def find(self, method: str, path: str) -> Handler:
        return self.answer

    def answer(self, asked: Asked) -> Answered:
        self.by.append(trio.lowlevel.current_task().name)
        return Answered(200, {}, b"ready" + asked.body)

    def turned_away(self, asked: Asked) -> None:
        raise AssertionError("nothing is left to the framework")

    def refused(self, status: int) -> None:
        raise AssertionError(status)


async def open_kept(world: World, bound: Bound) -> ssl.SSLSocket:
    """Return a connection that was answered once; it does not block."""

    def opened() -> ssl.SSLSocket:
        plain = socket.create_connection(("127.0.0.1", bound.port))
        made = world.context().wrap_socket(plain, server_hostname="localhost")
        made.sendall(ASKED)
        assert made.recv(1000).endswith(b"ready")
        return made

    kept = await trio.to_thread.run_sync(opened)
    kept.setblocking(False)
    return kept


async def read_all(stream: trio.abc.ReceiveStream) -> bytes:
    data = b""
    try:
        while piece := await stream.receive_some(65536):
            data += piece
    except trio.BrokenResourceError:
        pass
    return data


async def get(
    world: World, bound: Bound, path: str, name: str | None = None, **kwargs: Any
) -> httpx2.Response:
    async with httpx2.AsyncClient(verify=world.context(name), trust_env=False) as client:
        return await client.request(
            kwargs.pop("method", "GET"), f"https://127.0.0.1:{bound.port}{path}", **kwargs
        )


async def test_the_identity_of_a_certificate_reaches_the_application(world):
    async with serving(world) as bound:
        assert (await get(world, bound, "/who", "alice")).json() == [ALICE, "127.0.0.1"]
        assert (await get(world, bound, "/who")).json() == [None, "127.0.0.1"]


async def test_no_header_makes_an_identity(world):
    names = ["X-Client-Cert", "X-SSL-Client-S-DN", "X-Forwarded-Client-Cert", "X-Forwarded-For"]
    async with serving(world) as bound:
        answer = await get(world, bound, "/who", headers=dict.fromkeys(names, ALICE))
        assert answer.json() == [None, "127.0.0.1"]


async def test_a_certificate_that_names_nobody_is_no_identity(world):
    world.make("mute", san_dns=["mute.example"], client=True)
    async with serving(world) as bound:
        assert (await get(world, bound, "/who", "mute")).json()[0] is None


def foreign(world: World) -> None:
    other = pki.create_ca("Test CA", now=NOW)
    world.make("mallory", ca=other, san_uris=[ALICE], client=True)


def expired(world: World) -> None:
    world.make("mallory", san_uris=[ALICE], client=True, now=NOW - 40 * 86400, days=30)


def for_servers_only(world: World) -> None:
    world.make("mallory", san_uris=[ALICE], server=True)


def self_made(world: World) -> None:
    world.make("middle", san_uris=[ALICE], client=True)
    middle = pki.read(world.path("middle"), world.path("middle", "key"))
    made = pki.issue(middle, "mallory", san_uris=[ALICE], now=NOW, client=True)
    world.write("mallory", made)


@pytest.mark.parametrize("forge", [foreign, expired, for_servers_only, self_made])
async def test_a_certificate_that_does_not_verify_ends_its_own_connection(
    world, forge: Callable[[World], None]
):
    forge(world)
    async with serving(world) as bound:
        with pytest.raises(httpx2.TransportError):
            await get(world, bound, "/who", "mallory")
        assert (await get(world, bound, "/who", "alice")).json()[0] == ALICE


async def test_older_tls_is_refused(world):
    context = world.context()
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    context.maximum_version = ssl.TLSVersion.TLSv1_2
    async with serving(world) as bound:
        stream = await trio.open_ssl_over_tcp_stream("127.0.0.1", bound.port, ssl_context=context)
        with pytest.raises(trio.BrokenResourceError):
            await stream.do_handshake()
        await trio.aclose_forcefully(stream)
        assert (await get(world, bound, "/who")).status_code == 200


CLOSING = "GET /who HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n"


@pytest.mark.parametrize(
    "said",
    [
        CLOSING,
        CLOSING.replace("/who", "/large"),
        CLOSING.replace("close", "keep-alive"),  # until it was silent for too long
        "GET /who HTTP/1.1\r\n\r\n",  # no Host: refused
        "POST /refuse HTTP/1.1\r\nHost: x\r\nContent-Length: 99\r\n\r\nhalf",
        "GET /who HTTP/1.1\r\nHost: x\r\nX-Half: ",
        "",
    ],
)
async def test_tls_is_ended_before_the_connection_is(world, said):
    """RFC 8446 §6.1: whoever reads to the end can tell that it is the end, and no cut."""
    context = world.context()
    context.options &= ~ssl.OP_IGNORE_UNEXPECTED_EOF
    async with serving(world, keep_alive_seconds=0.3) as bound:
        stream = await trio.open_ssl_over_tcp_stream("127.0.0.1", bound.port, ssl_context=context)
        await stream.send_all(said.encode())
        # An end that was not said raises BrokenResourceError.
        while await stream.receive_some(1 << 20):
            pass
        await trio.aclose_forcefully(stream)


@pytest.mark.parametrize(
    ("offered", "chosen"),
    [
        (["http/1.1"], "http/1.1"),
        (["http/1.1", "h2"], "h2"),
        (["h2", "aarp/1"], "aarp/1"),
        (["other"], None),
    ],
)
async def test_what_is_spoken_is_agreed_on(world, offered: list[str], chosen: str | None):
    async with serving(world) as bound:
        stream = await connect(world, bound, alpn=offered)
        assert stream.selected_alpn_protocol() == chosen
        if chosen != "h2":
            await stream.send_all(b"GET /who HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n")
            assert b"200" in await read_all(stream)
        await trio.aclose_forcefully(stream)


class H2Client:
    """Just enough of an HTTP/2 client to be rude with."""

    def __init__(self, stream: trio.SSLStream[trio.SocketStream]) -> None:
        self.stream = stream
        config = h2.config.H2Configuration(client_side=True)
        self.wire = h2.connection.H2Connection(config=config)
        self.wire.initiate_connection()

    def ask(self, path: str) -> int:
        number = self.wire.get_next_available_stream_id()
        head = {":method": "GET", ":path": path, ":scheme": "https", ":authority": "x"}
        self.wire.send_headers(number, list(head.items()), end_stream=True)
        return number

    async def flush(self) -> None:
        await self.stream.send_all(self.wire.data_to_send())

    async def bodies(self, *numbers: int) -> dict[int, bytes]:
        bodies = dict.fromkeys(numbers, b"")
        waiting = set(numbers)
        while waiting:
            data = await self.stream.receive_some(65536)
            assert data, "the server closed the connection"
            for event in self.wire.receive_data(bytes(data)):
                if isinstance(event, h2.events.DataReceived):
                    bodies[event.stream_id] += event.data
                elif isinstance(event, h2.events.StreamEnded):
                    waiting.discard(event.stream_id)
        return bodies


async def test_http2_carries_the_identity_on_every_stream(world):
    async with serving(world) as bound:
        stream = await connect(world, bound, "alice", ["h2"])
        client = H2Client(stream)
        numbers = [client.ask("/who") for _ in range(3)]
        await client.flush()
        bodies = await client.bodies(*numbers)
        assert {json.loads(body)[0] for body in bodies.values()} == {ALICE}
        await trio.aclose_forcefully(stream)


async def test_a_rude_http2_client_hurts_only_itself(world):
    """DATA on a stream that has ended, and frames of nonsense."""
    rude = [b"\x00\x00\x04\x00\x00\x00\x00\x00\x01abcd", b"\xff" * 64]
    with structlog.testing.capture_logs():
        async with serving(world, keep_alive_seconds=0.3) as bound:
            for nonsense in rude:
                stream = await connect(world, bound, "alice", ["h2"])
                client = H2Client(stream)
                number = client.ask("/who")
                await client.flush()
                await client.bodies(number)
                await stream.send_all(nonsense)
                await read_all(stream)
                await trio.aclose_forcefully(stream)
            assert (await get(world, bound, "/who")).status_code == 200


async def test_who_never_finishes_the_handshake_is_dropped(world):
    async with serving(world, handshake_timeout_seconds=0.1) as bound:
        stream = await trio.open_tcp_stream("127.0.0.1", bound.port)
        assert await read_all(stream) == b""
        await stream.aclose()
        assert (await get(world, bound, "/who")).status_code == 200


async def test_who_speaks_no_tls_is_dropped(world):
    async with serving(world) as bound:
        stream = await trio.open_tcp_stream("127.0.0.1", bound.port)
        await stream.send_all(b"GET / HTTP/1.1\r\n\r\n")
        assert b"HTTP" not in await read_all(stream)
        await stream.aclose()
        assert (await get(world, bound, "/who")).status_code == 200


async def test_who_sends_a_head_drop_by_drop_is_dropped(world):
    async with serving(world, keep_alive_seconds=0.2) as bound:
        stream = await connect(world, bound)

        async def drip() -> None:
            try:
                await stream.send_all(b"GET /who HTTP/1.1\r\n")
                while True:
                    await stream.send_all(b"x-drop: 1\r\n")
                    await trio.sleep(0.02)
            except (trio.BrokenResourceError, trio.ClosedResourceError):
                pass

        async with trio.open_nursery() as nursery:
            nursery.start_soon(drip)
            assert await read_all(stream) == b""
            nursery.cancel_scope.cancel()
        await trio.aclose_forcefully(stream)


async def test_who_sends_a_body_drop_by_drop_is_answered_and_cut(world):
    with structlog.testing.capture_logs() as lines:
        async with serving(world, request_timeout_seconds=0.2) as bound:
            stream = await connect(world, bound)
            await stream.send_all(
                b"POST /echo HTTP/1.1\r\nhost: x\r\ncontent-length: 10\r\n\r\nabc"
            )
            head, _, body = (await read_all(stream)).partition(b"\r\n\r\n")
            await trio.aclose_forcefully(stream)
            assert (await get(world, bound, "/who")).status_code == 200
    assert b" 408 " in head.splitlines()[0]
    assert b"application/problem+json" in head
    problem = json.loads(body)
    assert (problem["code"], problem["type"]) == (
        "RTGF_REQUEST_TIMEOUT",
        "/errors/RTGF_REQUEST_TIMEOUT",
    )
    assert "did not arrive" in problem["detail"]
    assert lines[0]["request_id"] == problem["instance"]


async def test_an_answer_that_takes_too_long_is_a_503(world):
    with structlog.testing.capture_logs():
        async with serving(world, request_timeout_seconds=0.2) as bound:
            answer = await get(world, bound, "/slow")
    assert answer.status_code == 503
    assert answer.headers["retry-after"] == "1"
    assert answer.json()["code"] == "RTGF_UNAVAILABLE"


async def test_a_stream_may_last_longer_than_a_request(world):
    async with serving(world, request_timeout_seconds=0.2, keep_alive_seconds=0.2) as bound:
        assert (await get(world, bound, "/stream")).text == "tick\n" * 6


@pytest.mark.parametrize("alpn", ["http/1.1", "h2"])
async def test_who_does_not_read_is_cut(world, alpn: str):
    async with serving(world, send_timeout_seconds=0.2) as bound:
        stream = await connect(world, bound, alpn=[alpn])
        if alpn == "h2":
            client = H2Client(stream)
            client.ask("/large")
            await client.flush()
        else:
            await stream.send_all(b"GET /large HTTP/1.1\r\nhost: x\r\n\r\n")
        await world.cut.wait()
        assert (await get(world, bound, "/who")).status_code == 200
        await trio.aclose_forcefully(stream)


async def test_a_large_answer_arrives_whole(world):
    async with serving(world) as bound:
        answer = await get(world, bound, "/large")
        assert len(answer.content) == 64 << 20


async def test_a_body_goes_in_and_out(world):
    body = bytes(range(256)) * 4096
    async with serving(world) as bound:
        answer = await get(world, bound, "/echo", method="POST", content=body)
        assert answer.content == body


async def test_a_body_that_came_with_its_head_is_read_with_it(world):
    """Two records of TLS are read one by one; no task is made to wait for the second."""
    hot = Ready()
    async with serving(world, hot=hot) as bound:
        kept = await open_kept(world, bound)
        kept.setsockopt(socket.IPPROTO_TCP, socket.TCP_CORK, 1)
        kept.send(b"POST / HTTP/1.1\r\nhost: x\r\ncontent-length: 4\r\n\r\n")
        kept.send(b"body")
        kept.setsockopt(socket.IPPROTO_TCP, socket.TCP_CORK, 0)
        await trio.lowlevel.wait_readable(kept)
        assert kept.recv(1000).endswith(b"readybody")
        kept.close()
    assert {name.rpartition(".")[2] for name in hot.by} == {"watch"}


async def test_an_early_refusal_reaches_a_client_that_still_sends(world):
    async with serving(world) as bound:
        stream = await connect(world, bound)
        size = 8 << 20
        head = b"POST /refuse HTTP/1.1\r\nhost: x\r\ncontent-length: %d\r\n\r\n" % size
        await stream.send_all(head)
        async with trio.open_nursery() as nursery:

            async def push() -> None:
                try:
                    for _ in range(size // 65536):
                        await stream.send_all(bytes(65536))
                except (trio.BrokenResourceError, trio.ClosedResourceError):
                    pass

            nursery.start_soon(push)
            answer = await read_all(stream)
            nursery.cancel_scope.cancel()
        assert answer.startswith(b"HTTP/1.1 413")
        assert answer.endswith(b"too large")
        await trio.aclose_forcefully(stream)


@pytest.mark.parametrize(
    ("limits", "kept"),
    [({"max_connections_per_address": 2}, 2), ({"max_connections": 3}, 3)],
)
async def test_one_connection_too_many_is_closed_at_once(world, limits: dict[str, int], kept: int):
    async with serving(world, **limits) as bound:
        streams = [await connect(world, bound) for _ in range(kept)]
        extra = await trio.open_tcp_stream("127.0.0.1", bound.port)
        assert await read_all(extra) == b""
        await extra.aclose()
        # The others go on, and there is room again when one of them leaves.
        await streams[0].send_all(b"GET /who HTTP/1.1\r\nhost: x\r\n\r\n")
        assert b"200" in await streams[0].receive_some(1000)
        await trio.aclose_forcefully(streams.pop())
        while True:
            try:
                streams.append(await connect(world, bound))
                break
            except trio.BrokenResourceError:
                continue
        for stream in streams:
            await trio.aclose_forcefully(stream)


@pytest.mark.parametrize(
    ("sent", "status"),
    [
        (b"GET /who HTTP/1.1\r\nhost: x\r\nx-large: " + b"x" * 20000, b" 431 "),
        (b"\x00\x01\x02 nonsense\r\n\r\n", b" 400 "),
        (b"GET / HTTP/1.1\r\nhost: a\r\nhost: b\r\n\r\n", b" 400 "),
        (
            b"POST /echo HTTP/1.1\r\nhost: x\r\ncontent-length: 3\r\ncontent-length: 4\r\n\r\n",
            b" 400 ",
        ),
    ],
)
async def test_a_broken_request_is_refused(world, sent: bytes, status: bytes):
    async with serving(world) as bound:
        stream = await connect(world, bound)
        await stream.send_all(sent)
        assert status in (await read_all(stream)).partition(b"\r\n")[0]
        await trio.aclose_forcefully(stream)
        assert (await get(world, bound, "/who")).status_code == 200


async def test_a_quart_application_is_served_under_the_same_limits(world):
    app = QuartTrio("served")
    app.config["MAX_CONTENT_LENGTH"] = 1000

    @app.get("/who")
    async def who() -> dict[str, object]:
        return {"client": request.scope["state"]["client"]}

    @app.post("/echo")
    async def echo() -> bytes:
        return await request.get_data(as_text=False)

    @app.get("/slow")
    async def slow() -> str:
        await trio.sleep_forever()
        return ""

    with structlog.testing.capture_logs():
        async with serving(world, app=app, request_timeout_seconds=0.3) as bound:
            assert (await get(world, bound, "/who", "alice")).json() == {"client": ALICE}
            fits = await get(world, bound, "/echo", method="POST", content=bytes(1000))
            assert fits.content == bytes(1000)
            large = await get(world, bound, "/echo", method="POST", content=bytes(1 << 20))
            assert large.status_code == 413
            assert (await get(world, bound, "/slow")).status_code == 503
            assert (await get(world, bound, "/who", method="HEAD")).content == b""


@pytest.mark.parametrize("to", [b"websocket", b"h2c"])
async def test_no_other_protocol_is_changed_to(world, to: bytes):
    """RFC 9110 §7.8: a server may ignore the wish."""
    async with serving(world) as bound:
        stream = await connect(world, bound)
        await stream.send_all(
            b"GET /who HTTP/1.1\r\nhost: x\r\nconnection: upgrade\r\nupgrade: " + to + b"\r\n"
            b"http2-settings: AAMAAABkAAQAAP__\r\nsec-websocket-version: 13\r\n"
            b"sec-websocket-key: AAAAAAAAAAAAAAAAAAAAAA==\r\n\r\n"
        )
        assert (await stream.receive_some(1000)).startswith(b"HTTP/1.1 200 ")
        await trio.aclose_forcefully(stream)


async def test_a_crash_of_the_application_is_a_500_and_no_more(world, caplog):
    async with serving(world) as bound:
        assert (await get(world, bound, "/crash")).status_code == 500
        assert (await get(world, bound, "/who")).status_code == 200
    assert "ZeroDivisionError" in caplog.text


async def test_a_connection_that_fails_inside_is_logged_and_the_others_go_on(world, monkeypatch):
    async def fail(self: object) -> None:
        raise KeyError("a bug of the protocol library")

    with structlog.testing.capture_logs() as lines:
        async with serving(world) as bound:
            with monkeypatch.context() as patch:
                patch.setattr("rtgf_node.api.behind.TCPServer.run", fail)
                stream = await connect(world, bound)
                await stream.send_all(b"GET /who HTTP/1.1\r\nhost: x\r\n\r\n")
                assert await read_all(stream) == b""
                await trio.aclose_forcefully(stream)
            assert (await get(world, bound, "/who")).status_code == 200
    assert [line["event"] for line in lines] == ["connection_failed"]


async def test_a_stop_lets_the_request_in_hand_finish_and_takes_no_new_one(world):
    answers: list[bytes] = []
    async with trio.open_nursery() as outer:
        with trio.fail_after(PATIENCE):
            serving_scope = trio.CancelScope()
            bounds: list[Bound] = []
            stopped = trio.Event()

            async def run(*, task_status: trio.TaskStatus[None]) -> None:
                with serving_scope:
                    async with trio.open_nursery() as nursery:
                        config = HttpConfig(shutdown_seconds=PATIENCE)
                        bind = "127.0.0.1:0"
                        bounds.append(
                            await nursery.start(
                                partial(serve, world.app, config, tls=world.tls, bind=bind)
                            )
                        )
                        task_status.started()
                stopped.set()

            await outer.start(run)
            busy = await connect(world, bounds[0])
            idle = await connect(world, bounds[0])
            await busy.send_all(b"GET /slow HTTP/1.1\r\nhost: x\r\n\r\n")
            await world.inside.wait()
            serving_scope.cancel()
            assert await read_all(idle) == b""
            with pytest.raises(OSError):
                await trio.open_tcp_stream("127.0.0.1", bounds[0].port)
            assert not stopped.is_set()
            world.go_on.set()
            answers.append(await read_all(busy))
            await trio.aclose_forcefully(busy)
            await trio.aclose_forcefully(idle)
            await stopped.wait()
    assert answers[0].endswith(b"done at last")


async def test_a_stop_cuts_a_request_that_does_not_finish(world):
    async with serving(world, shutdown_seconds=0.1) as bound:
        stream = await connect(world, bound)
        await stream.send_all(b"GET /slow HTTP/1.1\r\nhost: x\r\n\r\n")
        await world.inside.wait()
    # `serving` has ended, so the listener has.
    assert b"done" not in await read_all(stream)
    await trio.aclose_forcefully(stream)


async def serial_of(world: World, bound: Bound) -> int:
    stream = await connect(world, bound)
    der = stream.getpeercert(binary_form=True)
    await trio.aclose_forcefully(stream)
    assert der is not None
    return x509.load_der_x509_certificate(der).serial_number


async def test_a_new_certificate_counts_without_a_restart(world):
    async with serving(world) as bound:
        before = await serial_of(world, bound)
        held = await connect(world, bound)
        world.make_server()
        world.tls.reload()
        assert await serial_of(world, bound) != before
        await held.send_all(b"GET /who HTTP/1.1\r\nhost: x\r\n\r\n")
        assert b"200" in await held.receive_some(1000)
        await trio.aclose_forcefully(held)


async def test_a_client_ca_that_is_replaced_no_longer_vouches(world):
    async with serving(world) as bound:
        assert (await get(world, bound, "/who", "alice")).status_code == 200
        trusted = world.path("ca").read_bytes()
        other = pki.create_ca("Other CA", now=NOW)
        world.path("ca").write_bytes(other.certificate_pem())
        world.tls.reload()
        world.path("ca").write_bytes(trusted)
        with pytest.raises(httpx2.TransportError):
            await get(world, bound, "/who", "alice")


async def test_a_reload_of_broken_files_changes_nothing(world):
    async with serving(world) as bound:
        before = await serial_of(world, bound)
        world.path("node").write_text("nonsense")
        with pytest.raises(RtgfError) as caught:
            world.tls.reload()
        assert caught.value.code is Code.RTGF_CONFIG_INVALID
        assert await serial_of(world, bound) == before


async def test_the_plain_variant_speaks_http_and_knows_nobody(world):
    async with serving(world, plain=True) as bound:
        async with httpx2.AsyncClient(trust_env=False) as client:
            answer = await client.get(f"http://127.0.0.1:{bound.port}/who")
        assert answer.json() == [None, "127.0.0.1"]
        assert "server" not in answer.headers


async def test_an_address_that_is_taken_is_a_clear_refusal(world):
    async with serving(world, plain=True) as bound:
        with pytest.raises(RtgfError) as caught:
            await serve(world.app, HttpConfig(), tls=None, bind=f"127.0.0.1:{bound.port}")
        assert caught.value.code is Code.RTGF_CONFIG_INVALID
        assert str(bound.port) in caught.value.detail
