"""News of revocations: a wake-up call, for those who read on in the store.

Nothing is handed over and nothing waits in a queue: who is woken reads what stands after the epoch
that it has come to. So nobody can miss anything, however slow, and no reader costs memory.
"""

from __future__ import annotations

import trio

from rtgf_node.core import times
from rtgf_node.core.canonical_json import JsonValue
from rtgf_node.replication.commands import Applied, Revoke
from rtgf_node.replication.replicator import Feed
from rtgf_node.store.revocation_store import RevocationRow


class RevocationNews:
    """Wakes whoever waits for the next revocation.

    Attributes:
      is_over: nothing more will be told; whoever waits should end.
    """

    def __init__(self, feed: Feed) -> None:
        self.is_over = False
        self._next = trio.Event()
        feed.subscribe("revocation news", self._hear)

    def next(self) -> trio.Event:
        """Return what is set at the next revocation. Take it before you look into the store."""
        return self._next

    def end(self) -> None:
        """Wake everybody for the last time."""
        self.is_over = True
        self._next.set()

    def _hear(self, applied: Applied) -> None:
        if isinstance(applied.command, Revoke) and not self.is_over:
            self._next.set()
            self._next = trio.Event()


def entry_of(row: RevocationRow) -> dict[str, JsonValue]:
    """Return a change of status as the signed list, the stream and the webhooks have it."""
    members: dict[str, JsonValue] = {
        "token_id": row.token_id,
        "jti": row.jti,
        "status": row.status,
        "reason": row.reason,
        "revEpoch": row.rev_epoch,
        "at": times.to_text(row.at),
    }
    if row.root_token is not None:
        members["root"] = row.root_token
    return members
