"""Clients that mean harm, each kind by its name, in a process of its own.

    python -m tests.hostile KIND PORT PKI_FOLDER

attacks the node on 127.0.0.1 until its standard input ends; it says `attacking` once it does.
"""

from __future__ import annotations

import itertools
import json
import ssl
import subprocess
import sys
import time
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager, suppress
from functools import partial
from pathlib import Path
from typing import Final, TypeAlias

import trio

from rtgf_node.keys import pki

Stream: TypeAlias = trio.SSLStream[trio.SocketStream]

CLIENTS: Final = 40
"""At a time, of a kind that holds its connection; fewer than one address may have."""

CROWD: Final = 10_000
"""Connections of the kind that only comes; from as many addresses as the limits ask for."""

CROWD_PER_ADDRESS: Final = 60

PAUSE_SECONDS: Final = 0.05
"""Between two drops of a slow client, and after each round of a busy one."""

ENDED: Final = (OSError, trio.BrokenResourceError, trio.ClosedResourceError)


def make_certificates(folder: Path) -> None:
    """Write certificates of another CA, and expired ones, beside the node's own."""
    now = int(time.time())
    uri = ["urn:rtgf:operator:first"]
    foreign = pki.create_ca("rtgf CA", now=now)
    mallory = pki.issue(foreign, "mallory", san_uris=uri, now=now, client=True)
    pki.write(mallory, folder / "mallory.pem", folder / "mallory.key")
    ours = pki.read(folder / "ca.pem", folder / "ca.key")
    old = pki.issue(ours, "expired", san_uris=uri, now=now - 40 * 86400, days=30, client=True)
    pki.write(old, folder / "expired.pem", folder / "expired.key")


