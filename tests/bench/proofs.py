"""Inclusion proofs from the store, against one bare read of a row by its key in the same file.

The tree is real in everything but the events: they are only as long as the store needs to take
them, so that a million of them are written in seconds.
"""

from __future__ import annotations

import itertools
import random
import statistics
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path

from rtgf_node.core import merkle
from rtgf_node.store import Store, create_store
from rtgf_node.store.log_writer import LogWriter
from tests.bench.measure import Row, alternate, percentile, ratio, text, timed_each

SIZES = (10_000, 1_000_000)
QUICK_SIZES = (10_000, 100_000)
BATCH = 20_000
"""Leaves a transaction while the tree is built."""

ASKED = 4096
"""Different leaves whose proofs are asked for."""

NEWEST = 10_000
"""What is proven most: a token's entry is asked for soon after it was logged."""


def grow(store: Store, size: int) -> None:
    """Append entries until the log has `size`, without waiting for the disk."""
    writer = LogWriter(store.conn, store.log)
    store.conn.execute("PRAGMA synchronous = OFF")
    while writer.size < size:
        writer.begin()
        store.conn.execute("BEGIN IMMEDIATE")
        for number in range(writer.size, min(size, writer.size + BATCH)):
            writer.append(b'{"at":"","event_id":"evt:%d","subject":""}' % number)
        writer.accept()
        writer.flush()
        store.conn.execute("COMMIT")
        writer.commit()


def measure(*, quick: bool) -> Iterator[Row]:
    """Yield a row for each size, of leaves anywhere, and one of the newest."""
    with (
        tempfile.TemporaryDirectory(prefix="rtgf-bench-") as folder,
        create_store(Path(folder)) as store,
    ):
        for size in QUICK_SIZES if quick else SIZES:
            grow(store, size)
            yield _row(store, size, "anywhere", first=0, rounds=3 if quick else 7)
        yield _row(
            store,
            size,
            f"among the newest {NEWEST:,}",
            first=size - NEWEST,
            rounds=3 if quick else 7,
        )


def _row(store: Store, size: int, where: str, *, first: int, rounds: int) -> Row:
    chosen = random.Random(size)
    indexes = [chosen.randrange(first, size) for _ in range(ASKED)]
    root = store.log.root()
    for index in indexes[:16]:
        merkle.verify_inclusion(
            leaf_hash=merkle.leaf_hash(store.log.entry(index)),
            index=index,
            tree_size=size,
            proof=store.log.inclusion_proof(index, size),
            root=root,
        )

    def prove(index: int) -> list[bytes]:
        return store.log.inclusion_proof(index, size)

    def read(index: int) -> object:
        return store.reader.execute("SELECT entry FROM leaves WHERE idx = ?", (index,)).fetchone()

    found = alternate({"proof": _over(indexes, prove), "read": _over(indexes, read)}, rounds=rounds)
    each = timed_each(lambda number: prove(indexes[number]), ASKED)
    return Row(
        f"inclusion proof at {size:,} leaves, {where} ({len(prove(0))} hashes)",
        f"{text(statistics.median(found['proof']))}; p99 {text(percentile(each, 0.99))}",
        f"bare SQLite read of a row: {text(statistics.median(found['read']))}",
        ratio(found["proof"], found["read"]),
    )


def _over(indexes: list[int], ask: Callable[[int], object]) -> Callable[[int], None]:
    endless = itertools.cycle(indexes)

    def run(count: int) -> None:
        for index in itertools.islice(endless, count):
            ask(index)

    return run
