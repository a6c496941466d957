"""Real nodes for tests: a folder made as `rtgf init` makes it, authorities and lists around it, and
the program itself in a process of its own, asked over TLS.

`TestNode.client` is the typed client. `ask` sends any request and returns the answer as it came;
`send` writes bytes that no client library would write.
"""

from __future__ import annotations

import http.client
import json
import os
import shutil
import socket
import sqlite3
import ssl
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any, NamedTuple, cast

from rtgf_node import wire
from rtgf_node.cli import demo_world, node_folder
from rtgf_node.cli.demo_node import RunningNode, free_port
from rtgf_node.cli.node_folder import Wish
from rtgf_node.client import Node
from rtgf_node.core.canonical_json import parse
from rtgf_node.core.keys import KeySet
from rtgf_node.keys.key_provider import FileKeyProvider

CONTEXTS = Path(__file__).resolve().parents[1] / "config" / "policies" / "examples"
ORIGIN = "fma.example/log"
RATES = "\n[limits]\npublic_per_second = 10000.0\npublic_burst = 100000\n"
SELDOM = "\n[decisions]\nroot_every_seconds = 3600.0\n"
"""Where a test says nothing of decisions, no root of them comes into the log while it looks."""
PATIENCE_SECONDS = 60.0
"""After so long an answer is missing; nothing waits for it in good times."""


def context(name: str, **changes: Any) -> dict[str, Any]:
    """Return an example context with some members changed."""
    return {**json.loads((CONTEXTS / f"{name}.json").read_text()), **changes}


class Reply(NamedTuple):
    """An answer as it came. Header names in lower case."""

    status: int
    headers: Mapping[str, str]
    body: bytes

    def json(self) -> Any:
        """Return the body, which must be one JSON value with one meaning."""
        return parse(self.body, max_bytes=64 << 20)

    def problem(self, status: int, code: str) -> dict[str, Any]:
        """Return the problem document, which must be of this status and code."""
        assert self.status == status, (self.status, self.body)
        assert self.headers["content-type"] == "application/problem+json"
        document = self.json()
        assert set(document) - {"errors"} == {
            "type",
            "title",
            "status",
            "detail",
            "code",
            "instance",
        }
        assert (document["status"], document["code"]) == (status, code), document
        assert document["instance"] == self.headers["x-request-id"]
        assert document["type"].endswith(f"/errors/{code}")
        return cast("dict[str, Any]", document)


