"""HTTP under load, by wrk: the node's hot routes against what another server makes of as little.

Server and client have a core each. The contenders take turns in slices of a second; what is
compared is answers per second of the server's own processor time, which a busy machine does not
change.
"""

from __future__ import annotations

import os
import re
import shutil
import socket
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any, NamedTuple

import msgspec
from nacl import bindings

from tests.bench.measure import Row, Skipped, rate
from tests.nodes import TestNode, context

SETTINGS = """
[limits]
partner_per_second = 10000000.0
partner_burst = 10000000
public_per_second = 10000000.0
public_burst = 10000000
"""
TOKENS = {"rmt": "RMT:SG:payments_aml:2026-10", "imt": "IMT:EU-SG:payments_aml:2026-10"}
SMALL = "RMT:US:data_protection:2026-10"
"""The smallest token of the illustrative policies, about 4 KB."""

ROOM = """[http]
max_connections = 4000
max_connections_per_address = 200
keep_alive_seconds = 300.0
"""
CONNECTIONS = 32
BATCH = 100
PAUSE_MS = 5
"""What a connection waits before it asks, where the load is limited."""

IDLE = 1000
"""Connections, fifty from an address."""

TICKS = os.sysconf("SC_CLK_TCK")

UVICORN = """
import uvicorn
BODY = b"x" * 200
async def app(scope, receive, send):
    while (await receive()).get("more_body"):
        pass
    headers = [(b"content-length", b"200"), (b"content-type", b"application/json")]
    await send({"type": "http.response.start", "status": 200, "headers": headers})
    await send({"type": "http.response.body", "body": BODY})
config = uvicorn.Config(app, loop="uvloop", http="httptools", lifespan="off", log_level="error",
    access_log=False, port=0)
server = uvicorn.Server(config)
config.load()
sockets = [config.bind_socket()]
print(sockets[0].getsockname()[1], flush=True)
server.run(sockets)
"""


class Served(NamedTuple):
    """A server and one question to it."""

    pid: int
    url: str
    script: Path


class Slice(NamedTuple):
    """What one second of asking gave."""

    answers: int
    seconds: float
    cpu_seconds: float
    p99_ms: float

    @property
    def per_cpu_second(self) -> float:
        """Answers for a second of the server's processor time."""
        return self.answers / self.cpu_seconds


def measure(*, quick: bool) -> Iterator[Row | Skipped]:
    """Yield the rows."""
    if shutil.which("wrk") is None:
        yield Skipped("HTTP under load", "wrk, which asks, is not here")
        return
    rounds = 2 if quick else 7
    with tempfile.TemporaryDirectory(prefix="rtgf-bench-http-") as name, ExitStack() as stack:
        folder = Path(name)
        node = TestNode(folder / "node", settings=SETTINGS)
        node.toml.write_text(node.toml.read_text().replace("[http]\n", ROOM))
        with node.running():
            node.fetch()
            if node.compile().state != "published":
                raise RuntimeError("the bench's node did not publish")
        served, port = stack.enter_context(
            _process("-m", "tests.bench.plain_node", str(node.folder))
        )
        peer, peer_port = stack.enter_context(_process("-c", UVICORN))
        yield from _rows(folder, node, Ports(served, port, peer, peer_port), rounds)


class Ports(NamedTuple):
    """The node's process and its plain port; the peer's."""

    node: int
    plain: int
    peer: int
    peer_port: int


