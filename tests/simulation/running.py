"""How a seed is run: one process, one thread, one order of everything."""

from __future__ import annotations

import atexit
import os
import shutil
import sqlite3
import tempfile
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import cache
from pathlib import Path
from typing import Any, NamedTuple, NoReturn
from unittest import mock

import structlog
import trio
import trio.testing

from rtgf_node.replication.raftcore import core
from rtgf_node.store import create_store, schema
from tests.simulation.trace import BrokenPromiseError, Trace
from tests.simulation.world import World

MEMORY = Path("/dev/shm")
"""Where disks are kept, if there is such a folder."""

FRESH_SECONDS = 0.5
"""As long as an election, which takes twice as long here as with the settings of a node."""


class Result(NamedTuple):
    """What a seed came to.

    Attributes:
      digest: of everything that happened, in order.
      faults: how many of every kind.
      seen: what else happened, how often.
      seconds: simulated ones.
    """

    digest: str
    faults: Counter[str]
    seen: Counter[str]
    seconds: float


def simulate(seed: int, *, show: Callable[[str], None] | None = None) -> Result:
    """Run a seed.

    Args:
      seed: from which everything follows.
      show: hears of every event.

    Raises:
      BrokenPromiseError: a promise was broken.
    """
    trace = Trace(show)
    root = MEMORY if os.access(MEMORY, os.W_OK) else None
    with tempfile.TemporaryDirectory(prefix="rtgf-simulation-", dir=root) as folder:
        clock = trio.testing.MockClock(autojump_threshold=0)
        with _one_order(seed), _quickly():
            core.seed(seed)
            world = World(seed, folder=Path(folder), empty_store=_empty_store(), trace=trace)
            try:
                trio.run(world.run, clock=clock)
            except BaseExceptionGroup as error:
                # Whatever nobody expected is a broken promise too, and the seed is to be known.
                raise _broken(seed, f"it ended with {error!r}", world, trace) from error
    if trace.broken is not None:
        raise _broken(seed, trace.broken, world, trace)
    return Result(trace.digest(), trace.faults, trace.seen, clock.current_time())


def _broken(seed: int, what: str, world: World, trace: Trace) -> BrokenPromiseError:
    return BrokenPromiseError(
        f"seed {seed}: {what}\n{world.scenario}\n{trace.newest()}\n"
        f"everything that happened: python -m tests.simulation {seed}"
    )


@contextmanager
def _one_order(seed: int) -> Iterator[None]:
    """Let trio's tasks take their turns in an order that follows from the seed."""
    run = trio._core._run
    held = run._r.getstate()
    with mock.patch.object(run, "_ALLOW_DETERMINISTIC_SCHEDULING", new=True):
        run._r.seed(seed)
        try:
            yield
        finally:
            run._r.setstate(held)


@contextmanager
def _quickly() -> Iterator[None]:
    """Leave out what costs much time and is tested elsewhere: migrations, and words of the log."""
    config = structlog.get_config()
    structlog.configure(processors=[_drop])
    with (
        mock.patch("rtgf_node.store.node_store.migrate", _migrate),
        mock.patch("rtgf_node.store.snapshot_file.migrate", _migrate),
        mock.patch("rtgf_node.replication.freshness.FRESH_SECONDS", FRESH_SECONDS),
    ):
        try:
            yield
        finally:
            structlog.configure(**config)


def _drop(_logger: Any, _method: str, _event: Any) -> NoReturn:
    raise structlog.DropEvent


@cache
def _empty_store() -> Path:
    """Make a store once for the process."""
    folder = Path(tempfile.mkdtemp(prefix="rtgf-simulation-empty-", dir=None))
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    create_store(folder).close()
    return folder


@cache
def _schema() -> sqlite3.Connection:
    conn = sqlite3.connect(":memory:", isolation_level=None)
    schema.migrate(conn)
    return conn


def _migrate(conn: sqlite3.Connection) -> None:
    """Give an empty database the tables in one copy; another one has them."""
    if conn.execute("SELECT 1 FROM sqlite_master LIMIT 1").fetchone() is None:
        _schema().backup(conn)
