"""How a terms document gets in: checked as a policy snapshot is, against the same pinned keys."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial

from rtgf_node.actors.intake_door import IntakeDoor
from rtgf_node.actors.messages import AcceptTerms
from rtgf_node.core import terms_document
from rtgf_node.core.terms_document import Subject, TermsDocument
from rtgf_node.store import Store
from rtgf_node.wire import IntakeAnswer


class TermsIntake:
    """Checks terms documents for the fetcher actor."""

    def __init__(self, *, door: IntakeDoor, store: Store) -> None:
        self._door = door
        self._store = store

    async def take(
        self, body: bytes, *, source: str, actor: str, allowed: Sequence[str] | None = None
    ) -> IntakeAnswer:
        """Check terms and hand them on. `allowed` narrows the authorities who may have signed.

        Raises:
          RtgfError: why they are refused; the refusal is counted and recorded before it is raised.
        """
        return await self._door.take(
            body,
            source=source,
            allowed=allowed,
            accept=partial(terms_document.accept, held_of=self._held),
            request=AcceptTerms(body=body, source=source, actor=actor),
        )

    def _held(self, subject: Subject) -> TermsDocument | None:
        row = self._store.terms.newest(*subject)
        return terms_document.parse(row.body) if row is not None else None
