"""How a sanctions list gets in: fetched or pushed, read, gated, kept by content.

A file replaces the held one only if it can be read, is authentic as far as the configuration asks,
and is plausible. An implausible one is quarantined and the last good one stays in force until its
own maximum age; an operator may release it, see `quarantine`.
"""

from __future__ import annotations

import hmac
from decimal import Decimal
from typing import NamedTuple

import msgspec
import structlog
import trio

from rtgf_node.actors.mailbox import Mailbox
from rtgf_node.actors.messages import AcceptDataset, HoldDatasetBack, RecordRefusal
from rtgf_node.actors.quarantine import Quarantine
from rtgf_node.core import base64url, digests, keys
from rtgf_node.core.canonical_json import canonical_bytes
from rtgf_node.core.clock import Clock
from rtgf_node.core.lists import plausibility, record_file
from rtgf_node.core.lists.readers import READERS
from rtgf_node.core.lists.record import ReadResult, content_digest
from rtgf_node.core.times import to_text
from rtgf_node.egress import Egress, Fetched
from rtgf_node.errors import Code, RtgfError
from rtgf_node.replication.commands import RecordDataset, decode_record
from rtgf_node.settings import DatasetConfig
from rtgf_node.store import Store
from rtgf_node.store.intake_store import DatasetRow, QuarantineRow
from rtgf_node.telemetry import Metrics
from rtgf_node.wire import FetchItem, IntakeAnswer

log = structlog.get_logger(__name__)


class Examined(NamedTuple):
    """A file that could be read: what to record, and why it is not plausible, if so.

    `held_back` has the digests of its files in quarantine.
    """

    record: RecordDataset
    unreadable: int
    implausible: RtgfError | None
    held_back: frozenset[str]


class _Arrived(NamedTuple):
    """A file as it came: its parts, and what a later conditional fetch needs."""

    parts: dict[str, bytes]
    evidence: bytes | None
    etag: str | None = None
    last_modified: str | None = None


