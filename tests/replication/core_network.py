"""Nodes of the Raft core in memory: each with a disk that survives it, and a network to cut."""

from __future__ import annotations

import json
from collections import deque
from types import ModuleType

from rtgf_node.replication.raftcore import wire
from rtgf_node.replication.raftcore.answers import Entry, Ready

ELECTION_TICKS = 10
PATIENCE = 200
"""Ticks after which what has not come does not come."""

PASSED_ON = {wire.MessageKind.PROPOSAL, wire.MessageKind.READ_INDEX}
"""Said in another's name by a node that does not lead; lost here."""


class Peer:
    """A node and its disk. What is applied is the list of what was proposed."""

    def __init__(self, raftcore: ModuleType, node_id: int, snapshot: bytes = b"") -> None:
        self.raftcore = raftcore
        self.node_id = node_id
        self.snapshot = snapshot
        self.kept: list[bytes] = []  # what the snapshot holds
        self.snapshot_index = 1 if snapshot else 0
        self.hard_state = b""
        self.log: list[Entry] = []
        self.start()

    def start(self) -> None:
        """Begin, or begin anew, with what is on disk."""
        self.core = self.raftcore.RaftCore(
            self.node_id,
            snapshot=self.snapshot,
            hard_state=self.hard_state,
            entries=self.log,
            applied=self.snapshot_index,
            election_ticks=ELECTION_TICKS,
        )
        self.applied = list(self.kept)
        self.applied_index = self.snapshot_index
        self.members = self.core.status().members
        self.reads: dict[bytes, int] = {}

    def work(self, ready: Ready) -> None:
        """Save and apply one round."""
        if ready.snapshot:
            self.snapshot, self.snapshot_index = ready.snapshot, ready.snapshot_index
            self.kept = [text.encode() for text in json.loads(ready.snapshot_data)]
            self.applied, self.applied_index = list(self.kept), ready.snapshot_index
            self.log = []
            self.members = self.core.status().members
        if ready.hard_state:
            self.hard_state = ready.hard_state
        if ready.entries:
            first = ready.entries[0].index
            self.log = [entry for entry in self.log if entry.index < first] + list(ready.entries)
        self.core.persisted()
        for entry in ready.committed:
            assert entry.index == self.applied_index + 1
            self.applied_index = entry.index
            if entry.kind:
                self.members = self.core.apply_conf_change(entry.kind, entry.data)
                self.compact(keep=True)
            elif entry.data:
                self.applied.append(entry.data)
        for index, context in ready.read_states:
            assert context not in self.reads
            self.reads[context] = index

    def compact(self, *, keep: bool = False) -> None:
        """Make a snapshot of what is applied; forget the entries it holds unless they are kept."""
        data = json.dumps([item.decode() for item in self.applied]).encode()
        made = self.core.make_snapshot(self.applied_index, self.members, data)
        if keep:
            return
        self.core.compact(self.applied_index)
        self.snapshot, self.snapshot_index = made, self.applied_index
        self.kept = list(self.applied)
        self.log = [entry for entry in self.log if entry.index > self.snapshot_index]


class CoreNetwork:
    """Peers that begin together with the same members, and those who join them."""

    def __init__(self, raftcore: ModuleType, *voters: int, seed: int = 1) -> None:
        raftcore.seed(seed)
        self.raftcore = raftcore
        first = wire.snapshot(1, 1, wire.ConfState(voters))
        self.peers = {node: Peer(raftcore, node, first) for node in voters}
        self.cut: set[int] = set()
        self.ticks = 0
        self.sent: list[tuple[int, int, int]] = []

    def __getitem__(self, node: int) -> Peer:
        return self.peers[node]

    def join(self, node: int) -> None:
        """Start a node that has nothing."""
        self.peers[node] = Peer(self.raftcore, node)

    def settle(self) -> None:
        """Work and deliver until there is nothing more to do. Messages over a cut are lost."""
        queue: deque[tuple[int, int, bytes]] = deque()
        busy = True
        while busy or queue:
            busy = False
            for node, peer in self.peers.items():
                if (ready := peer.core.ready()) is not None:
                    busy = True
                    peer.work(ready)
                    for message in ready.messages:
                        head = wire.message_head(message.data)
                        assert head[:2] == (message.kind, message.to)
                        assert head.from_ == node or head.kind in PASSED_ON
                        self.sent.append((node, message.to, message.kind))
                        queue.append((node, message.to, message.data))
                    peer.core.advance()
            while queue:
                self._deliver(*queue.popleft())

    def _deliver(self, sender: int, to: int, data: bytes) -> None:
        head = wire.message_head(data)
        lost = head.from_ != sender or to not in self.peers or {sender, to} & self.cut
        if not lost:
            try:
                self.peers[to].core.step(data)
            except self.raftcore.RaftError as error:
                # Said to a leader that fell, or by a member that was removed.
                if "proposal dropped" not in str(error) and "peer not found" not in str(error):
                    raise
        if head.kind == wire.MessageKind.SNAPSHOT:
            self.peers[sender].core.report_snapshot(to, ok=not lost)

    def tick(self, count: int = 1, *only: int) -> None:
        """Let time pass for all, or for some."""
        for _ in range(count):
            self.ticks += 1
            for node in only or tuple(self.peers):
                self.peers[node].core.tick()
            self.settle()

    def elect(self) -> int:
        """Wait for a leader that the nodes that are not cut off agree on."""
        for _ in range(PATIENCE):
            reachable = [p for node, p in self.peers.items() if node not in self.cut]
            leads = {peer.core.status().lead for peer in reachable}
            if len(leads) == 1 and leads != {0}:
                return leads.pop()
            self.tick()
        raise AssertionError("nobody was elected")

    def propose(self, node: int, *items: bytes) -> None:
        """Propose at a node, and let it come round."""
        for item in items:
            self.peers[node].core.propose(item)
            self.settle()

    def change(self, node: int, *changes: tuple[wire.ChangeKind, int]) -> None:
        """Propose a change of members at a node, and let it come round, joint phase and all."""
        self.peers[node].core.propose_conf_change(wire.conf_change(changes))
        self.settle()

    def read(self, node: int, context: bytes) -> int | None:
        """Ask a node for a read; return the index to wait for, or None if none comes."""
        self.peers[node].core.read_index(context)
        for _ in range(2 * ELECTION_TICKS):
            self.settle()
            if context in self.peers[node].reads:
                break
            self.tick()
        return self.peers[node].reads.get(context)
