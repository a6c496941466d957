"""How a policy snapshot gets in: by its source or by push, always checked against pinned keys.

A source may have terms documents too; those go on to `terms_intake`.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence

from rtgf_node.actors.mailbox import Mailbox
from rtgf_node.actors.messages import AcceptSnapshot, RecordRefusal
from rtgf_node.actors.terms_intake import TermsIntake
from rtgf_node.core import digests, policy_matrix, snapshot, terms_document
from rtgf_node.core.canonical_json import parse
from rtgf_node.core.clock import Clock
from rtgf_node.core.keys import KeySet
from rtgf_node.core.snapshot import Snapshot
from rtgf_node.egress import Egress
from rtgf_node.errors import RtgfError
from rtgf_node.settings import SourceConfig
from rtgf_node.store import Store
from rtgf_node.telemetry import Metrics
from rtgf_node.wire import FetchItem, IntakeAnswer


class SnapshotIntake:
    """Fetches and checks snapshots for the fetcher actor.

    Args:
      authorities: pinned keys by authority DID; a snapshot of anybody else is refused.
      places: the jurisdictions that an authority is pinned for, by its DID.
      terms: takes in the terms documents that a source has.
    """

    def __init__(
        self,
        *,
        registry: Mailbox,
        egress: Egress,
        store: Store,
        authorities: Mapping[str, KeySet],
        places: Mapping[str, Collection[str]],
        max_ttl_sec: int,
        clock: Clock,
        metrics: Metrics,
        terms: TermsIntake,
    ) -> None:
        self._registry = registry
        self._egress = egress
        self._store = store
        self._authorities = authorities
        self._places = places
        self._max_ttl = max_ttl_sec
        self._clock = clock
        self._metrics = metrics
        self._terms = terms

    async def fetch(self, source: SourceConfig, *, actor: str) -> list[FetchItem]:
        """Fetch a snapshot, or every snapshot of a policy matrix index; one item for each."""
        try:
            body = await self._get(source.uri)
            uris = _listed(body, base=source.uri)
        except RtgfError as error:
            await self._record(source.uri, b"", error)
            return [_refused(source.name, source.uri, error)]
        if uris is None:
            return [await self._take_one(source, source.uri, body, actor)]
        return [await self._fetch_one(source, uri, actor) for uri in uris]

    async def _fetch_one(self, source: SourceConfig, uri: str, actor: str) -> FetchItem:
        try:
            body = await self._get(uri)
        except RtgfError as error:
            await self._record(uri, b"", error)
            return _refused(source.name, uri, error)
        return await self._take_one(source, uri, body, actor)

    async def _take_one(self, source: SourceConfig, uri: str, body: bytes, actor: str) -> FetchItem:
        try:
            intake = self._terms if _is_terms(body) else self
            taken = await intake.take(body, source=uri, actor=actor, allowed=source.authorities)
        except RtgfError as error:
            return _refused(source.name, uri, error)
        return FetchItem(source=source.name, outcome=taken.outcome, subject=taken.subject)

    async def _get(self, uri: str) -> bytes:
        return (await self._egress.get(uri)).body or b""

    async def take(
        self, body: bytes, *, source: str, actor: str, allowed: Sequence[str] | None = None
    ) -> IntakeAnswer:
        """Check a snapshot and hand it on. `allowed` narrows the authorities who may have signed.

        Raises:
          RtgfError: why it is refused; the refusal is counted and recorded before it is raised.
        """
        try:
            issuers = [did for did in self._authorities if allowed is None or did in allowed]
            snapshot.accept(
                body,
                keys=KeySet(key for did in issuers for key in self._authorities[did]),
                issuers=issuers,
                at=self._clock.now(),
                max_ttl_sec=self._max_ttl,
                places=self._places,
                held_of=self._held,
            )
            taken = await self._registry.ask(AcceptSnapshot(body=body, source=source, actor=actor))
        except RtgfError as error:
            await self._record(source, body, error)
            raise
        self._metrics.snapshot_validated(taken.outcome)
        return taken

    def _held(self, jurisdiction: str, domain: str) -> Snapshot | None:
        row = self._store.intake.newest_snapshot(jurisdiction, domain)
        return snapshot.parse(row.body) if row is not None else None

    async def _record(self, subject: str, body: bytes, error: RtgfError) -> None:
        """Count a refusal and keep it."""
        self._metrics.snapshot_validated(error.code.name)
        await self._registry.ask(
            RecordRefusal(
                code=error.code.name,
                subject=subject,
                digest=digests.sha256(body) if body else "",
                detail=error.sentence,
            )
        )


def _listed(body: bytes, *, base: str) -> list[str] | None:
    """Return the URIs if the body is an index; else it must be a snapshot, and is checked as one.

    Raises:
      RtgfError: RTGF_POL_MATRIX_SCHEMA_INVALID for an index that does not fit its schema.
    """
    try:
        document = parse(body, max_bytes=snapshot.MAX_SNAPSHOT_BYTES)
    except RtgfError:
        return None
    return policy_matrix.sources(document, base=base)


def _is_terms(body: bytes) -> bool:
    try:
        return terms_document.is_terms(parse(body, max_bytes=snapshot.MAX_SNAPSHOT_BYTES))
    except RtgfError:
        return False


def _refused(source: str, subject: str, error: RtgfError) -> FetchItem:
    return FetchItem(
        source=source,
        outcome="refused",
        subject=subject,
        code=error.code.name,
        detail=error.sentence,
    )