class DatasetIntake:
    """Fetches, reads and gates datasets for the fetcher actor."""

    def __init__(
        self,
        *,
        registry: Mailbox,
        egress: Egress,
        store: Store,
        clock: Clock,
        metrics: Metrics,
    ) -> None:
        self._registry = registry
        self._egress = egress
        self._store = store
        self._clock = clock
        self._metrics = metrics
        self._quarantined = Quarantine(store, clock)

    @property
    def quarantined(self) -> dict[str, str]:
        """Dataset name to the reason why its newest file is not in force."""
        return {row.name: row.reason for row in self.waiting()}

    def waiting(self) -> list[QuarantineRow]:
        """Return what waits in quarantine, sorted by the name of the list."""
        return self._quarantined.waiting()

    async def fetch(self, dataset: DatasetConfig, *, actor: str) -> FetchItem:
        """Fetch a dataset now. Whatever goes wrong is in the item, and recorded."""
        started = trio.current_time()
        try:
            arrived = await self._arrive(dataset)
            if arrived is None:
                return await self._confirm(dataset.name, actor)
            examined = await self._examine(dataset, arrived)
            return await self._decide(dataset.name, examined, actor)
        except RtgfError as error:
            if error.code is Code.RTGF_SANCTIONS_HASH_MISMATCH:
                self._metrics.hash_mismatch()
            await self._record_refusal(dataset.name, "", error)
            return FetchItem(
                source=dataset.name,
                outcome="refused",
                subject=dataset.name,
                code=error.code.name,
                detail=error.sentence,
            )
        finally:
            self._metrics.fetched(dataset.provider, trio.current_time() - started)

    async def push(self, dataset: DatasetConfig, body: bytes, *, actor: str) -> IntakeAnswer:
        """Take in a file that was sent, through the same checks as a fetched one.

        Raises:
          RtgfError: why it is refused or quarantined.
        """
        try:
            if len(dataset.parts()) > 1:
                raise RtgfError(
                    Code.RTGF_INPUT_INVALID, f"{dataset.name} has several files and is fetched only"
                )
            if dataset.authenticity != "tls_only":
                raise RtgfError(
                    Code.RTGF_SANCTIONS_UNSIGNED,
                    f"{dataset.name} needs a {dataset.authenticity} file, which a push cannot show",
                )
            examined = await self._examine(dataset, _Arrived({"": body}, None))
            if examined.implausible is not None:
                await self._quarantine(examined, examined.implausible)
                raise examined.implausible
        except RtgfError as error:
            await self._record_refusal(dataset.name, digests.sha256(body), error)
            raise
        return await self._put_in_force(examined.record, actor)

    async def release(self, dataset: DatasetConfig, *, actor: str) -> IntakeAnswer:
        """Put a quarantined file in force on an operator's word; the dataset event names them.

        Raises:
          RtgfError: RTGF_NOT_FOUND if nothing of that name is in quarantine.
        """
        for row in self.waiting():
            if row.name == dataset.name:
                record = decode_record(row.record)
                await trio.to_thread.run_sync(self._quarantined.let_out, row.name)
                return await self._put_in_force(record, actor, released=row.reason)
        raise RtgfError(Code.RTGF_NOT_FOUND, f"nothing of {dataset.name} is in quarantine")

    async def _arrive(self, dataset: DatasetConfig) -> _Arrived | None:
        """Fetch every part; None when the provider says that nothing changed."""
        held = self._store.intake.newest_dataset(dataset.name)
        known = held if dataset.uri is not None and held and held.uri == dataset.uri else None
        parts: dict[str, bytes] = {}
        fetched = Fetched(None, None, None)
        for part, uri in sorted(dataset.parts().items()):
            fetched = await self._egress.get(
                uri,
                etag=known.etag if known else None,
                last_modified=known.last_modified if known else None,
            )
            if fetched.body is None:
                return None
            parts[part] = fetched.body
        evidence = None
        if dataset.checksum_uri is not None:
            evidence = (await self._egress.get(dataset.checksum_uri)).body
        return _Arrived(parts, evidence, fetched.etag, fetched.last_modified)

    async def _confirm(self, name: str, actor: str) -> FetchItem:
        held = self._store.intake.newest_dataset(name)
        assert held is not None
        members = msgspec.structs.asdict(held) | {"retrieved_at": self._clock.now(), "event": b""}
        del members["checked_at"], members["leaf_index"]
        record = RecordDataset(**members)
        await self._put_in_force(record, actor)
        return FetchItem(
            source=name,
            outcome="unchanged",
            subject=f"{name}:{held.version}",
            records=held.record_count,
            raw_sha256=held.raw_sha256,
            content_sha256=held.content_sha256,
        )

    async def _examine(self, dataset: DatasetConfig, arrived: _Arrived) -> Examined:
        now = self._clock.now()
        held = self._store.intake.newest_dataset(dataset.name)
        counts = self._store.intake.counts_since(dataset.name, now - plausibility.PEAK_SECONDS)
        return await trio.to_thread.run_sync(self._read, dataset, arrived, held, counts, now)

    def _read(
        self,
        dataset: DatasetConfig,
        arrived: _Arrived,
        held: DatasetRow | None,
        counts: list[int],
        now: int,
    ) -> Examined:
        """Check, parse and keep one file; runs in a thread."""
        raw = _raw(arrived.parts)
        signature_state = _authentic(dataset, raw, arrived.evidence)
        reader = READERS[dataset.reader]
        single = arrived.parts.get("")
        result: ReadResult = reader.read(single if single is not None else arrived.parts)
        body = record_file.write(result.records, reader=dataset.reader, version=reader.version)
        implausible = None
        max_shrink = Decimal(dataset.max_shrink)
        try:
            plausibility.check(
                count=len(result.records),
                published=result.published,
                held_count=held.record_count if held else None,
                held_published=held.published if held else None,
                limits=plausibility.Limits(
                    min_records=dataset.min_records,
                    max_records=dataset.max_records,
                    max_shrink=max_shrink,
                ),
                peak=plausibility.greatest(counts, max_shrink),
            )
        except RtgfError as error:
            implausible = error
        files = {raw, *arrived.parts.values(), body}
        held_back: frozenset[str] = frozenset()
        if implausible is not None:
            held_back = self._quarantined.keep(dataset.name, files)
        else:
            for file in files:
                self._store.objects.put(file)
        record = RecordDataset(
            name=dataset.name,
            version=f"{to_text(now)[:10]}-{digests.sha256(raw)[7:15]}",
            provider=dataset.provider,
            reader=dataset.reader,
            raw_sha256=digests.sha256(raw),
            content_sha256=content_digest(result.records, dataset.reader, reader.version),
            records_sha256=digests.sha256(body),
            record_count=len(result.records),
            published=result.published,
            retrieved_at=now,
            uri=dataset.uri or "",
            etag=arrived.etag,
            last_modified=arrived.last_modified,
            signature_state=signature_state,
            event=b"",
        )
        return Examined(record, len(result.unreadable), implausible, held_back)

    async def _decide(self, name: str, examined: Examined, actor: str) -> FetchItem:
        record, reason = examined.record, examined.implausible
        if reason is None:
            outcome = (await self._put_in_force(record, actor)).outcome
        else:
            outcome = "quarantined"
            await self._quarantine(examined, reason)
            await self._record_refusal(name, record.raw_sha256, reason)
        return FetchItem(
            source=name,
            outcome=outcome,
            subject=f"{name}:{record.version}",
            records=record.record_count,
            unreadable=examined.unreadable,
            raw_sha256=record.raw_sha256,
            content_sha256=record.content_sha256,
            code=reason.code.name if reason else None,
            detail=reason.sentence if reason else "",
        )

    async def _quarantine(self, examined: Examined, reason: RtgfError) -> None:
        record = examined.record
        log.warning("dataset_quarantined", dataset=record.name, detail=reason.sentence)
        await self._registry.ask(HoldDatasetBack(record=record, reason=reason.sentence))
        await self._tidy(record.name, examined.held_back)

    async def _put_in_force(
        self, record: RecordDataset, actor: str, *, released: str | None = None
    ) -> IntakeAnswer:
        answer = await self._registry.ask(
            AcceptDataset(record=record, actor=actor, released=released)
        )
        await self._tidy(record.name)
        return answer

    async def _tidy(self, name: str, newest: frozenset[str] = frozenset()) -> None:
        waiting = frozenset(row.name for row in self.waiting())
        await trio.to_thread.run_sync(self._quarantined.tidy, name, waiting, newest)

    async def _record_refusal(self, name: str, digest: str, error: RtgfError) -> None:
        await self._registry.ask(
            RecordRefusal(code=error.code.name, subject=name, digest=digest, detail=error.sentence)
        )


