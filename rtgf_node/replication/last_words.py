"""The last thing that a member says which found two histories: it has the leader log that.

It changes nothing itself any more. The incident may be lost with the connection; the evidence in
the member's folder is not.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

import trio

from rtgf_node.replication import raft_entries
from rtgf_node.replication.commands import AppendEvents, Proposal
from rtgf_node.replication.divergence import Divergence
from rtgf_node.replication.raftcore import wire
from rtgf_node.replication.transport import Transport

SENDING_SECONDS: Final = 0.5
"""In which a message leaves; the process may end after it."""


class LastWords:
    """Says them.

    Args:
      transport: to the peers.
      incident: makes the event that tells of a divergence.
      nonce: unique for this start of the process.
    """

    def __init__(
        self, transport: Transport, incident: Callable[[Divergence], bytes], nonce: bytes
    ) -> None:
        self._transport = transport
        self._incident = incident
        self._client = f"divergence:{nonce.hex()}"

    async def say(self, found: Divergence, leader: int) -> None:
        """Ask the leader to log it, if one is known."""
        if leader in {0, found.raft_id}:
            return
        command = AppendEvents(events=(self._incident(found),))
        said = raft_entries.encode_proposal(Proposal(self._client, 1, command))
        entry = raft_entries.encode([said])
        self._transport.send(leader, [wire.proposal(found.raft_id, leader, entry)])
        await trio.sleep(SENDING_SECONDS)