def _rows(folder: Path, node: TestNode, at: Ports, rounds: int) -> Iterator[Row]:
    asked = {"tokens": TOKENS}
    paid = {**asked, "context": context("payment-eu-sg")}
    plain, tls = f"http://127.0.0.1:{at.plain}", f"https://127.0.0.1:{node.port}"
    token = node.ask("GET", f"/tokens?uri={SMALL}").body
    whole = b'{"tokens":{"rmt":' + token + b"}}"
    bare = _bare_verify(token)
    contenders = {
        "uvicorn": Served(
            at.peer, f"http://127.0.0.1:{at.peer_port}/verify", _script(folder, asked)
        ),
        "verify": Served(at.node, f"{plain}/verify", _script(folder, asked)),
        "tls": Served(at.node, f"{tls}/verify", _script(folder, asked)),
        "payment": Served(at.node, f"{plain}/verify", _script(folder, paid)),
        "batch": Served(at.node, f"{plain}/verify/batch", _script(folder, [asked] * BATCH)),
        "uncached": Served(at.node, f"{plain}/verify", _ever_new(folder, whole)),
        "token": Served(at.node, f"{plain}/tokens?uri={TOKENS['rmt']}", _script(folder, None)),
        "tile": Served(at.node, f"{plain}/tile/0/000.p/1", _script(folder, None)),
    }
    found: dict[str, list[Slice]] = {label: [] for label in contenders}
    for _ in range(rounds):
        for label, contender in contenders.items():
            found[label].append(_ask(contender))
    base = "uvicorn with uvloop and httptools, 200 fixed bytes to the same POST"
    for label, title, against in (
        ("verify", "warm `/verify` of two tokens, plain HTTP", "uvicorn"),
        ("token", "`GET /tokens`, plain HTTP", "uvicorn"),
        ("tile", "a tile, plain HTTP", "uvicorn"),
        ("payment", "`/verify` of two tokens and a payment, plain HTTP", "uvicorn"),
        ("tls", "warm `/verify` of two tokens, TLS 1.3", "verify"),
    ):
        named = base if against == "uvicorn" else "the same, plain"
        yield Row(
            title,
            _said(found[label]),
            f"{named}: {_said(found[against])}",
            _times(found[against], found[label]),
        )
    yield _at_half_load(folder, contenders["verify"], asked, found["verify"])
    batches = statistics.median(one.per_cpu_second for one in found["batch"]) * BATCH
    single = statistics.median(one.per_cpu_second for one in found["verify"])
    yield Row(
        f"warm verifications in batches of {BATCH}, plain HTTP",
        f"{batches:,.0f} per s of CPU",
        f"one in a request: {single:,.0f} per s of CPU",
        single / batches,
    )
    uncached = statistics.median(one.per_cpu_second for one in found["uncached"])
    yield Row(
        f"uncached `/verify` of a token of {len(token):,} bytes, handed in whole, plain HTTP",
        f"{uncached:,.0f} per s of CPU",
        f"libsodium Ed25519 verify of as many bytes: {1 / bare:,.0f}/s",
        1 / uncached / bare,
    )
    yield _idle(node, at.node)


def _at_half_load(folder: Path, served: Served, asked: Any, full: list[Slice]) -> Row:
    """Measure how long answers take at half the load that the node can bear.

    Each connection of wrk pauses before it asks, so as many are used as make half the rate.
    """
    most = statistics.median(one.answers / one.seconds for one in full)
    script = _script(folder, asked)
    script.write_text(f"{script.read_text()}\nfunction delay() return {PAUSE_MS} end")
    connections = max(1, round(most / 2 * PAUSE_MS / 1000))
    half = [_ask(served._replace(script=script), connections) for _ in full]
    rates = statistics.median(one.answers / one.seconds for one in half)
    p99 = statistics.median(one.p99_ms for one in half)
    return Row(
        "p99 of warm `/verify` at half load, plain HTTP",
        f"{p99:.2f} ms at {rates:,.0f}/s",
        f"full load: {most:,.0f}/s",
        None,
    )


def _bare_verify(message: bytes) -> float:
    """Return the seconds that libsodium takes for one signature over as many bytes."""
    public, secret = bindings.crypto_sign_seed_keypair(bytes(32))
    signed = bindings.crypto_sign(message, secret)
    began, count = time.process_time(), 2000
    for _ in range(count):
        bindings.crypto_sign_open(signed, public)
    return (time.process_time() - began) / count


def _idle(node: TestNode, pid: int) -> Row:
    """Measure what a TLS connection at rest costs the node's process in memory."""
    before = _resident_bytes(pid)
    with ExitStack() as held:
        for number in range(IDLE):
            plain = held.enter_context(socket.socket())
            plain.bind((f"127.0.2.{1 + number // 50}", 0))
            plain.connect(("127.0.0.1", node.port))
            stream = node.tls().wrap_socket(plain, server_hostname="localhost")
            held.enter_context(stream)
        taken = (_resident_bytes(pid) - before) / IDLE
    return Row(
        f"memory of an idle TLS connection, of {IDLE:,}",
        f"{taken / 1024:.1f} KiB",
        "a bare OpenSSL session: about 20 KiB",
        None,
    )