@contextmanager
def attacking(port: int, folder: Path, kind: str) -> Iterator[None]:
    """Attack meanwhile, from a process of its own.

    Raises:
      RuntimeError: the attack got what it must not get.
    """
    with subprocess.Popen(
        ["nice", sys.executable, "-m", "tests.hostile", kind, str(port), str(folder)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    ) as process:
        assert process.stdin is not None
        assert process.stdout is not None
        try:
            if process.stdout.readline() != "attacking\n":
                raise RuntimeError(f"{kind} did not begin")
            yield
        finally:
            process.stdin.close()
            if process.wait(60) != 0:
                raise RuntimeError(f"{kind} got what it must not get")


class Target:
    """The node under attack."""

    def __init__(self, port: int, pki: Path) -> None:
        self.port, self._pki = port, pki
        self._contexts: dict[str | None, ssl.SSLContext] = {}

    def context(self, name: str | None) -> ssl.SSLContext:
        """Return a TLS context with the certificate of this name."""
        if name not in self._contexts:
            made = ssl.create_default_context(cafile=str(self._pki / "ca.pem"))
            if name is not None:
                made.load_cert_chain(self._pki / f"{name}.pem", self._pki / f"{name}.key")
            self._contexts[name] = made
        return self._contexts[name]

    async def plain(self, source: str = "127.0.0.2") -> trio.SocketStream:
        """Connect from one of the loopback's many addresses."""
        sock = trio.socket.socket()
        try:
            await sock.bind((source, 0))
            await sock.connect(("127.0.0.1", self.port))
        except BaseException:
            sock.close()
            raise
        return trio.SocketStream(sock)

    async def tls(self, name: str | None = None, *, source: str = "127.0.0.2") -> Stream:
        """Connect and shake hands."""
        stream = trio.SSLStream(
            await self.plain(source),
            self.context(name),
            server_hostname="localhost",
            https_compatible=True,
        )
        try:
            await stream.do_handshake()
        except BaseException:
            await trio.aclose_forcefully(stream)
            raise
        return stream


def post(body: bytes, *lines: str, path: str = "/verify") -> bytes:
    """Return a whole POST of JSON."""
    head = [
        f"POST {path} HTTP/1.1",
        "Host: localhost",
        "Content-Type: application/json",
        f"Content-Length: {len(body)}",
        *lines,
    ]
    return "\r\n".join([*head, "", ""]).encode("latin-1") + body


def get(path: str, *lines: str) -> bytes:
    """Return a whole GET."""
    return "\r\n".join([f"GET {path} HTTP/1.1", "Host: localhost", *lines, "", ""]).encode(
        "latin-1"
    )


async def slow_heads(target: Target) -> None:
    """A header line every now and then, for ever."""
    stream = await target.tls()
    await stream.send_all(b"GET /healthz HTTP/1.1\r\nHost: localhost\r\n")
    for number in itertools.count():
        await stream.send_all(b"X-%d: y\r\n" % number)
        await trio.sleep(PAUSE_SECONDS)


async def slow_bodies(target: Target) -> None:
    """A byte of a long body every now and then."""
    stream = await target.tls()
    await stream.send_all(post(b" " * 100_000)[:-100_000])
    while True:
        await stream.send_all(b" ")
        await trio.sleep(PAUSE_SECONDS)


async def never_reading(target: Target) -> None:
    """Ask without end, and read nothing."""
    stream = await target.tls()
    while True:
        await stream.send_all(get("/catalog?limit=1000") * 50)
        await trio.sleep(PAUSE_SECONDS)


async def many_handshakes(target: Target) -> None:
    """Shake hands and leave."""
    while True:
        stream = await target.tls()
        await trio.aclose_forcefully(stream)
        await trio.sleep(PAUSE_SECONDS)


async def wrong_certificates(target: Target) -> None:
    """Show certificates of another CA, and expired ones."""
    for name in itertools.cycle(["mallory", "expired"]):
        with suppress(*ENDED):
            stream = await target.tls(name)
            await stream.send_all(get("/admin/status"))
            assert not await stream.receive_some(100), "a wrong certificate was let in"
        await trio.sleep(PAUSE_SECONDS)


def huge_heads() -> Iterator[bytes]:
    """Heads that are too large, in three ways."""
    yield get("/healthz", "X-Large: " + "x" * 100_000)
    yield get("/healthz", *["X: y"] * 5000)
    yield get("/" + "a" * 60_000)


def deep_json() -> Iterator[bytes]:
    """Nesting, keys that repeat, numbers and texts without measure."""
    yield post(b"[" * 500_000)
    yield post(b'{"tokens":' * 50_000 + b"1" + b"}" * 50_000)
    yield post(b'{"tokens":{"rmt":"a"},"tokens":{"rmt":"b"}}')
    yield post(b'{"tokens":{"rmt":' + b"9" * 500_000 + b"}}")
    yield post(b'{"tokens":{"rmt":"' + b"\\u0000" * 100_000 + b'"}}')
    yield post(
        json.dumps({"tokens": {"rmt": "x"}, "context": {str(n): n for n in range(50_000)}}).encode()
    )


def bombs() -> Iterator[bytes]:
    """Bodies that say that they are compressed, and answers that are worth compressing."""
    yield post(bytes(100_000), "Content-Encoding: gzip")
    yield post(bytes(100_000), "Content-Encoding: deflate, gzip, br")
    for number in range(8):
        yield get(f"/catalog?limit={1000 - number}", "Accept-Encoding: gzip")


def smuggling() -> Iterator[bytes]:
    """Requests whose end two readers would see in two places."""
    inner = get("/admin/status")
    yield post(b"", "Content-Length: 5") + inner
    yield (
        b"POST /verify HTTP/1.1\r\nHost: x\r\nContent-Length: 4\r\n"
        b"Transfer-Encoding: chunked\r\n\r\n0\r\n\r\n" + inner
    )
    yield (
        b"POST /verify HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: xchunked\r\n\r\n0\r\n\r\n" + inner
    )
    yield b"GET /healthz HTTP/1.1\nHost: x\n\n" + inner
    yield b"GET /healthz HTTP/1.1\r\nHost: x\r\n Folded: y\r\n\r\n" + inner
    yield b"GET /healthz HTTP/1.1\r\nHost: x\r\nHost: y\r\n\r\n"
    yield (
        b"POST /verify HTTP/1.1\r\nHost: x\r\n"
        b"Transfer-Encoding: chunked\r\n\r\nffffffffffffffff1\r\n" + inner
    )


def bearers() -> Iterator[bytes]:
    """Tokens that prove nothing."""
    none = "eyJhbGciOiJub25lIn0.eyJzdWIiOiJhZG1pbiJ9."
    for token in (none, "x" * 8000, "a.b.c", "..", none.replace("none", "HS256")):
        for path in ("/admin/status", "/healthz", "/catalog"):
            yield get(path, f"Authorization: Bearer {token}")


def replays() -> Iterator[bytes]:
    """One idempotency key, ever other bodies; and ever other keys."""
    for number in range(20):
        yield post(json.dumps({"tokens": {"rmt": str(number)}}).encode(), "Idempotency-Key: same")
        yield post(b'{"tokens":{}}', f"Idempotency-Key: k{number}{'x' * 200}")


def injections() -> Iterator[bytes]:
    """Paths, queries and headers that want to be something else."""
    for path in (
        "/tokens?uri=%27%3BDROP%20TABLE%20tokens%3B--",
        "/tokens/rmt/..%2f..%2f..%2fetc%2fpasswd",
        "/tile/../../etc/passwd",
        "/snapshots/%00",
        "/evidence/%0d%0aSet-Cookie:%20a=b",
        "/errors/%3Cscript%3Ealert(1)%3C/script%3E",
        "/catalog?cursor=%F0%9F%92%A9&limit=1e9",
    ):
        yield get(
            path, "X-Request-ID: a\x1b[31mred", "X-Forwarded-For: 127.0.0.1", "X-Client-Cert: x"
        )


async def repeated(make: Callable[[], Iterator[bytes]], target: Target) -> None:
    """Send each message on a connection of its own, and read what comes."""
    for message in itertools.cycle(list(make())):
        with suppress(*ENDED), trio.move_on_after(2):
            stream = await target.tls()
            try:
                await stream.send_all(message)
                answer = bytes(await stream.receive_some(65536))
                assert not answer or answer.startswith(b"HTTP/1.1 "), answer[:100]
                assert b" 500 " not in answer[:40], (message[:200], answer)
            finally:
                await trio.aclose_forcefully(stream)
        await trio.sleep(PAUSE_SECONDS)


async def crowd(target: Target, *, task_status: trio.TaskStatus[None]) -> None:
    """Ten thousand connections that say nothing, from many addresses."""
    streams: list[trio.SocketStream] = []

    async def come(numbers: Iterator[int]) -> None:
        for number in numbers:
            address = number // CROWD_PER_ADDRESS
            with suppress(OSError):
                streams.append(
                    await target.plain(f"127.0.{1 + address // 250}.{1 + address % 250}")
                )

    numbers = iter(range(CROWD))
    async with trio.open_nursery() as nursery:
        for _ in range(50):
            nursery.start_soon(come, numbers)
    task_status.started()
    while True:
        # Whoever was cut comes again.
        await trio.sleep(PAUSE_SECONDS)
        gone = streams[:20]
        del streams[:20]
        for stream in gone:
            await trio.aclose_forcefully(stream)
        await come(iter(range(len(gone))))


HOLDING: Final[dict[str, Callable[[Target], Awaitable[None]]]] = {
    "slow_heads": slow_heads,
    "slow_bodies": slow_bodies,
    "never_reading": never_reading,
    "many_handshakes": many_handshakes,
    "wrong_certificates": wrong_certificates,
}
SENDING: Final[dict[str, Callable[[], Iterator[bytes]]]] = {
    "huge_heads": huge_heads,
    "deep_json": deep_json,
    "bombs": bombs,
    "smuggling": smuggling,
    "bearers": bearers,
    "replays": replays,
    "injections": injections,
}
SENDERS: Final = 4
KINDS: Final = (*HOLDING, *SENDING, "crowd")


@contextmanager
def cut() -> Iterator[None]:
    """Let a client that was cut go on; a failed assertion ends the attack."""
    with suppress(*ENDED):
        yield


async def attack(kind: str, target: Target) -> None:
    """Attack until standard input ends."""

    async def again_and_again(client: Callable[[], Awaitable[None]]) -> None:
        while True:
            with cut():
                await client()
            await trio.sleep(PAUSE_SECONDS)

    async with trio.open_nursery() as nursery:
        if kind == "crowd":
            await nursery.start(partial(crowd, target))
        elif kind in HOLDING:
            for _ in range(CLIENTS):
                nursery.start_soon(again_and_again, partial(HOLDING[kind], target))
        else:
            for _ in range(SENDERS):
                nursery.start_soon(again_and_again, partial(repeated, SENDING[kind], target))
        sys.stdout.write("attacking\n")
        sys.stdout.flush()
        await trio.to_thread.run_sync(sys.stdin.read)
        nursery.cancel_scope.cancel()


if __name__ == "__main__":
    trio.run(attack, sys.argv[1], Target(int(sys.argv[2]), Path(sys.argv[3])))
