"""How a policy snapshot gets in: by its source or by push, always checked against pinned keys."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from rtgf_node.actors.mailbox import Mailbox
from rtgf_node.actors.messages import AcceptSnapshot, RecordRefusal
from rtgf_node.core import digests, policy_matrix, snapshot
from rtgf_node.core.canonical_json import parse
from rtgf_node.core.clock import Clock
from rtgf_node.core.keys import KeySet
from rtgf_node.egress import Egress
from rtgf_node.errors import RtgfError
from rtgf_node.settings import SourceConfig
from rtgf_node.telemetry import Metrics
from rtgf_node.wire import FetchItem, IntakeAnswer


class SnapshotIntake:
    """Fetches and checks snapshots for the fetcher actor.

    Args:
      authorities: pinned keys by authority DID; a snapshot of anybody else is refused.
    """

    def __init__(
        self,
        *,
        registry: Mailbox,
        egress: Egress,
        authorities: Mapping[str, KeySet],
        max_ttl_sec: int,
        clock: Clock,
        metrics: Metrics,
    ) -> None:
        self._registry = registry
        self._egress = egress
        self._authorities = authorities
        self._max_ttl = max_ttl_sec
        self._clock = clock
        self._metrics = metrics

    async def fetch(self, source: SourceConfig, *, actor: str) -> list[FetchItem]:
        """Fetch a snapshot, or every snapshot of a policy matrix index; one item for each."""
        items: list[FetchItem] = []
        try:
            body = (await self._egress.get(source.uri)).body or b""
            uris = policy_matrix.sources(parse(body), base=source.uri)
        except RtgfError as error:
            return [_refused(source.name, source.uri, error)]
        for uri in uris if uris is not None else [source.uri]:
            try:
                if uris is not None:
                    body = (await self._egress.get(uri)).body or b""
                taken = await self.take(body, source=uri, actor=actor, allowed=source.authorities)
            except RtgfError as error:
                items.append(_refused(source.name, uri, error))
            else:
                items.append(
                    FetchItem(source=source.name, outcome=taken.outcome, subject=taken.subject)
                )
        return items

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
            )
            taken = await self._registry.ask(AcceptSnapshot(body=body, source=source, actor=actor))
        except RtgfError as error:
            self._metrics.snapshot_validated(error.code.name)
            await self._registry.ask(
                RecordRefusal(
                    code=error.code.name,
                    subject=source,
                    digest=digests.sha256(body),
                    detail=str(error),
                )
            )
            raise
        self._metrics.snapshot_validated(taken.outcome)
        return taken


def _refused(source: str, subject: str, error: RtgfError) -> FetchItem:
    return FetchItem(
        source=source,
        outcome="refused",
        subject=subject,
        code=error.code.name,
        detail=str(error),
    )