def _resident_bytes(pid: int) -> int:
    return int(Path(f"/proc/{pid}/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")


def _times(base: list[Slice], contender: list[Slice]) -> float:
    """How much longer an answer takes than one of the baseline."""
    pairs = zip(base, contender, strict=True)
    return statistics.median(b.per_cpu_second / c.per_cpu_second for b, c in pairs)


def _said(slices: list[Slice]) -> str:
    walls = statistics.median(one.answers / one.seconds for one in slices)
    cpu = statistics.median(one.per_cpu_second for one in slices)
    p99 = statistics.median(one.p99_ms for one in slices)
    return f"{rate(1 / walls)}; {cpu:,.0f} per s of CPU; p99 {p99:.1f} ms"


def _script(folder: Path, body: Any) -> Path:
    """Write what wrk sends."""
    lines = ["wrk.method = 'GET'"]
    if body is not None:
        lines = _posted(msgspec.json.encode(body))
    return _written(folder, lines)


def _ever_new(folder: Path, body: bytes) -> Path:
    """Write a script of which each request has other white space at its end, in every round.

    What was asked in a round before would be remembered.
    """
    return _written(
        folder,
        [
            *_posted(body),
            "local count, body = os.time() % 256 * 65536, wrk.body",
            "function request()",
            "  count = count + 1",
            "  local rest, left = {}, count",
            "  for place = 1, 24 do",
            "    rest[place] = left % 2 == 0 and ' ' or '\\t'",
            "    left = math.floor(left / 2)",
            "  end",
            "  return wrk.format(nil, nil, nil, body .. table.concat(rest))",
            "end",
        ],
    )


def _posted(body: bytes) -> list[str]:
    return [
        "wrk.method = 'POST'",
        f"wrk.body = [==[{body.decode()}]==]",
        "wrk.headers['Content-Type'] = 'application/json'",
    ]


def _written(folder: Path, lines: list[str]) -> Path:
    path = folder / f"{len(list(folder.glob('*.lua')))}.lua"
    path.write_text("\n".join(lines))
    return path


def _ask(served: Served, connections: int = CONNECTIONS) -> Slice:
    before = _cpu_seconds(served.pid)
    core = max(os.sched_getaffinity(0))
    said = subprocess.run(
        [
            "taskset",
            "-c",
            str(core),
            "wrk",
            "-t1",
            f"-c{connections}",
            "-d1",
            "--latency",
            "-s",
            str(served.script),
            served.url,
        ],
        capture_output=True,
        text=True,
        check=True,
    ).stdout
    used = _cpu_seconds(served.pid) - before
    total = re.search(r"(\d+) requests in ([\d.]+)s", said)
    p99 = re.search(r"99%\s+([\d.]+)(us|ms|s)\b", said)
    if total is None or p99 is None or "Non-2xx" in said:
        raise RuntimeError(f"wrk: {said}")
    scale = {"us": 0.001, "ms": 1.0, "s": 1000.0}[p99[2]]
    return Slice(int(total[1]), float(total[2]), used, float(p99[1]) * scale)


def _cpu_seconds(pid: int) -> float:
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(") ")[2].split()
    return (int(fields[11]) + int(fields[12])) / TICKS


@contextmanager
def _process(*arguments: str) -> Iterator[tuple[int, int]]:
    """Run a server on the first core; yield its process id and the port it says."""
    core = min(os.sched_getaffinity(0))
    with subprocess.Popen(
        ["taskset", "-c", str(core), sys.executable, *arguments],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    ) as process:
        try:
            assert process.stdout is not None
            port = int(process.stdout.readline())
            while socket.socket().connect_ex(("127.0.0.1", port)):
                time.sleep(0.05)
            yield process.pid, port
        finally:
            process.terminate()