class TestNode:
    """A node folder under test.

    Attributes:
      folder: with `rtgf.toml`, `pki/`, `keys/`, `data/`, `authorities/`, `lists/`.
      world: the authorities' snapshots and a listed name.
    """

    __test__ = False

    def __init__(self, folder: Path, *, settings: str = RATES, lists: Path | None = None) -> None:
        self.folder = folder
        self._take_ports()
        wish = Wish(
            issuer="did:web:fma.example",
            url=self.url,
            bind=f"127.0.0.1:{self.port}",
            metrics_bind=f"127.0.0.1:{self.metrics_port}",
            passphrase_file=None,
            ca_days=30,
        )
        self.made = node_folder.make(folder, wish, at=int(time.time()))
        self.world = demo_world.prepare(folder, lists, at=int(time.time()))
        text = self.toml.read_text().replace(
            "allowed_hosts = []", "allowed_hosts = []\nallow_file = true"
        )
        log = f'[log]\norigin = "{ORIGIN}"\n'
        self._plain = f"{text}\n{self.world.settings}\n{log}"
        self._configure(settings)

    def copy(self, folder: Path, *, settings: str = RATES) -> TestNode:
        """Return a node that begins where this one stopped: same keys, log and tokens."""
        shutil.copytree(self.folder, folder)
        twin = TestNode.__new__(TestNode)
        twin.folder, twin.made, twin.world = folder, self.made, self.world
        twin._take_ports()
        twin._plain = (
            self._plain.replace(self.url, twin.url)
            .replace(f"127.0.0.1:{self.port}", f"127.0.0.1:{twin.port}")
            .replace(f"127.0.0.1:{self.metrics_port}", f"127.0.0.1:{twin.metrics_port}")
            .replace(str(self.folder), str(folder))
        )
        twin._configure(settings)
        return twin

    def _configure(self, settings: str) -> None:
        seldom = "" if "[decisions]" in settings else SELDOM
        self.toml.write_text(f"{seldom}{self._plain}{settings}")

    def _take_ports(self) -> None:
        self.port, self.metrics_port = free_port(), free_port()
        self.url = f"https://localhost:{self.port}"

    @property
    def toml(self) -> Path:
        """The settings file."""
        return self.folder / "rtgf.toml"

    @property
    def database(self) -> Path:
        """The store's file; for whoever tampers with it while the node is stopped."""
        return self.folder / "data" / "node.db"

    def client(self, role: str | None = None) -> Node:
        """Return a client with the certificate of `role`, or without one."""
        pki = self.folder / "pki"
        if role is None:
            return Node(self.url, ca_file=pki / "ca.pem")
        return Node(
            self.url,
            ca_file=pki / "ca.pem",
            certificate_file=pki / f"{role}.pem",
            key_file=pki / f"{role}.key",
        )

    @contextmanager
    def running(self) -> Iterator[RunningNode]:
        """Serve it; on leaving, SIGTERM."""
        with RunningNode(self.toml, self.folder / "node.log") as running:
            with self.client() as client:
                running.wait_ready(client)
            yield running

    def fetch(self, source: str | None = None) -> list[wire.FetchItem]:
        """Fetch all, as the operator."""
        with self.client("operator") as operator:
            return operator.fetch(source).items

    def compile(self, *, accept: bool = True, **wanted: Any) -> wire.BuildAnswer:
        """Build what is due and wait for its end; as the approver when conflicts are accepted."""
        with self.client("approver" if accept else "operator") as client:
            build = client.compile(wire.CompileRequest(accept_conflicts=accept, **wanted))
            while build.state == "running":
                time.sleep(0.02)
                build = client.build(build.build_id)
            return build

    def verify(
        self,
        imt: str | dict[str, Any] | None = "IMT:EU-SG:payments_aml:2026-10",
        *,
        rmt: str | dict[str, Any] | None = "RMT:SG:payments_aml:2026-10",
        **members: Any,
    ) -> wire.VerifyAnswer:
        """Ask `/verify` as a partner."""
        request = wire.VerifyRequest(tokens=wire.VerifyTokens(rmt=rmt, imt=imt), **members)
        with self.client("partner") as partner:
            return partner.verify(request)

    def revoke(self, *tokens: str, reason: str = "policy_withdrawn", act: str = "revoke") -> Reply:
        """Withdraw or reinstate tokens as the operator."""
        items = [{"token": token, "reason": reason} for token in tokens]
        return self.ask("POST", f"/admin/{act}", {"items": items}, role="operator")

    def keys(self) -> KeySet:
        """Return the key set as the node serves it."""
        return KeySet.from_jwks(self.ask("GET", "/jwks.json").json())

    def key_store(self) -> FileKeyProvider:
        """Return the node's own signing keys: what a thief of the folder would hold."""
        passphrase = (self.folder / "keys" / "passphrase").read_bytes().strip()
        return FileKeyProvider.open(self.folder / "keys", passphrase)

    def tls(self, role: str | None = None, *, pki: Path | None = None) -> ssl.SSLContext:
        """Return a context that trusts this node, with the certificate of `role` out of `pki`."""
        made = ssl.create_default_context(cafile=str(self.folder / "pki" / "ca.pem"))
        if role is not None:
            files = pki or self.folder / "pki"
            made.load_cert_chain(files / f"{role}.pem", files / f"{role}.key")
        return made

    def ask(
        self,
        method: str,
        path: str,
        body: Any = None,
        *,
        role: str | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> Reply:
        """Send a request and return the answer; `body` is bytes, or a value to send as JSON."""
        given = dict(headers or {})
        if body is not None and not isinstance(body, bytes):
            body = json.dumps(body).encode()
        if body is not None:
            given = {"Content-Type": "application/json"} | given
        connection = http.client.HTTPSConnection(
            "localhost", self.port, timeout=PATIENCE_SECONDS, context=self.tls(role)
        )
        with closing(connection):
            connection.request(method, path, body=body, headers=given)
            return _reply(connection.getresponse())

    @contextmanager
    def socket(self, role: str | None = None) -> Iterator[ssl.SSLSocket]:
        """Open a TLS connection."""
        plain = socket.create_connection(("127.0.0.1", self.port), timeout=PATIENCE_SECONDS)
        plain.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        with plain, self.tls(role).wrap_socket(plain, server_hostname="localhost") as stream:
            yield stream

    def send(self, data: bytes, *, role: str | None = None, method: str = "GET") -> Reply | None:
        """Write these bytes and return the answer; None if the connection is closed without one."""
        with self.socket(role) as stream:
            try:
                stream.sendall(data)
                response = http.client.HTTPResponse(stream, method=method)
                with closing(response):
                    response.begin()
                    return _reply(response)
            except (http.client.BadStatusLine, ConnectionError, ssl.SSLEOFError):
                return None

    def cli(self, *arguments: str | Path) -> subprocess.CompletedProcess[str]:
        """Run `rtgf` in the node's folder, as its operator does."""
        environ = {name: value for name, value in os.environ.items() if name[:5] != "RTGF_"}
        return subprocess.run(
            [sys.executable, "-m", "rtgf_node", *map(str, arguments)],
            cwd=self.folder,
            env={**environ, "PYTHONPATH": str(CONTEXTS.parents[2])},
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=3 * PATIENCE_SECONDS,
        )

    def tamper(self, edit: Callable[[sqlite3.Connection], object]) -> None:
        """Edit the stopped node's database, past the triggers that stop mistakes."""
        with closing(sqlite3.connect(self.database)) as conn:
            for (trigger,) in conn.execute("SELECT name FROM sqlite_master WHERE type = 'trigger'"):
                conn.execute(f"DROP TRIGGER {trigger}")
            edit(conn)
            conn.commit()

    def metrics(self) -> str:
        """Return what the metrics listener says."""
        connection = http.client.HTTPConnection(
            "127.0.0.1", self.metrics_port, timeout=PATIENCE_SECONDS
        )
        with closing(connection):
            connection.request("GET", "/metrics")
            reply = _reply(connection.getresponse())
        assert reply.status == 200
        return reply.body.decode()


def _reply(response: http.client.HTTPResponse) -> Reply:
    body = response.read()
    headers = {name.lower(): value for name, value in response.getheaders()}
    return Reply(response.status, headers, body)
