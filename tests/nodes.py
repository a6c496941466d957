"""Real nodes for tests: a folder made as `rtgf init` makes it, authorities and lists around it, and
the program itself in a process of its own, asked over TLS.
"""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from rtgf_node import wire
from rtgf_node.cli import demo_world, node_folder
from rtgf_node.cli.demo_node import RunningNode, free_port
from rtgf_node.cli.node_folder import Wish
from rtgf_node.client import Node

CONTEXTS = Path(__file__).resolve().parents[1] / "config" / "policies" / "examples"
RATES = "\n[limits]\npublic_per_second = 10000.0\npublic_burst = 100000\n"


def context(name: str, **changes: Any) -> dict[str, Any]:
    """Return an example context with some members changed."""
    return {**json.loads((CONTEXTS / f"{name}.json").read_text()), **changes}


class TestNode:
    """A node folder under test.

    Attributes:
      folder: with `rtgf.toml`, `pki/`, `keys/`, `data/`, `authorities/`, `lists/`.
      world: the authorities' snapshots and a listed name.
    """

    __test__ = False

    def __init__(self, folder: Path, *, settings: str = RATES, lists: Path | None = None) -> None:
        port = free_port()
        self.folder = folder
        self.url = f"https://localhost:{port}"
        wish = Wish(
            issuer="did:web:fma.example",
            url=self.url,
            bind=f"127.0.0.1:{port}",
            metrics_bind="",
            passphrase_file=None,
            ca_days=30,
        )
        self.made = node_folder.make(folder, wish, at=int(time.time()))
        self.world = demo_world.prepare(folder, lists, at=int(time.time()))
        toml = folder / "rtgf.toml"
        text = toml.read_text().replace(
            "allowed_hosts = []", "allowed_hosts = []\nallow_file = true"
        )
        toml.write_text(f"{text}\n{self.world.settings}\n{settings}")

    @property
    def toml(self) -> Path:
        """The settings file."""
        return self.folder / "rtgf.toml"

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
