"""The door that every document of an authority comes in by: pinned keys, and refusals on record."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence

from rtgf_node.actors.mailbox import Mailbox, Request
from rtgf_node.actors.messages import RecordRefusal
from rtgf_node.core.clock import Clock
from rtgf_node.core.keys import KeySet
from rtgf_node.errors import RtgfError
from rtgf_node.telemetry import Metrics
from rtgf_node.wire import IntakeAnswer


class IntakeDoor:
    """Checks signed documents against the authorities' keys and hands them to the registry.

    Args:
      authorities: pinned keys by authority DID; a document of anybody else is refused.
      places: the jurisdictions that an authority is pinned for, by its DID.
      max_ttl_sec: how long a copy may be used at most.
    """

    def __init__(
        self,
        *,
        registry: Mailbox,
        authorities: Mapping[str, KeySet],
        places: Mapping[str, Collection[str]],
        max_ttl_sec: int,
        clock: Clock,
        metrics: Metrics,
    ) -> None:
        self._registry = registry
        self._authorities = authorities
        self._places = places
        self._max_ttl = max_ttl_sec
        self._clock = clock
        self._metrics = metrics

    async def take(
        self,
        body: bytes,
        *,
        source: str,
        allowed: Sequence[str] | None,
        accept: Callable[..., object],
        request: Request[IntakeAnswer],
    ) -> IntakeAnswer:
        """Check a document and hand it on.

        Args:
          body: the document as it came.
          source: where it came from; refusals are told under this name.
          allowed: narrows the authorities who may have signed.
          accept: checks the body with the keys, issuers, time, ttl and places that it is given.
          request: asks the registry to take it in.

        Raises:
          RtgfError: why it is refused; the refusal is counted and recorded before it is raised.
        """
        try:
            issuers = [did for did in self._authorities if allowed is None or did in allowed]
            accept(
                body,
                keys=KeySet(key for did in issuers for key in self._authorities[did]),
                issuers=issuers,
                at=self._clock.now(),
                max_ttl_sec=self._max_ttl,
                places=self._places,
            )
            taken = await self._registry.ask(request)
        except RtgfError as error:
            await self.refuse(source, body, error)
            raise
        self._metrics.snapshot_validated(taken.outcome)
        return taken

    async def refuse(self, subject: str, body: bytes, error: RtgfError) -> None:
        """Count a refusal and keep it."""
        self._metrics.snapshot_validated(error.code.name)
        await self._registry.ask(RecordRefusal.of(error, subject=subject, body=body))
