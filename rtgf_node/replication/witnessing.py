"""What the state machine does with cosignatures, with heads of other logs, and with forks."""

from __future__ import annotations

import sqlite3

import msgspec

from rtgf_node.core import add_checkpoint
from rtgf_node.core.add_checkpoint import Held
from rtgf_node.core.checkpoint import Checkpoint
from rtgf_node.errors import Code, RtgfError
from rtgf_node.replication.commands import (
    CosignCheckpoint,
    RecordCosignatures,
    RecordFinding,
    RestoreCosigned,
    SeeHead,
    SettleFindings,
)
from rtgf_node.store.gossip_store import FindingRow, GossipStore, SeenHead
from rtgf_node.store.log_writer import LogWriter
from rtgf_node.store.witness_store import CosignedRow, WitnessStore


class Witnessing:
    """Applies the commands about witnesses and gossip, inside the state machine's transaction."""

    def __init__(self, conn: sqlite3.Connection, log: LogWriter) -> None:
        self._conn = conn
        self._log = log
        self._witness = WitnessStore(conn)
        self._gossip = GossipStore(conn)

    def record_cosignatures(self, command: RecordCosignatures) -> None:
        """Keep the cosignatures of a head that is held.

        Raises:
          RtgfError: RTGF_CONFLICT if no head of this size and root is held.
        """
        held = self._conn.execute(
            "SELECT 1 FROM heads WHERE tree_size = ? AND root = ?",
            (command.tree_size, command.root),
        ).fetchone()
        if held is None:
            raise RtgfError(
                Code.RTGF_CONFLICT, f"no head of {command.tree_size} entries with this root is held"
            )
        for row in command.cosignatures:
            self._witness.put_cosignature(command.tree_size, row)

    def cosign(self, command: CosignCheckpoint) -> None:
        """Compare with what was cosigned last of this log, and take its place.

        Raises:
          RtgfError: as `add_checkpoint.check` does.
        """
        last = self._witness.cosigned(command.origin)
        add_checkpoint.check(
            None if last is None else Held(last.tree_size, last.root),
            Checkpoint(command.origin, command.tree_size, command.root),
            old_size=command.old_size,
            proof=command.proof,
        )
        self._keep_cosigned(command)

    def restore(self, command: RestoreCosigned) -> None:
        """Take up what was cosigned last, if nothing newer is held."""
        self._keep_cosigned(command)

    def see(self, command: SeeHead) -> None:
        """Keep a head of another log; one that is smaller than the held one changes nothing."""
        held = self._gossip.seen(command.origin)
        if held is None or held.tree_size <= command.tree_size:
            self._gossip.put_seen(SeenHead(**msgspec.structs.asdict(command)))

    def find(self, command: RecordFinding) -> int:
        """Keep a contradiction and log its incident; return the incident's index."""
        held = self._gossip.finding(command.origin, command.tree_size, command.root)
        if held is not None:
            return held.leaf_index
        leaf_index = self._log.append(command.event)
        members = msgspec.structs.asdict(command)
        del members["event"]
        self._gossip.insert_finding(FindingRow(**members, leaf_index=leaf_index))
        return leaf_index

    def settle(self, command: SettleFindings) -> int:
        """Settle everything that was found, and log who wanted it."""
        leaf_index = self._log.append(command.event)
        self._gossip.settle(command.at)
        return leaf_index

    def _keep_cosigned(self, command: CosignCheckpoint | RestoreCosigned) -> None:
        last = self._witness.cosigned(command.origin)
        if last is None or last.tree_size < command.tree_size:
            self._witness.insert_cosigned(
                CosignedRow(
                    command.origin, command.tree_size, command.root, command.at, command.note
                )
            )
