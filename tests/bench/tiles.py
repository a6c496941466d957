"""The log as files: a tile from a running node against nginx with the same file, and its size.

Both servers are asked over TLS 1.3 with the same certificate, on kept connections, by the same
client. nginx is the measure of what a file server can do here; a CDN in front of either is faster.
"""

from __future__ import annotations

import os
import shutil
import statistics
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from urllib.parse import urlsplit

from rtgf_node.cli.demo_node import free_port
from rtgf_node.store import create_store, open_store
from tests.bench.keep_alive import KeepAliveClient, request
from tests.bench.measure import Row, Skipped, alternate, rate, ratio
from tests.bench.serving import ALLOWED, CONNECTIONS
from tests.nodes import TestNode
from tests.public_log import grow, real_event

LEAVES = 1000
PIECES = {"tile of 256 hashes (8 KiB)": "tile/0/001", "bundle of 256 entries": "tile/entries/001"}
STORED = 100_000
QUICK_STORED = 20_000
START_SECONDS = 10.0

NGINX = """
daemon off;
{user}
worker_processes 1;
pid {folder}/nginx.pid;
error_log {folder}/error.log;
events {{ worker_connections 64; }}
http {{
  access_log off;
  default_type application/octet-stream;
  sendfile on;
  keepalive_requests 1000000000;
  keepalive_timeout 600s;
  client_body_temp_path {folder}/body;
  proxy_temp_path {folder}/proxy;
  fastcgi_temp_path {folder}/fastcgi;
  uwsgi_temp_path {folder}/uwsgi;
  scgi_temp_path {folder}/scgi;
  server {{
    listen 127.0.0.1:{port} ssl;
    ssl_certificate {pki}/node.pem;
    ssl_certificate_key {pki}/node.key;
    ssl_protocols TLSv1.3;
    root {folder}/www;
  }}
}}
"""


def measure(*, quick: bool) -> Iterator[Row | Skipped]:
    """Yield what a leaf takes on disk, then reads against nginx."""
    with tempfile.TemporaryDirectory(prefix="rtgf-bench-") as name:
        yield _stored(Path(name) / "stored", QUICK_STORED if quick else STORED)
        nginx = shutil.which("nginx")
        if nginx is None:
            for what in PIECES:
                yield Skipped(f"read of a {what}", "nginx is not here")
            return
        node = TestNode(Path(name) / "node", settings=ALLOWED)
        with open_store(node.folder / "data") as store:
            grow(store, LEAVES, make=real_event)
        with node.running():
            yield from _reads(node, nginx, Path(name), rounds=3 if quick else 7)


def _stored(folder: Path, leaves: int) -> Row:
    """What the store holds for a leaf: the event, its index and tiles, and SQLite's share."""
    with create_store(folder) as store:
        grow(store, leaves, make=real_event)
    on_disk = sum(file.stat().st_size for file in folder.rglob("*") if file.is_file())
    events = sum(len(real_event(number)) for number in range(leaves))
    return Row(
        f"bytes on disk a leaf, at {leaves:,} leaves",
        f"{on_disk / leaves:,.0f} bytes",
        f"the event itself: {events / leaves:,.0f} bytes",
        on_disk / events,
    )


def _reads(node: TestNode, nginx: str, folder: Path, *, rounds: int) -> Iterator[Row]:
    with node.client() as client:
        deadline = time.monotonic() + START_SECONDS
        while int(client.checkpoint().split(b"\n")[1]) < LEAVES:
            if time.monotonic() > deadline:
                raise RuntimeError("the bench's node does not sign its leaves")
            time.sleep(0.02)
    served = folder / "nginx"
    for path in PIECES.values():
        (served / "www" / path).parent.mkdir(parents=True, exist_ok=True)
        (served / "www" / path).write_bytes(node.ask("GET", f"/{path}").body)
    pki = node.folder / "pki"
    open_client = partial(
        KeepAliveClient,
        ca_file=pki / "ca.pem",
        certificate_file=pki / "partner.pem",
        key_file=pki / "partner.key",
        connections=CONNECTIONS,
    )
    address = urlsplit(node.url)
    host = address.hostname or ""
    with (
        _serving(nginx, served, pki) as port,
        open_client(host, address.port or 0) as ours,
        open_client(host, port) as theirs,
    ):
        for what, path in PIECES.items():
            asked = request("GET", f"/{path}", address.netloc)
            found = alternate(
                {"node": partial(ours.ask, asked), "nginx": partial(theirs.ask, asked)},
                rounds=rounds,
                at_least=CONNECTIONS * 4,
            )
            yield Row(
                f"read of a {what}",
                rate(statistics.median(found["node"])),
                f"nginx, the same file over TLS: {rate(statistics.median(found['nginx']))}",
                ratio(found["node"], found["nginx"]),
            )


@contextmanager
def _serving(nginx: str, folder: Path, pki: Path) -> Iterator[int]:
    """Run nginx over `folder`/www; yield its port."""
    port = free_port()
    settings = folder / "nginx.conf"
    # As root it would read as somebody else, who may not look into our folder.
    user = "user root;" if os.geteuid() == 0 else ""
    settings.write_text(NGINX.format(folder=folder, port=port, pki=pki, user=user))
    with subprocess.Popen([nginx, "-p", str(folder), "-c", str(settings)]) as process:
        try:
            deadline = time.monotonic() + START_SECONDS
            while not (folder / "nginx.pid").exists():
                if process.poll() is not None or time.monotonic() > deadline:
                    raise RuntimeError(f"nginx does not start; see {folder}/error.log")
                time.sleep(0.02)
            yield port
        finally:
            process.terminate()
