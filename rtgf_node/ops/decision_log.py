"""The decision log: every answer to `/verify` and `/evaluate` becomes an entry that can be proved.

In the mode `durable` an answer is given when its entry is on disk; many share one sync. In the mode
`batched` entries wait in a bounded buffer, and an answer waits only while the buffer is full: a
crash of the machine or the process loses at most what the buffer held, and the chain of what was
kept is whole. In both, no entry is dropped to give an answer: while entries cannot be written,
nothing is decided. The root of each interval goes into the transparency log as an event.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from functools import partial
from pathlib import Path
from typing import Self

import structlog
import trio

from rtgf_node.actors.mailbox import Mailbox
from rtgf_node.actors.messages import Commit
from rtgf_node.core import decision, event
from rtgf_node.core.clock import Clock
from rtgf_node.core.decision import Draft, Interval
from rtgf_node.errors import Code, RtgfError
from rtgf_node.figures.decisions import DecisionFigures
from rtgf_node.ops.decision_writer import Batch, DecisionWriter
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

MAX_WAITING = 8192
"""Answers that may wait for the disk in the mode `durable`: at 1 KB each, a few megabytes."""

MAX_INTERVAL = 65_536
"""Entries after which an interval ends early: a proof reads all of one, in a tenth of a second."""

RETRY_SECONDS = 1.0
"""Between two tries to write what could not be written."""

OPEN_SECONDS = 2.0
"""A node starts without its decisions after this: a member of a cluster may find no majority."""

STOP_SECONDS = 4.0
"""For the last root: less than the supervisor waits for an actor."""


class DecisionLog:
    """Owns the chain of this node's decisions.

    `record` is called by whoever answers; `run` is the part that the supervisor keeps alive; the
    writer thread lives as long as the `async with` around both.

    Attributes:
      broken: why the chain cannot be gone on with; None in good times.
      reader: what is committed.
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
        self._writer: DecisionWriter | None = None
        self._gathering = Batch()
        self._in_flight: Batch | None = None
        self._sealed: RecordDecisionRoot | None = None
        self._open_count = 0
        self._interval_full = trio.Event()
        self._write_error: Exception | None = None
        self.broken: str | None = None
        self.reader = DecisionReader(self._path)

    # --- what is asked of it --------------------------------------------------------------------

    @property
    def chain(self) -> str:
        """The name under which the roots of this node's decisions are in the log."""
        return self._chain

    @property
    def fault(self) -> str | None:
        """Why nothing can be decided now; None in good times, and when nothing is recorded."""
        if self._config.mode == "off":
            return None
        if self.broken is not None:
            return self.broken
        if self._write_error is not None:
            return f"the decision log cannot be written: {self._write_error}"
        return None if self._writer is not None else "the decision log is not open yet"

    @property
    def unwritten(self) -> int:
        """How many entries are not on disk yet."""
        in_flight = len(self._in_flight.drafts) if self._in_flight is not None else 0
        return len(self._gathering.drafts) + in_flight

    def keep(self, draft: Draft) -> Awaitable[None] | None:
        """Keep a decision now, if that needs no waiting; else return `record`, to be awaited.

        Raises:
          RtgfError: as `record`.
        """
        config = self._config
        if config.mode != "batched" or self.unwritten >= config.batch_max:
            return self.record(draft)
        fault = self.fault
        if fault is not None:
            self._refuse_if(fault)
        self._gather(draft)
        self._figures.kept()
        return None

    async def record(self, draft: Draft) -> None:
        """Keep a decision; when it returns, the answer may be given.

        In the mode `durable` the entry is on disk then; in the mode `batched` it is there within
        `flush_every_seconds`. Cancelled, the entry may or may not be kept.

        Raises:
          RtgfError: RTGF_VERIFY_UNAVAILABLE if it cannot be kept: do not give the answer then.
        """
        match self._config.mode:
            case "off":
                return
            case "durable":
                await self._record_durably(draft)
            case "batched":
                await self._record_soon(draft)
        self._figures.kept()

    async def take(self, drafts: Sequence[Draft]) -> None:
        """Keep decisions that another process of this node made; all of them, or none.

        In the mode `batched` their answers are given already: it takes as long as it takes.

        Raises:
          RtgfError: RTGF_VERIFY_UNAVAILABLE in the mode `durable`, as `record`.
        """
        if self._config.mode == "durable":
            await self._record_durably(*drafts)
        elif self._config.mode == "batched":
            for draft in drafts:
                await self._when_there_is_room()
                self._gather(draft)
        self._figures.kept(len(drafts))

    async def restart(self, reason: str, *, actor: str) -> str:
        """Go on with an empty file after the last entry that the log holds a root of.

        The old file is kept beside it; the log says that, why and by whom. Returns the file's new
        name.

        Raises:
          RtgfError: RTGF_CONFLICT if the chain is whole; or the log does not take the event.
        """
        if self.broken is None:
            raise RtgfError(Code.RTGF_CONFLICT, "the chain of decisions is whole: nothing to do")
        if self._writer is not None:
            await self._writer.aclose()
            self._writer, self._sealed = None, None
        at = self._clock.now()
        kept = await trio.to_thread.run_sync(partial(set_aside, self._path, at=at))
        newest = self._roots.newest(self._chain)
        interval = decision.begin_anew(newest.last_seq if newest is not None else 0, reason)
        await self._log.ask(Commit(self._command(interval, at=at, actor=actor)))
        log.warning("decisions_begun_anew", after=interval.last_seq, kept=kept, by=actor)
        self.broken = None
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
            if self._writer is None:
                return
            while self._write_error is None and self.unwritten:
                self._kick()
                if self._in_flight is not None:
                    await self._in_flight.done.wait()
            if self.unwritten:
                log.error("decisions_lost", count=self.unwritten, reason=str(self._write_error))
            await self._writer.aclose()

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
                nursery.start_soon(self._write_regularly)
                nursery.start_soon(self._log_roots)
        finally:
            with trio.move_on_after(STOP_SECONDS, shield=True):
                await self._log_root()

    async def _open_settled(self) -> None:
        """Open the file, once this node has every root that its log holds."""
        while self._writer is None and self.broken is None:
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
            self.broken = error.detail if isinstance(error, RtgfError) else str(error)
            return
        await trio.to_thread.run_sync(store.call, self._chain)
        self._open_count = store.open_count
        self._writer = DecisionWriter(store, self._finished)

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

    # --- writing --------------------------------------------------------------------------------

    async def _record_durably(self, *drafts: Draft) -> None:
        self._refuse_if(self.broken)
        self._refuse_if(None if self._writer is not None else "it is not open yet")
        batch = self._gathering
        if len(batch.drafts) >= MAX_WAITING:
            self._refuse_if(f"{MAX_WAITING} decisions wait for the disk already")
        batch.drafts += drafts
        self._kick()
        await batch.done.wait()
        self._refuse_if(batch.error)

    async def _record_soon(self, draft: Draft) -> None:
        self._refuse_if(self.fault)
        while self.unwritten >= self._config.batch_max:
            self._kick()
            assert self._in_flight is not None
            await self._in_flight.done.wait()
            self._refuse_if(self.fault)
        self._gather(draft)

    async def _when_there_is_room(self) -> None:
        while self.fault is not None or self.unwritten >= self._config.batch_max:
            if self.fault is not None or self._in_flight is None:
                await trio.sleep(RETRY_SECONDS)
            else:
                await self._in_flight.done.wait()
            self._kick()

    def _gather(self, draft: Draft) -> None:
        drafts = self._gathering.drafts
        drafts.append(draft)
        if self._in_flight is None and len(drafts) * 2 >= self._config.batch_max:
            self._kick()

    def _refuse_if(self, reason: object) -> None:
        if reason is not None:
            self._figures.refused()
            raise RtgfError(
                Code.RTGF_VERIFY_UNAVAILABLE,
                "the decision cannot be recorded, so it is not given; the operator finds the "
                "reason at /readyz",
            )

    def _kick(self) -> None:
        """Hand what was gathered to the writer, unless it has some in hand; then it follows."""
        batch = self._gathering
        if self._writer is None or self._in_flight is not None or not batch:
            return
        self._in_flight, self._gathering = batch, Batch()
        self._writer.put(batch)

    def _finished(self, batch: Batch) -> None:
        """Take note of a batch that was written, or was not."""
        self._in_flight = None
        if batch.error is not None:
            if self._write_error is None:
                log.error("decisions_not_written", reason=str(batch.error))
            if self._config.mode == "batched":
                # These answers were given: their entries are kept until the disk takes them.
                self._gathering.drafts[:0] = batch.drafts
        else:
            if self._write_error is not None and (batch.drafts or batch.probe):
                log.info("decisions_written_again")
            self._open_count += len(batch.drafts)
            if batch.sealed is not None:
                self._open_count = 0
                self._sealed = self._command(batch.sealed, at=self._clock.now(), actor=self._actor)
        if batch.drafts or batch.probe:
            self._write_error = batch.error
        if self._open_count >= MAX_INTERVAL:
            self._interval_full.set()
        self._figures.unwritten.set(self.unwritten)
        batch.done.set()
        if batch.error is None and (self._config.mode == "durable" or self._gathering.seal):
            self._kick()

    async def _write_regularly(self) -> None:
        while True:
            failing = self._write_error is not None
            await trio.sleep(RETRY_SECONDS if failing else self._config.flush_every_seconds)
            # Nobody may be asking any more; the node becomes ready by itself when there is room.
            self._gathering.probe = self._write_error is not None
            self._kick()

    # --- roots ----------------------------------------------------------------------------------

    async def _log_roots(self) -> None:
        while True:
            with trio.move_on_after(self._config.root_every_seconds):
                await self._interval_full.wait()
            self._interval_full = trio.Event()
            await self._log_root()

    async def _log_root(self) -> None:
        """End the open interval and log its root; one that the log did not take goes first."""
        if self._writer is None or self.broken is not None:
            return
        if self._sealed is None:
            await self._seal()
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
        if newest is None or newest.last_seq < ours.first_seq or self._writer is None:
            self.broken = f"the log holds other roots of these decisions: {refusal.detail}"
        else:
            writer, self._writer, self._sealed = self._writer, None, None
            await writer.aclose()
            await self._open()
        if self.broken is not None:
            await self._report()

    async def _seal(self) -> None:
        """Write what was gathered and end the interval after it."""
        batch = self._gathering
        batch.seal = True
        self._kick()
        while not batch.done.is_set():
            if self._in_flight is not None:
                await self._in_flight.done.wait()
            self._kick()

    def _command(self, interval: Interval, *, at: int, actor: str) -> RecordDecisionRoot:
        made = decision.root_event(interval, chain=self._chain, at=at, actor=actor)
        return RecordDecisionRoot(self._chain, interval, event.to_bytes(made))
