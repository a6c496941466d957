"""Two histories: what this node applied is not what the leader applied.

It cannot happen by what we know of. If it does, the node stops before it commits, keeps what shows
it, and does not vote again until somebody has looked.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Final

import msgspec

from rtgf_node.core import event
from rtgf_node.errors import Code, RtgfError
from rtgf_node.replication.commands import Applied, SignedHead
from rtgf_node.replication.raft_entries import Mark
from rtgf_node.store.log_writer import LogWriter
from rtgf_node.whole_file import write_whole

EVIDENCE: Final = "divergence.json"


class Divergence(msgspec.Struct, frozen=True):
    """What was found: the log of this node, and what another member says of the same one.

    Attributes:
      raft_id: of this node.
      tree_size: of which both speak.
      our_size: how many leaves there are here.
      our_root: the root here at `tree_size`; none if there are fewer leaves here.
      their_root: the root there.
      said_by: the member, 0 if it was a signed head.
      head: the signed head.
    """

    raft_id: int
    tree_size: int
    our_size: int
    our_root: str | None
    their_root: str
    said_by: int = 0
    head: str | None = None

    def incident(self, name: str, *, at: int, actor: str) -> bytes:
        """Return the entry that tells of it; `name` is that of the member that found it."""
        return event.incident(
            Code.RTGF_TXP_STORE_DAMAGED.name,
            f"member {name} held another log than the leader and stopped: of {self.tree_size} "
            f"entries its root is {self.our_root}, and theirs {self.their_root}",
            at=at,
            actor=actor,
        )


class DivergenceError(Exception):
    """This node and the leader hold different logs."""

    def __init__(self, found: Divergence) -> None:
        super().__init__(f"two histories of {found.tree_size} entries; see {EVIDENCE}")
        self.found = found


def check(raft_id: int, applied: Sequence[Applied], marks: Sequence[Mark], log: LogWriter) -> None:
    """Compare what was said of the log with the log here, inside the transaction that applies it.

    Raises:
      DivergenceError: they differ.
    """
    for mark in marks:
        _compare(raft_id, log, mark.tree_size, mark.root, said_by=mark.raft_id)
    for result in applied:
        command = result.command
        # One that was accepted was compared by that.
        if isinstance(command, SignedHead) and isinstance(result.outcome, RtgfError):
            head = command.document.decode(errors="replace")
            _compare(raft_id, log, command.tree_size, command.root, head=head)


def refuse(folder: Path) -> None:
    """Refuse to go on where two histories were found.

    Raises:
      RtgfError: RTGF_TXP_STORE_DAMAGED if they were.
    """
    if (folder / EVIDENCE).exists():
        raise RtgfError(
            Code.RTGF_TXP_STORE_DAMAGED,
            f"this node held another history than its leader; {folder / EVIDENCE} shows it. Find "
            "out which is right, then replace the wrong node by a new member",
        )


def keep(folder: Path, found: Divergence) -> None:
    """Keep what was found, so that the node does not start over it."""
    write_whole(folder / EVIDENCE, msgspec.json.format(msgspec.json.encode(found)), mode=0o600)


def _compare(
    raft_id: int,
    log: LogWriter,
    tree_size: int,
    root: bytes,
    *,
    said_by: int = 0,
    head: str | None = None,
) -> None:
    ours = log.root_at(tree_size) if tree_size <= log.size else None
    if ours == root:
        return
    raise DivergenceError(
        Divergence(
            raft_id=raft_id,
            tree_size=tree_size,
            our_size=log.size,
            our_root=None if ours is None else ours.hex(),
            their_root=root.hex(),
            said_by=said_by,
            head=head,
        )
    )
