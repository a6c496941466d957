"""How a policy snapshot gets in: by its source or by push, always checked against pinned keys.

A source may have terms documents too; those go on to `terms_intake`.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial

from rtgf_node.actors.intake_door import IntakeDoor
from rtgf_node.actors.messages import AcceptSnapshot
from rtgf_node.actors.terms_intake import TermsIntake
from rtgf_node.core import policy_matrix, snapshot, terms_document
from rtgf_node.core.canonical_json import parse
from rtgf_node.core.snapshot import Snapshot
from rtgf_node.egress import Egress
from rtgf_node.errors import RtgfError
from rtgf_node.settings import SourceConfig
from rtgf_node.store import Store
from rtgf_node.wire import FetchItem, IntakeAnswer


class SnapshotIntake:
    """Fetches and checks snapshots for the fetcher actor.

    Args:
      door: checks who signed, and keeps the refusals.
      terms: takes in the terms documents that a source has.
    """

    def __init__(
        self, *, door: IntakeDoor, egress: Egress, store: Store, terms: TermsIntake
    ) -> None:
        self._door = door
        self._egress = egress
        self._store = store
        self._terms = terms

    async def fetch(self, source: SourceConfig, *, actor: str) -> list[FetchItem]:
        """Fetch a snapshot, or every snapshot of a policy matrix index; one item for each."""
        try:
            body = await self._get(source.uri)
            uris = _listed(body, base=source.uri)
        except RtgfError as error:
            await self._door.refuse(source.uri, b"", error)
            return [_refused(source.name, source.uri, error)]
        if uris is None:
            return [await self._take_one(source, source.uri, body, actor)]
        return [await self._fetch_one(source, uri, actor) for uri in uris]

    async def _fetch_one(self, source: SourceConfig, uri: str, actor: str) -> FetchItem:
        try:
            body = await self._get(uri)
        except RtgfError as error:
            await self._door.refuse(uri, b"", error)
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
        return await self._door.take(
            body,
            source=source,
            allowed=allowed,
            accept=partial(snapshot.accept, held_of=self._held),
            request=AcceptSnapshot(body=body, source=source, actor=actor),
        )

    def _held(self, jurisdiction: str, domain: str) -> Snapshot | None:
        row = self._store.intake.newest_snapshot(jurisdiction, domain)
        return snapshot.parse(row.body) if row is not None else None


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
