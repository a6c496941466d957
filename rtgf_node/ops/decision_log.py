"""The decision log: every answer to `/verify` and `/evaluate` becomes an entry that can be proved.

The entries are a chain in a file of their own, and the root of each interval of them goes into the
transparency log as an event. A chain that does not go on from the last root that the log holds is
broken: nothing is decided until an approver begins it anew.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from functools import partial
from pathlib import Path
from typing import Self

import structlog
import trio

from rtgf_node.actors.mailbox import Mailbox
from rtgf_node.actors.messages import Commit
from rtgf_node.core import decision, event
from rtgf_node.core.clock import Clock
from rtgf_node.core.decision import Interval
from rtgf_node.errors import Code, RtgfError
from rtgf_node.figures.decisions import DecisionFigures
from rtgf_node.ops.decision_queue import RETRY_SECONDS, DecisionQueue
from rtgf_node.ops.decision_writer import Batch
from rtgf_node.replication.commands import AppendEvents, RecordDecisionRoot
from rtgf_node.settings import DecisionsConfig
from rtgf_node.store import Store
from rtgf_node.store.decision_store import (
    DATABASE,
    DecisionReader,
    DecisionStore,
    chain_in,
    set_aside,
)

log = structlog.get_logger(__name__)

MAX_INTERVAL = 65_536
"""Entries after which an interval ends early: a proof reads all of one, in a tenth of a second."""

OPEN_SECONDS = 2.0
"""A node starts without its decisions after this: a member of a cluster may find no majority."""

STOP_SECONDS = 4.0
"""For the last root: less than the supervisor waits for an actor."""


class DecisionLog:
    """Owns the chain of this node's decisions.

    `run` is the part that the supervisor keeps alive; the writer thread lives as long as the `async
    with` around it.

    Attributes:
      reader: what is committed.
      keep, record, take: for whoever answers; see `DecisionQueue`.
    """

    def __init__(
        self,
        store: Store,
        *,
        config: DecisionsConfig,
        log: Mailbox,
        chain: str,
        actor: str,
        clock: Clock,
        figures: DecisionFigures,
        settled: Callable[[], Awaitable[None]],
    ) -> None:
        self._path: Path = store.folder / DATABASE
        self._roots = store.decision_roots
        self._config = config
        self._log = log
        self._chain = chain_in(self._path) or chain
        self._actor = actor
        self._clock = clock
        self._figures = figures
        self._settled = settled
        self._queue = DecisionQueue(config, figures, self._note_written)
        # Once for every answer: nothing stands in between.
        self.keep, self.record, self.take = self._queue.keep, self._queue.record, self._queue.take
        self._sealed: RecordDecisionRoot | None = None
        self._open_count = 0
        self._interval_full = trio.Event()
        self.reader = DecisionReader(self._path)

    # --- what is asked of it --------------------------------------------------------------------

    @property
    def chain(self) -> str:
        """The name under which the roots of this node's decisions are in the log."""
        return self._chain

    @property
    def fault(self) -> str | None:
        """Why nothing can be decided now; None in good times, and when nothing is recorded."""
        return self._queue.fault

    @property
    def broken(self) -> str | None:
        """Why the chain cannot be gone on with; None in good times."""
        return self._queue.broken

    @property
    def unwritten(self) -> int:
        """How many entries are not on disk yet."""
        return self._queue.unwritten

    async def restart(self, reason: str, *, actor: str) -> str:
        """Go on with an empty file after the last entry that the log holds a root of.

        The old file is kept beside it; the log says that, why and by whom. Returns the file's new
        name.

        Raises:
          RtgfError: RTGF_CONFLICT if the chain is whole; or the log does not take the event.
        """
        if self.broken is None:
            raise RtgfError(Code.RTGF_CONFLICT, "the chain of decisions is whole: nothing to do")
        await self._queue.close()
        self._sealed = None
        at = self._clock.now()
        kept = await trio.to_thread.run_sync(partial(set_aside, self._path, at=at))
        newest = self._roots.newest(self._chain)
        interval = decision.begin_anew(newest.last_seq if newest is not None else 0, reason)
        await self._log.ask(Commit(self._command(interval, at=at, actor=actor)))
        log.warning("decisions_begun_anew", after=interval.last_seq, kept=kept, by=actor)
        self._queue.broken = None
        await self._open()
        if self.broken is not None:
            raise RtgfError(Code.RTGF_TXP_STORE_DAMAGED, self.broken)
        return kept

    # --- its life -------------------------------------------------------------------------------

    async def __aenter__(self) -> Self:
        """Return itself; nothing is opened before `run`."""
        return self

    async def __aexit__(self, *_: object) -> None:
        """Write what still waits, and end the writer thread."""
        with trio.CancelScope(shield=True):
            await self._queue.drain()

    async def run(self, *, task_status: trio.TaskStatus[None] = trio.TASK_STATUS_IGNORED) -> None:
        """Check the chain, then write and log roots in their time, until cancelled."""
        if self._config.mode == "off":
            task_status.started()
            await trio.sleep_forever()
        with trio.move_on_after(OPEN_SECONDS):
            await self._open_settled()
        task_status.started()
        try:
            async with trio.open_nursery() as nursery:
                nursery.start_soon(self._open_settled)
                nursery.start_soon(self._queue.write_regularly)
                nursery.start_soon(self._log_roots)
        finally:
            with trio.move_on_after(STOP_SECONDS, shield=True):
                await self._log_root()

    async def _open_settled(self) -> None:
        """Open the file, once this node has every root that its log holds."""
        while not self._queue.is_open and self.broken is None:
            try:
                await self._settled()
            except RtgfError:
                await trio.sleep(RETRY_SECONDS)
                continue
            await self._open()
            if self.broken is not None:
                await self._report()

    async def _open(self) -> None:
        """Open the file and check its end against the last root that the log holds."""
        newest = self._roots.newest(self._chain)
        interval = newest.interval() if newest is not None else None
        try:
            store = await trio.to_thread.run_sync(DecisionStore.open, self._path, interval)
        except (RtgfError, OSError) as error:
            self._queue.broken = error.detail if isinstance(error, RtgfError) else str(error)
            return
        await trio.to_thread.run_sync(store.call, self._chain)
        self._open_count = store.open_count
        self._queue.open(store)

    async def _report(self) -> None:
        """Say in the log itself that the chain is broken."""
        assert self.broken is not None
        log.error("decision_chain_broken", detail=self.broken)
        incident = event.incident(
            self._chain,
            self.broken,
            at=self._clock.now(),
            actor=self._actor,
            what="decision_chain_broken",
        )
        try:
            await self._log.ask(Commit(AppendEvents((incident,)), covered=False))
        except RtgfError as error:
            log.error("incident_not_logged", detail=str(error))

    # --- roots ----------------------------------------------------------------------------------

    async def _log_roots(self) -> None:
        while True:
            with trio.move_on_after(self._config.root_every_seconds):
                await self._interval_full.wait()
            self._interval_full = trio.Event()
            await self._log_root()

    async def _log_root(self) -> None:
        """End the open interval and log its root; one that the log did not take goes first."""
        if not self._queue.is_open or self.broken is not None:
            return
        if self._sealed is None:
            await self._queue.seal()
        if self._sealed is None:
            return
        try:
            await self._log.ask(Commit(self._sealed, covered=False))
        except RtgfError as error:
            self._figures.roots_refused.inc()
            log.error("decision_root_not_logged", detail=str(error))
            if error.code is Code.RTGF_CONFLICT:
                await self._compare(self._sealed.interval, error)
            return
        self._figures.roots_logged.inc()
        self._sealed = None

    async def _compare(self, ours: Interval, refusal: RtgfError) -> None:
        """Go on after the root that the log holds, if it is one of this chain; else it is broken.

        What an earlier run of this node proposed may have come in after this run had looked.
        """
        newest = self._roots.newest(self._chain)
        if newest is None or newest.last_seq < ours.first_seq or not self._queue.is_open:
            self._queue.broken = f"the log holds other roots of these decisions: {refusal.detail}"
        else:
            self._sealed = None
            await self._queue.close()
            await self._open()
        if self.broken is not None:
            await self._report()

    def _note_written(self, batch: Batch) -> None:
        """Count the entries of the open interval; keep its end until its root is logged."""
        self._open_count += len(batch.drafts)
        if batch.sealed is not None:
            self._open_count = 0
            self._sealed = self._command(batch.sealed, at=self._clock.now(), actor=self._actor)
        if self._open_count >= MAX_INTERVAL:
            self._interval_full.set()

    def _command(self, interval: Interval, *, at: int, actor: str) -> RecordDecisionRoot:
        made = decision.root_event(interval, chain=self._chain, at=at, actor=actor)
        return RecordDecisionRoot(self._chain, interval, event.to_bytes(made))
