"""Objects that commands name: large bytes that travel beside the log and are there before it."""

from __future__ import annotations

from collections.abc import Collection
from typing import Protocol

from rtgf_node.replication.commands import Command, PublishBuild, RecordDataset, RecordFinding


class ObjectHolding(Protocol):
    """Where the bytes of objects are in the cluster."""

    def has(self, digest: str) -> bool:
        """Say whether this node holds the object."""

    async def hold(self, digests: Collection[str]) -> None:
        """Return when a majority of the voters hold these objects durably, this node included.

        Raises:
          RtgfError: RTGF_UNAVAILABLE if that takes too long; RTGF_NOT_FOUND if one is not here.
        """

    async def fetch(self, digests: Collection[str]) -> None:
        """Get these objects from other members; when it returns they are here.

        Raises:
          RtgfError: it did not work now.
        """


def named(command: Command) -> tuple[str, ...]:
    """Return the digests of the objects that a command rests on.

    A file in quarantine is not among them: it stays with the node that fetched it, and nothing
    rests on it until it is recorded.
    """
    match command:
        case RecordDataset():
            return (command.raw_sha256, command.records_sha256)
        case RecordFinding():
            return (command.evidence,)
        case PublishBuild():
            return (command.manifest_digest,)
        case _:
            return ()
