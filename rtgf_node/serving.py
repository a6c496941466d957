"""The life of a served node: its store, its place, the node; and all of it anew if need be."""

from __future__ import annotations

import signal
from functools import partial
from pathlib import Path

import structlog
import trio

from rtgf_node import cluster, start_checks, telemetry
from rtgf_node.api.listeners import Bound
from rtgf_node.core.clock import Clock
from rtgf_node.errors import Code, RtgfError
from rtgf_node.keys import key_files
from rtgf_node.keys.key_provider import FileKeyProvider
from rtgf_node.node import Node
from rtgf_node.place import Place
from rtgf_node.settings import Config
from rtgf_node.store import open_store
from rtgf_node.system_clock import SystemClock

log = structlog.get_logger(__name__)


def run(config: Config) -> None:
    """Run the node until SIGTERM or SIGINT. It never creates state: `rtgf init` does.

    Raises:
      RtgfError: the configuration, the keys or the store do not allow a start.
      GaveUpError: an actor kept crashing.
    """
    telemetry.configure()
    trio.run(partial(serve, config, SystemClock()))


async def serve(
    config: Config,
    clock: Clock,
    *,
    task_status: trio.TaskStatus[Bound] = trio.TASK_STATUS_IGNORED,
) -> None:
    """Run the node in the caller's trio; reports where it listens when it is ready."""
    provider = FileKeyProvider.open(config.keys.folder, _secret(config.keys.passphrase_file))
    told = False

    def started(bound: Bound) -> None:
        nonlocal told
        if not told:
            told = True
            task_status.started(bound)

    while True:
        with open_store(config.node.data_dir) as store:
            files = key_files.load(config.keys, at=clock.now())
            check_head = partial(start_checks.check_foreign_head, files)
            async with cluster.place(config, store, check_head=check_head) as place:
                if not await _has_state(place):
                    return
                if not place.restart_needed.is_set():
                    node = Node(config, clock, store, place, provider)
                    await node.run(started)
                if not place.restart_needed.is_set():
                    return
        log.info("begun_anew", reason="another member's state was taken")


async def _has_state(place: Place) -> bool:
    """Wait until there is something to serve; say no if the node is told to stop before.

    At SIGHUP it takes its certificates anew: they may be why nobody lets it in.
    """
    if place.has_state:
        return True
    log.info("waiting_for_the_state_of_the_cluster")
    came = False

    async def wait(event: trio.Event, *, means: bool) -> None:
        nonlocal came
        await event.wait()
        came = means
        nursery.cancel_scope.cancel()

    async with trio.open_nursery() as nursery:
        nursery.start_soon(partial(wait, place.restart_needed, means=True))
        nursery.start_soon(partial(wait, place.failed, means=False))
        with trio.open_signal_receiver(signal.SIGTERM, signal.SIGINT, signal.SIGHUP) as signals:
            async for received in signals:
                if received != signal.SIGHUP:
                    nursery.cancel_scope.cancel()
                    break
                _read_certificates(place)
    if place.failed.is_set():
        raise RuntimeError("the member failed") from place.error
    return came


def _read_certificates(place: Place) -> None:
    try:
        place.reload()
    except RtgfError as error:
        log.error("certificates_not_reloaded", detail=str(error))


def _secret(path: Path) -> bytes:
    try:
        return path.read_bytes().strip()
    except OSError as error:
        raise RtgfError(
            Code.RTGF_KEY_STORE_LOCKED, f"the passphrase file cannot be read: {error.strerror}"
        ) from error
