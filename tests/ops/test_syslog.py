"""The audit trail on its way to a collector: over a socket, TCP and TLS, with real sockets."""

from __future__ import annotations

import re
import ssl
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import msgspec
import pytest
import structlog
import trio

from rtgf_node.errors import Code, RtgfError
from rtgf_node.keys import pki
from rtgf_node.ops import audit_trail, syslog
from rtgf_node.ops.audit_trail import AuditTrail, Entry
from rtgf_node.ops.syslog import PRIORITY, Syslog
from rtgf_node.settings import AuditConfig
from rtgf_node.system_clock import SystemClock

NOW = int(time.time())
MESSAGE = re.compile(rb"<(\d+)>1 \S+Z node\.example rtgf-node - audit - (\{.*\})")
PATIENCE_SECONDS = 60


def entry(number: int) -> Entry:
    return Entry(
        at="2026-11-23T00:00:00Z",
        request_id=f"request-{number}",
        client="urn:rtgf:operator:alice",
        address="192.0.2.1",
        method="POST",
        path="/admin/fetch",
        outcome="begun",
    )


def number_in(message: bytes) -> int:
    """Return the number of the entry in a message, which must be whole and of the right form."""
    found = MESSAGE.fullmatch(message)
    assert found is not None, message
    assert int(found[1]) == PRIORITY
    line = msgspec.json.decode(found[2], type=audit_trail.Line)
    number = int(line.entry.request_id.rpartition("-")[2])
    assert line.entry == entry(number)
    return number


class Collector:
    """Reads what comes, each message behind its length.

    Attributes:
      numbers: of the entries that came.
      clients: what those who connected have shown.
      failed: handshakes that were not finished.
    """

    def __init__(self, tls: ssl.SSLContext | None = None) -> None:
        self.numbers: list[int] = []
        self.clients: list[Any] = []
        self.failed = 0
        self._tls = tls
        self._port = 0
        self._moved = trio.Event()

    @asynccontextmanager
    async def listening(self) -> AsyncIterator[str]:
        """Listen until the end of the block, always on the same port; cut all then."""
        listeners = await trio.open_tcp_listeners(self._port, host="127.0.0.1")
        self._port = listeners[0].socket.getsockname()[1]
        async with trio.open_nursery() as nursery:
            nursery.start_soon(trio.serve_listeners, self._take, listeners)
            yield f"127.0.0.1:{self._port}"
            nursery.cancel_scope.cancel()

    async def until(self, look: Callable[[], bool]) -> None:
        """Return when it is so."""
        with trio.fail_after(PATIENCE_SECONDS):
            while not look():
                await self._moved.wait()

    async def come(self, number: int) -> None:
        """Return when this entry is here."""
        await self.until(lambda: number in self.numbers)

    def _move(self) -> None:
        self._moved.set()
        self._moved = trio.Event()

    async def _take(self, plain: trio.SocketStream) -> None:
        stream: Any = plain
        async with plain:
            try:
                if self._tls is not None:
                    stream = trio.SSLStream(plain, self._tls, server_side=True)
                    await stream.do_handshake()
                    self.clients.append(stream.getpeercert())
                data = b""
                while piece := await stream.receive_some(65536):
                    data += piece
                    size, _, rest = data.partition(b" ")
                    while rest and len(rest) >= int(size):
                        self.numbers.append(number_in(rest[: int(size)]))
                        self._move()
                        data = rest[int(size) :]
                        size, _, rest = data.partition(b" ")
            except trio.BrokenResourceError:
                self.failed += 1
                self._move()


class World:
    """A CA for both ends, and a node that ships its trail."""

    def __init__(self, folder: Path, nursery: trio.Nursery) -> None:
        self._folder = folder
        self._nursery = nursery
        self.trail: AuditTrail
        self.make("ours", pki.create_ca("Ours", now=NOW))
        self.make("theirs", pki.create_ca("Theirs", now=NOW))
        ours = self.read("ours")
        collector = pki.issue(ours, "collector", san_ips=["127.0.0.1"], now=NOW, server=True)
        self.make("collector", collector)
        client = pki.issue(ours, "node", san_uris=["urn:rtgf:node:a"], now=NOW, client=True)
        self.make("client", client)

    def path(self, name: str, kind: str = "pem") -> Path:
        return self._folder / f"{name}.{kind}"

    def make(self, name: str, credential: pki.Credential) -> None:
        pki.write(credential, self.path(name), self.path(name, "key"))

    def read(self, name: str) -> pki.Credential:
        return pki.read(self.path(name), self.path(name, "key"))

    def collector_tls(self) -> ssl.SSLContext:
        """Return what a collector speaks that lets in only who shows a certificate of ours."""
        context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH, cafile=self.path("ours"))
        context.load_cert_chain(self.path("collector"), self.path("collector", "key"))
        context.verify_mode = ssl.CERT_REQUIRED
        return context

    async def ship(self, target: str, **settings: Path) -> None:
        """Begin to ship to a collector."""
        config = AuditConfig(max_file_bytes=1 << 16, max_files=2, syslog=target, **settings)
        shipping = Syslog(config, host="node.example", clock=SystemClock())
        await self._nursery.start(shipping.run)
        self.trail = AuditTrail(self._folder / "audit", config, shipping.ship)

    async def record(self, number: int) -> None:
        await self.trail.record("acts", entry(number))

    def tls_settings(self, ca: str = "ours") -> dict[str, Path]:
        return {
            "ca_file": self.path(ca),
            "certificate_file": self.path("client"),
            "key_file": self.path("client", "key"),
        }


