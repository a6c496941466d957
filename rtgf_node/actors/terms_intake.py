"""How a terms document gets in: checked as a policy snapshot is, against the same pinned keys."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence

from rtgf_node.actors.mailbox import Mailbox
from rtgf_node.actors.messages import AcceptTerms, RecordRefusal
from rtgf_node.core import digests, terms_document
from rtgf_node.core.clock import Clock
from rtgf_node.core.keys import KeySet
from rtgf_node.core.terms_document import Subject, TermsDocument
from rtgf_node.errors import RtgfError
from rtgf_node.store import Store
from rtgf_node.telemetry import Metrics
from rtgf_node.wire import IntakeAnswer


class TermsIntake:
    """Checks terms documents for the fetcher actor.

    Args:
      authorities: pinned keys by authority DID; terms of anybody else are refused.
      places: the jurisdictions that an authority is pinned for, by its DID.
    """

    def __init__(
        self,
        *,
        registry: Mailbox,
        store: Store,
        authorities: Mapping[str, KeySet],
        places: Mapping[str, Collection[str]],
        max_ttl_sec: int,
        clock: Clock,
        metrics: Metrics,
    ) -> None:
        self._registry = registry
        self._store = store
        self._authorities = authorities
        self._places = places
        self._max_ttl = max_ttl_sec
        self._clock = clock
        self._metrics = metrics

    async def take(
        self, body: bytes, *, source: str, actor: str, allowed: Sequence[str] | None = None
    ) -> IntakeAnswer:
        """Check terms and hand them on. `allowed` narrows the authorities who may have signed.

        Raises:
          RtgfError: why they are refused; the refusal is counted and recorded before it is raised.
        """
        try:
            issuers = [did for did in self._authorities if allowed is None or did in allowed]
            terms_document.accept(
                body,
                keys=KeySet(key for did in issuers for key in self._authorities[did]),
                issuers=issuers,
                at=self._clock.now(),
                max_ttl_sec=self._max_ttl,
                places=self._places,
                held_of=self._held,
            )
            taken = await self._registry.ask(AcceptTerms(body=body, source=source, actor=actor))
        except RtgfError as error:
            self._metrics.snapshot_validated(error.code.name)
            await self._registry.ask(
                RecordRefusal(
                    code=error.code.name,
                    subject=source,
                    digest=digests.sha256(body) if body else "",
                    detail=error.sentence,
                )
            )
            raise
        self._metrics.snapshot_validated(taken.outcome)
        return taken

    def _held(self, subject: Subject) -> TermsDocument | None:
        row = self._store.terms.newest(*subject)
        return terms_document.parse(row.body) if row is not None else None
