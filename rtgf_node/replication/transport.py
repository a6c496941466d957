"""What the Raft core's messages travel over, as the replicator sees it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol


class Transport(Protocol):
    """Carries messages to peers; it may lose, repeat and reorder them, but never alter them."""

    def send(self, to: int, messages: Sequence[bytes]) -> bool:
        """Queue messages to the member `to`, all or none, and return at once.

        Returns:
          False if they were dropped: no connection, no such member, or too much waits.
        """


class Inbox(Protocol):
    """What a transport tells, on the trio thread. A `RaftReplicator` is one."""

    def receive(self, sender: int, message: bytes) -> None:
        """Take a message of a member.

        The transport has looked that the certificate is that of the sender, and that the message
        is from the sender and to this node.
        """

    def unreachable(self, peer: int) -> None:
        """Hear that messages to a peer were lost."""
