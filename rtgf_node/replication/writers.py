"""Who does the blocking work of a replicator: a thread of its own, or nobody but the caller."""

from __future__ import annotations

import queue
import threading
from collections.abc import Callable
from typing import Any, Protocol, TypeVar

import trio

T = TypeVar("T")


class Writer(Protocol):
    """Runs what blocks. Whatever uses the writing connection goes through `run`, one by one."""

    async def run(self, work: Callable[[], T]) -> T:
        """Return what `work` returns, or raise what it raises. It is never left half-way."""

    async def aside(self, work: Callable[[], T]) -> T:
        """Do the same beside `run`, with work that has no part in the writing connection."""

    async def aclose(self) -> None:
        """End, when what was begun is done."""


class InlineWriter:
    """Runs everything where it is asked: for simulations, in which nothing happens meanwhile."""

    async def run(self, work: Callable[[], T]) -> T:
        """Run it now; see `Writer`."""
        return work()

    async def aside(self, work: Callable[[], T]) -> T:
        """Run it now; see `Writer`."""
        return work()

    async def aclose(self) -> None:
        """Do nothing."""


class _Job:
    """One call, and when `done`, what it came to."""

    def __init__(self, work: Callable[[], Any]) -> None:
        self.work = work
        self.result: Any = None
        self.error: BaseException | None = None
        self.done = trio.Event()


class ThreadWriter:
    """One thread, which starts with the first call.

    Our own, fed by a queue: crossing to a borrowed one costs about eight times as much.
    """

    def __init__(self) -> None:
        self._jobs: queue.SimpleQueue[_Job | None] = queue.SimpleQueue()
        self._thread: threading.Thread | None = None

    async def run(self, work: Callable[[], T]) -> T:
        """Run it on the thread; see `Writer`."""
        if self._thread is None:
            # A daemon: a process that ends without `aclose` is a process that was killed, and
            # SQLite is built for that.
            self._thread = threading.Thread(
                target=self._work,
                args=(trio.lowlevel.current_trio_token(),),
                name="raft-writer",
                daemon=True,
            )
            self._thread.start()
        job = _Job(work)
        self._jobs.put(job)
        with trio.CancelScope(shield=True):
            await job.done.wait()
        if job.error is not None:
            raise job.error
        result: T = job.result
        return result

    async def aside(self, work: Callable[[], T]) -> T:
        """Run it on a borrowed thread; see `Writer`."""
        return await trio.to_thread.run_sync(work)

    async def aclose(self) -> None:
        """End the thread."""
        if self._thread is not None:
            self._jobs.put(None)
            with trio.CancelScope(shield=True):
                await trio.to_thread.run_sync(self._thread.join)
            self._thread = None

    def _work(self, trio_token: trio.lowlevel.TrioToken) -> None:
        while (job := self._jobs.get()) is not None:
            try:
                job.result = job.work()
            except BaseException as error:  # noqa: BLE001  raised in the asker, on its thread
                job.error = error
            try:
                trio_token.run_sync_soon(job.done.set)
            except trio.RunFinishedError:
                return