def _raw(parts: dict[str, bytes]) -> bytes:
    """Return the bytes that stand for the file: itself, or a manifest of its parts' digests."""
    if list(parts) == [""]:
        return parts[""]
    return canonical_bytes({part: digests.sha256(body) for part, body in parts.items()})


def _authentic(dataset: DatasetConfig, raw: bytes, evidence: bytes | None) -> str:
    """Return the signature state to record.

    Raises:
      RtgfError: RTGF_SANCTIONS_UNSIGNED when a signature is due and none, or a wrong one, came;
        RTGF_SANCTIONS_HASH_MISMATCH when the published checksum is another.
    """
    if dataset.authenticity == "signed":
        try:
            signature = base64url.decode((evidence or b"").strip().decode("ascii"))
            keys.verify_signature(base64url.decode(dataset.key or ""), raw, signature)
        except (RtgfError, UnicodeDecodeError) as error:
            raise RtgfError(
                Code.RTGF_SANCTIONS_UNSIGNED,
                f"{dataset.name} must be signed by its pinned key, and is not",
            ) from error
    elif dataset.authenticity == "checksum":
        stated = (evidence or b"").split(maxsplit=1)
        found = digests.sha256(raw).removeprefix("sha256:").encode()
        if not stated or not hmac.compare_digest(stated[0].lower(), found):
            raise RtgfError(
                Code.RTGF_SANCTIONS_HASH_MISMATCH,
                f"{dataset.name} does not have the checksum that its publisher states",
            )
    return dataset.authenticity
