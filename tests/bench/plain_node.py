"""A served node that answers on a second, plain port too: what HTTP costs without TLS.

    python -m tests.bench.plain_node FOLDER

prints that port once it listens, and serves until its standard input ends.
"""

from __future__ import annotations

import sys
from functools import partial
from pathlib import Path

import trio

from rtgf_node import cluster, config, telemetry
from rtgf_node.api import listeners
from rtgf_node.api.app import build_app, hot_routes
from rtgf_node.api.front import Front
from rtgf_node.keys.key_provider import FileKeyProvider
from rtgf_node.node import Node
from rtgf_node.process_signals import Signals
from rtgf_node.store import open_store
from rtgf_node.system_clock import SystemClock


async def main(folder: Path) -> None:
    """Serve the node of `folder`."""
    settings = config.load(folder / "rtgf.toml", environ={})
    passphrase = settings.keys.passphrase_file.read_bytes().strip()
    provider = FileKeyProvider.open(settings.keys.folder, passphrase)
    with open_store(settings.node.data_dir) as store:
        async with cluster.place(
            settings, store, SystemClock(), check_head=lambda _: None
        ) as place:
            node = Node(settings, SystemClock(), store, place, provider)
            desk = node._desk
            hot = Front(desk, hot_routes(desk), place.replicator.feed)
            async with trio.open_nursery() as nursery:
                await nursery.start(node.run, Signals())
                plain = partial(
                    listeners.serve,
                    build_app(desk),
                    settings.http,
                    tls=None,
                    bind="127.0.0.1:0",
                    hot=hot,
                )
                bound = await nursery.start(plain)
                sys.stdout.write(f"{bound.port}\n")
                sys.stdout.flush()
                await trio.to_thread.run_sync(sys.stdin.read)
                nursery.cancel_scope.cancel()


if __name__ == "__main__":
    telemetry.configure()
    trio.run(main, Path(sys.argv[1]))
