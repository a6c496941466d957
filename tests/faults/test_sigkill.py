"""SIGKILL at any moment loses nothing that was acknowledged.

One store is written under load by one process after another, each killed after a seeded random
number of acknowledgements, many of them in the middle of a commit. Whatever was acknowledged must
be where it was said to be, the tree must be whole, and the heads must extend one another.
"""

from __future__ import annotations

import random
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import msgspec

from rtgf_node.core import digests, merkle
from rtgf_node.replication.commands import AppendEvents, Proposal
from rtgf_node.replication.state_machine import StateMachine
from rtgf_node.store import Store, open_store

ROUNDS = 220
MAX_ACKNOWLEDGED = 250
FULL_CHECK_EVERY = 40
SEED = 20261122
WRITER = Path(__file__).with_name("writer.py")
ROOT = Path(__file__).parents[2]


class Report(msgspec.Struct, frozen=True):
    client: str
    seq: int
    kind: str
    indexes: tuple[int, ...]
    events: tuple[str, ...]
    rev_epoch: int
    head: tuple[int, str] | None = None


class Promises:
    """Everything that any of the killed processes ever acknowledged."""

    def __init__(self) -> None:
        self.entries: dict[int, str] = {}
        self.heads: dict[int, str] = {}
        self.rev_epoch = 0

    def add(self, reports: list[Report]) -> None:
        for report in reports:
            for index, digest in zip(report.indexes, report.events, strict=False):
                assert self.entries.setdefault(index, digest) == digest
            if report.head is not None:
                size, root = report.head
                assert self.heads.setdefault(size, root) == root
            self.rev_epoch = max(self.rev_epoch, report.rev_epoch)

    def check_entries(self, store: Store, indexes: Iterator[int]) -> None:
        for index in indexes:
            assert digests.sha256(store.log.entry(index)) == self.entries[index]

    def check_heads(self, store: Store, since: int) -> None:
        sizes = sorted(size for size in self.heads if size >= since)
        if not sizes:
            return  # killed before the first head
        for old, new in zip(sizes, [*sizes[1:], store.log.size], strict=True):
            merkle.verify_consistency(
                old_size=old,
                new_size=new,
                old_root=bytes.fromhex(self.heads[old]),
                new_root=store.log.root_at(new),
                proof=store.log.consistency_proof(old, new),
            )


def start_writer(folder: Path, seed: int) -> subprocess.Popen[bytes]:
    return subprocess.Popen(
        [sys.executable, str(WRITER), str(folder), str(seed)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        cwd=ROOT,
        env={"PYTHONPATH": str(ROOT)},
    )


def run_until_killed(writer: subprocess.Popen[bytes], acknowledged: int) -> list[Report]:
    """Let the writer go, kill it after so many acknowledgements, return all that it gave."""
    assert writer.stdin is not None
    assert writer.stdout is not None
    assert writer.stderr is not None
    with writer:
        writer.stdin.write(b"go\n")
        writer.stdin.flush()
        lines = [writer.stdout.readline() for _ in range(acknowledged)]
        writer.kill()
        lines += writer.stdout.readlines()
        complaint = writer.stderr.read()
    assert writer.returncode == -9, complaint.decode()
    return [msgspec.json.decode(line, type=Report) for line in lines]


def check_repeat(store: Store, report: Report) -> None:
    """Proposing again what was acknowledged changes nothing and gives the same answer."""
    before = store.log.size
    other = AppendEvents((b"{}",))
    [again] = StateMachine(store).apply_batch([Proposal(report.client, report.seq, other)])
    assert again.repeated
    assert again.outcome.leaf_indexes == report.indexes
    assert store.log.size == before


def test_nothing_acknowledged_is_lost_by_220_kills_under_load(tmp_path):
    folder = tmp_path / "node"
    chance = random.Random(SEED)
    promises = Promises()
    rev_epoch = newest_head = acknowledged = 0
    waiting = start_writer(folder, 0)
    try:
        for number in range(ROUNDS):
            writer, waiting = waiting, start_writer(folder, number + 1)
            # Now and then at once, while the store is opened; else in the middle of the work.
            lines = 0 if number % 20 == 19 else chance.randrange(1, MAX_ACKNOWLEDGED)
            reports = run_until_killed(writer, lines)
            promises.add(reports)
            acknowledged += len(reports)
            if not (folder / "node.db").exists():
                assert not reports
                continue
            with open_store(folder) as store:
                indexes = {index for report in reports for index in report.indexes}
                promises.check_entries(store, iter(indexes & promises.entries.keys()))
                promises.check_heads(store, newest_head)
                newest_head = max(promises.heads, default=0)
                assert store.revocation.rev_epoch() >= max(promises.rev_epoch, rev_epoch)
                rev_epoch = store.revocation.rev_epoch()
                if reports:
                    check_repeat(store, chance.choice(reports[-50:]))
                if number % FULL_CHECK_EVERY == 0:
                    store.log.check_all()
    finally:
        waiting.kill()
        waiting.communicate()
    with open_store(folder) as store:
        store.log.check_all()
        promises.check_entries(store, iter(promises.entries))
        promises.check_heads(store, 0)
        epochs = [row.rev_epoch for row in store.revocation.since(0)]
        assert epochs == list(range(1, len(epochs) + 1))
    assert acknowledged > ROUNDS * 50
