"""How a waiver gets in: pushed, signed by a pinned approver, for a snapshot that is held."""

from __future__ import annotations

from collections.abc import Mapping

from rtgf_node.actors.mailbox import Mailbox
from rtgf_node.actors.messages import AcceptWaiver, RecordRefusal
from rtgf_node.core import snapshot, waiver
from rtgf_node.core.clock import Clock
from rtgf_node.core.keys import KeySet
from rtgf_node.core.policy.templates import Library
from rtgf_node.errors import Code, RtgfError
from rtgf_node.store import Store
from rtgf_node.wire import IntakeAnswer


class WaiverIntake:
    """Checks waivers for the fetcher actor.

    Args:
      approvers: pinned keys by approver DID; a waiver of anybody else is refused.
    """

    def __init__(
        self,
        *,
        registry: Mailbox,
        store: Store,
        approvers: Mapping[str, KeySet],
        library: Library,
        clock: Clock,
    ) -> None:
        self._registry = registry
        self._store = store
        self._approvers = approvers
        self._library = library
        self._clock = clock

    async def take(self, body: bytes, *, actor: str) -> IntakeAnswer:
        """Check a waiver and hand it on.

        Raises:
          RtgfError: why it is refused; the refusal is recorded before it is raised.
        """
        try:
            self._check(body)
            return await self._registry.ask(AcceptWaiver(body=body, actor=actor))
        except RtgfError as error:
            await self._registry.ask(RecordRefusal.of(error, subject="waiver", body=body))
            raise

    def _check(self, body: bytes) -> None:
        found = waiver.accept(body, approvers=self._approvers, at=self._clock.now())
        row = self._store.intake.snapshot_by_digest(found.policy_snapshot_hash)
        if row is None:
            raise RtgfError(
                Code.RTGF_NOT_FOUND,
                f"no snapshot with the hash {found.policy_snapshot_hash} is held; take it in first",
                pointer="/policy_snapshot_hash",
            )
        waiver.check_against(found, snapshot.parse(row.body), self._library)