@pytest.fixture
def world(tmp_path: Path, nursery: trio.Nursery, monkeypatch: pytest.MonkeyPatch) -> World:
    monkeypatch.setattr(syslog, "PAUSE_SECONDS", 0.05)
    return World(tmp_path, nursery)


async def test_lines_go_to_a_datagram_socket(world, tmp_path):
    with trio.socket.socket(trio.socket.AF_UNIX, trio.socket.SOCK_DGRAM) as ours:
        await ours.bind(str(tmp_path / "log"))
        await world.ship(str(tmp_path / "log"))
        await world.record(7)
        with trio.fail_after(PATIENCE_SECONDS):
            assert number_in(await ours.recv(65536)) == 7


@pytest.mark.parametrize("is_tls", [False, True])
async def test_lines_go_over_tcp_and_tls_and_wait_for_a_collector_that_is_away(world, is_tls):
    collector = Collector(world.collector_tls() if is_tls else None)
    with structlog.testing.capture_logs() as told:
        async with collector.listening() as place:
            if is_tls:
                await world.ship(f"tls://{place}", **world.tls_settings())
            else:
                await world.ship(place)
            for number in range(3):
                await world.record(number)
            await collector.come(2)
        # The end of the connection is noticed.
        with trio.fail_after(PATIENCE_SECONDS):
            while "audit_trail_not_shipped" not in str(told):  # noqa: ASYNC110  a list has no event
                await trio.sleep(0.01)
    for number in range(3, 6):
        await world.record(number)
    async with collector.listening():
        await collector.come(5)
    # Each once, in order: none went into a connection that had ended.
    assert collector.numbers == list(range(6))
    if is_tls:
        assert {("URI", "urn:rtgf:node:a")} == set(collector.clients[0]["subjectAltName"])


async def test_nothing_goes_to_a_collector_of_another_authority(world):
    collector = Collector(world.collector_tls())
    async with collector.listening() as place:
        await world.ship(f"tls://{place}", **world.tls_settings("theirs"))
        await world.record(1)
        await collector.until(lambda: collector.failed >= 2)
    assert collector.numbers == []


async def test_a_collector_for_another_name_is_refused(world):
    collector = Collector(world.collector_tls())
    async with collector.listening() as place:
        await world.ship(f"tls://localhost:{place.rpartition(':')[2]}", **world.tls_settings())
        await world.record(1)
        await collector.until(lambda: collector.failed >= 1)
    assert collector.numbers == []


async def test_without_its_certificate_the_node_is_refused(world):
    collector = Collector(world.collector_tls())
    async with collector.listening() as place:
        await world.ship(f"tls://{place}", ca_file=world.path("ours"))
        await collector.until(lambda: collector.failed >= 2)
    assert collector.clients == []


@pytest.mark.parametrize("missing", ["ca_file", "certificate_file", "key_file"])
def test_files_that_cannot_be_used_stop_the_start(tmp_path, missing):
    made = World(tmp_path, None)
    settings = {**made.tls_settings(), missing: tmp_path / "nothing"}
    config = AuditConfig(syslog="tls://127.0.0.1:6514", **settings)
    with pytest.raises(RtgfError, match="nothing") as caught:
        Syslog(config, host="node.example", clock=SystemClock())
    assert caught.value.code is Code.RTGF_CONFIG_INVALID


async def test_a_collector_that_is_away_holds_nobody_up(world, tmp_path):
    await world.ship(str(tmp_path / "nobody"))
    with trio.fail_after(PATIENCE_SECONDS):
        for number in range(20):
            await world.record(number)
