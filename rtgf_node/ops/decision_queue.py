"""What waits to be written of the decision log: an answer is given only if its entry is kept.

In the mode `durable` an answer is given when its entry is on disk; many share one sync. In the mode
`batched` entries wait in a bounded buffer, and an answer waits only while the buffer is full: a
crash of the machine or the process loses at most what the buffer held, and the chain of what was
kept is whole. In both, no entry is dropped to give an answer: while entries cannot be written,
nothing is decided.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence

import structlog
import trio

from rtgf_node.core.decision import Draft
from rtgf_node.errors import Code, RtgfError
from rtgf_node.figures.decisions import DecisionFigures
from rtgf_node.ops.decision_writer import Batch, DecisionWriter
from rtgf_node.settings import DecisionsConfig
from rtgf_node.store.decision_store import DecisionStore

log = structlog.get_logger(__name__)

MAX_WAITING = 8192
"""Answers that may wait for the disk in the mode `durable`: at 1 KB each, a few megabytes."""

RETRY_SECONDS = 1.0
"""Between two tries to write what could not be written."""


class DecisionQueue:
    """Takes decisions and hands them to a thread that writes, once there is a file.

    Args:
      config: how answers are kept.
      written: told of each batch that is on disk, before those who wait for it are.

    Attributes:
      broken: why the chain cannot be gone on with; None in good times.
    """

    def __init__(
        self, config: DecisionsConfig, figures: DecisionFigures, written: Callable[[Batch], None]
    ) -> None:
        self._config = config
        self._figures = figures
        self._written = written
        self._writer: DecisionWriter | None = None
        self._gathering = Batch()
        self._in_flight: Batch | None = None
        self._write_error: Exception | None = None
        self.broken: str | None = None

    # --- what is asked of it --------------------------------------------------------------------

    @property
    def is_open(self) -> bool:
        """Whether there is a file to write to."""
        return self._writer is not None

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

    # --- its file -------------------------------------------------------------------------------

    def open(self, store: DecisionStore) -> None:
        """Write to this file from now on."""
        self._writer = DecisionWriter(store, self._finished)

    async def close(self) -> None:
        """Write what the thread has in hand, and end it; what waits may be for another file."""
        writer, self._writer = self._writer, None
        if writer is not None:
            await writer.aclose()

    async def drain(self) -> None:
        """Write all that waits, as far as the disk takes it, and close."""
        if self._writer is None:
            return
        while self._write_error is None and self.unwritten:
            self._kick()
            if self._in_flight is not None:
                await self._in_flight.done.wait()
        if self.unwritten:
            log.error("decisions_lost", count=self.unwritten, reason=str(self._write_error))
        await self.close()

    async def seal(self) -> None:
        """Write what was gathered and end the interval after it."""
        batch = self._gathering
        batch.seal = True
        self._kick()
        while not batch.done.is_set():
            if self._in_flight is not None:
                await self._in_flight.done.wait()
            self._kick()

    async def write_regularly(self) -> None:
        """Write what waits in its time, until cancelled."""
        while True:
            failing = self._write_error is not None
            await trio.sleep(RETRY_SECONDS if failing else self._config.flush_every_seconds)
            # Nobody may be asking any more; the node becomes ready by itself when there is room.
            self._gathering.probe = self._write_error is not None
            self._kick()

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
            self._written(batch)
        if batch.drafts or batch.probe:
            self._write_error = batch.error
        self._figures.unwritten.set(self.unwritten)
        batch.done.set()
        if batch.error is None and (self._config.mode == "durable" or self._gathering.seal):
            self._kick()
