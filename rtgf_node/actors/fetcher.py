"""The fetcher actor: goes where the rules and the lists are published, by schedule or when asked.

Only what passed every check goes on to the registry; what did not is refused with its code, counted
and recorded (`snapshot_intake`, `dataset_intake`).
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import NamedTuple

import structlog
import trio

from rtgf_node.actors.dataset_intake import DatasetIntake
from rtgf_node.actors.mailbox import Envelope, Mailbox
from rtgf_node.actors.messages import (
    Fetch,
    PushDataset,
    PushSnapshot,
    PushTerms,
    PushWaiver,
    ReleaseQuarantine,
)
from rtgf_node.actors.snapshot_intake import SnapshotIntake
from rtgf_node.actors.terms_intake import TermsIntake
from rtgf_node.actors.waiver_intake import WaiverIntake
from rtgf_node.errors import Code, RtgfError
from rtgf_node.settings import DatasetConfig, SourceConfig
from rtgf_node.store.intake_store import QuarantineRow
from rtgf_node.wire import FetchAnswer, FetchItem

log = structlog.get_logger(__name__)

GOOD = frozenset({"accepted", "unchanged"})
"""Outcomes of a fetch that leave nothing to do."""


class Watched(NamedTuple):
    """A source or list as its schedule stands; `due` and `fetched` are times of trio's clock."""

    name: str
    kind: str
    schedule_seconds: int
    due: float
    fetched: float | None = None
    outcome: str | None = None
    detail: str = ""
    subject: str = ""


class FetcherActor:
    """Owns the schedule of sources and lists.

    Args:
      leads: whether this node does now what one node of a cluster does for all.
    """

    def __init__(
        self,
        mailbox: Mailbox,
        *,
        snapshots: SnapshotIntake,
        datasets: DatasetIntake,
        waivers: WaiverIntake,
        terms: TermsIntake,
        source_configs: Sequence[SourceConfig],
        dataset_configs: Sequence[DatasetConfig],
        leads: Callable[[], bool],
    ) -> None:
        self._mailbox = mailbox
        self._leads = leads
        self._snapshots = snapshots
        self._datasets = datasets
        self._waivers = waivers
        self._terms = terms
        self._sources = {source.name: source for source in source_configs}
        self._lists = {dataset.name: dataset for dataset in dataset_configs}
        self._due: dict[str, float] = {}
        self._last: dict[str, tuple[float, FetchItem]] = {}

    @property
    def quarantined(self) -> dict[str, str]:
        """Dataset name to the reason why its newest file is not in force."""
        return self._datasets.quarantined

    def waiting(self) -> list[QuarantineRow]:
        """Return what waits in quarantine, sorted by the name of the list."""
        return self._datasets.waiting()

    def watched(self) -> list[Watched]:
        """Return how each source and list went last, and when it is due."""
        named = [("source", one.name, one.schedule_seconds) for one in self._sources.values()]
        named += [("list", one.name, one.schedule_seconds) for one in self._lists.values()]
        found = []
        for kind, name, seconds in named:
            one = Watched(name, kind, seconds, self._due.get(name, trio.current_time()))
            if name in self._last:
                at, item = self._last[name]
                detail = f"{item.code or ''} {item.detail}".strip()
                one = one._replace(
                    fetched=at, outcome=item.outcome, detail=detail, subject=item.subject
                )
            found.append(one)
        return found

    async def run(self, *, task_status: trio.TaskStatus[None] = trio.TASK_STATUS_IGNORED) -> None:
        """Answer requests, and fetch what is due, until cancelled."""
        for name in (*self._sources, *self._lists):
            self._schedule(name)
        task_status.started()
        while True:
            envelope: Envelope | None = None
            with trio.move_on_at(min(self._due.values(), default=math.inf)):
                envelope = await self._mailbox.receive()
            if envelope is None:
                name = min(self._due, key=self._due.__getitem__)
                await self._fetch_due(name)
            else:
                await self._serve(envelope)

    async def _fetch_due(self, name: str) -> None:
        if not self._leads():
            self._schedule(name)
            return
        try:
            await self._fetch_one(name, "schedule")
        except RtgfError as error:
            # The log takes nothing now: it is fetched again in its time.
            log.warning("fetch_not_recorded", source=name, detail=error.detail)

    async def _serve(self, envelope: Envelope) -> None:
        with self._mailbox.answering(envelope):
            match envelope.request:
                case Fetch(source, actor):
                    names = [*self._sources, *self._lists] if source is None else [source]
                    items: list[FetchItem] = []
                    for name in names:
                        items += await self._fetch_one(name, actor)
                    envelope.reply(FetchAnswer(items=items))
                case PushSnapshot(body, actor):
                    envelope.reply(await self._snapshots.take(body, source="push", actor=actor))
                case PushTerms(body, actor):
                    envelope.reply(await self._terms.take(body, source="push", actor=actor))
                case PushWaiver(body, actor):
                    envelope.reply(await self._waivers.take(body, actor=actor))
                case PushDataset(name, body, actor):
                    envelope.reply(await self._datasets.push(self._list(name), body, actor=actor))
                case ReleaseQuarantine(name, actor):
                    envelope.reply(await self._datasets.release(self._list(name), actor=actor))
                case unknown:
                    raise TypeError(f"not a fetcher request: {unknown!r}")

    async def _fetch_one(self, name: str, actor: str) -> list[FetchItem]:
        if name in self._sources:
            self._schedule(name)
            items = await self._snapshots.fetch(self._sources[name], actor=actor)
        else:
            dataset = self._list(name)
            self._schedule(name)
            items = [await self._datasets.fetch(dataset, actor=actor)]
        if items:
            # Of an index of many documents, the worst says how the source went.
            worst = next((one for one in items if one.outcome not in GOOD), items[-1])
            self._last[name] = trio.current_time(), worst
        return items

    def _list(self, name: str) -> DatasetConfig:
        if name not in self._lists:
            raise RtgfError(
                Code.RTGF_NOT_FOUND,
                f"no source and no dataset is named {name!r}; rtgf sources lists them",
            )
        return self._lists[name]

    def _schedule(self, name: str) -> None:
        every = (self._sources.get(name) or self._lists[name]).schedule_seconds
        self._due[name] = trio.current_time() + every
