"""The life of a served node: its store, its place, the node; and all of it anew if need be."""

from __future__ import annotations

from functools import partial
from pathlib import Path

import structlog
import trio

from rtgf_node import cluster, start_checks, telemetry
from rtgf_node.core.clock import Clock
from rtgf_node.errors import Code, RtgfError
from rtgf_node.keys import key_files
from rtgf_node.keys.key_provider import FileKeyProvider
from rtgf_node.node import Node
from rtgf_node.process_signals import Signals
from rtgf_node.settings import Config
from rtgf_node.store import open_store
from rtgf_node.system_clock import SystemClock
from rtgf_node.waiting_room import WaitingRoom

log = structlog.get_logger(__name__)


def run(config: Config) -> None:
    """Run the node until SIGTERM or SIGINT. It never creates state: `rtgf init` does.

    Raises:
      RtgfError: the configuration, the keys or the store do not allow a start.
      GaveUpError: an actor kept crashing.
    """
    telemetry.configure()
    trio.run(partial(serve, config, SystemClock()))


async def serve(config: Config, clock: Clock) -> None:
    """Run the node in the caller's trio. Raises as `run`, in a group."""
    signals = Signals()
    async with trio.open_nursery() as nursery:
        await nursery.start(signals.listen)
        await _live(config, clock, signals)
        nursery.cancel_scope.cancel()


async def _live(config: Config, clock: Clock, signals: Signals) -> None:
    provider = FileKeyProvider.open(config.keys.folder, _secret(config.keys.passphrase_file))
    check_head = partial(start_checks.check_foreign_state, config.keys, clock)
    while not signals.stop.is_set():
        with open_store(config.node.data_dir) as store:
            async with cluster.place(config, store, clock, check_head=check_head) as place:
                if place.has_state:
                    await Node(config, clock, store, place, provider).run(signals)
                else:
                    # What could never be served is not worth a copy.
                    key_files.load(config.keys, at=clock.now())
                    await WaitingRoom(config, place).open_until_told(signals)
                if not place.restart_needed.is_set():
                    return
        log.info("begun_anew", reason="another member's state was taken")


def _secret(path: Path) -> bytes:
    try:
        return path.read_bytes().strip()
    except OSError as error:
        raise RtgfError(
            Code.RTGF_KEY_STORE_LOCKED,
            f"the passphrase file {path} cannot be read: {error.strerror}; keys.passphrase_file "
            "has to name it, and the user of the node to own it",
        ) from error
