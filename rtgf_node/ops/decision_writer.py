"""The thread that writes decisions: whatever waits is one transaction and one sync of the disk."""

from __future__ import annotations

import queue
import threading
from collections.abc import Callable

import trio

from rtgf_node.core.decision import Draft, Interval
from rtgf_node.store.decision_store import DecisionStore


class Batch:
    """Decisions that are written together.

    The writer thread reads the drafts and fills in what came of them; then the trio thread has it.

    Attributes:
      probe: whether to find out if the disk takes anything.
      seal: whether the open interval is to end after them.
      sealed: the interval that ended.
      error: why none of them was written; None when all are durable.
      done: set when they are written, or were not.
    """

    def __init__(self, drafts: list[Draft] | None = None) -> None:
        self.drafts: list[Draft] = drafts or []
        self.probe = False
        self.seal = False
        self.sealed: Interval | None = None
        self.error: Exception | None = None
        self.done = trio.Event()

    def __bool__(self) -> bool:
        """Whether there is anything to do."""
        return bool(self.drafts) or self.probe or self.seal


class DecisionWriter:
    """One thread over one store, fed by a queue; `finished` is told of each batch on trio's thread.

    The thread starts at once and ends with `aclose`, after everything that was put.
    """

    def __init__(self, store: DecisionStore, finished: Callable[[Batch], None]) -> None:
        self._store = store
        self._finished = finished
        self._batches: queue.SimpleQueue[Batch | None] = queue.SimpleQueue()
        # A daemon: a process that ends without `aclose` is a process that was killed, and SQLite
        # is built for that.
        self._thread = threading.Thread(
            target=self._write,
            args=(trio.lowlevel.current_trio_token(),),
            name="decisions",
            daemon=True,
        )
        self._thread.start()

    def put(self, batch: Batch) -> None:
        """Have a batch written after those that were put before."""
        self._batches.put(batch)

    async def aclose(self) -> None:
        """Write what was put, then end the thread and close the store."""
        self._batches.put(None)
        await trio.to_thread.run_sync(self._thread.join)
        self._store.close()

    def _write(self, trio_token: trio.lowlevel.TrioToken) -> None:
        while (batch := self._batches.get()) is not None:
            try:
                if batch.probe:
                    self._store.probe()
                if batch.drafts:
                    self._store.append(batch.drafts)
                if batch.seal:
                    batch.sealed = self._store.seal()
            except Exception as error:  # noqa: BLE001  told to whoever waits for the batch
                batch.error = error
            try:
                trio_token.run_sync_soon(self._finished, batch)
            except trio.RunFinishedError:
                return
