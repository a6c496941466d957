"""Inclusion proofs from the store, against one bare read of a row by its key in the same file.

The tree is real in everything but the events: they are only as long as the store needs to take
them, so that a million of them are written in seconds.
"""

from __future__ import annotations

import itertools
import random
import statistics
from collections.abc import Callable, Iterator
from functools import partial

from rtgf_node.core import merkle, tree_head
from rtgf_node.core.keys import SeedSigner
from rtgf_node.store import Store, bundles, open_store
from tests.bench import large_log
from tests.bench.measure import Row, alternate, percentile, ratio, text, timed_each

SIZES = (10_000, 1_000_000)
QUICK_SIZES = (10_000, 100_000)

ASKED = 4096
"""Different leaves whose proofs are asked for."""

NEWEST = 10_000
"""What is proven most: a token's entry is asked for soon after it was logged."""

TOGETHER = 256
"""Bundles made at once: those of a full batch of appends."""

SIGNER = SeedSigner("log.example:ed25519:2026-11:001", bytes(range(32)))


def measure(*, quick: bool) -> Iterator[Row]:
    """Yield a row for each size, of leaves anywhere, one of the newest, and one of a batch."""
    rounds = 3 if quick else 7
    for size in QUICK_SIZES if quick else SIZES:
        with open_store(large_log.shared(size)) as store:
            yield _row(store, "anywhere", first=0, rounds=rounds)
            if size > NEWEST:
                newest = f"among the newest {NEWEST:,}"
                yield _row(store, newest, first=size - NEWEST, rounds=rounds)
                yield _together(store, rounds=rounds)


def _row(store: Store, where: str, *, first: int, rounds: int) -> Row:
    size = store.log.size
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

    found = alternate(
        {"proof": _over(indexes, prove), "read": _over(indexes, partial(_read, store))},
        rounds=rounds,
    )
    each = timed_each(lambda number: prove(indexes[number]), ASKED)
    return Row(
        f"inclusion proof at {size:,} leaves, {where} ({len(prove(0))} hashes)",
        f"{text(statistics.median(found['proof']))}; p95 {text(percentile(each, 0.95))}, "
        f"p99 {text(percentile(each, 0.99))}",
        f"bare SQLite read of a row: {text(statistics.median(found['read']))}",
        ratio(found["proof"], found["read"]),
    )


def _together(store: Store, *, rounds: int) -> Row:
    """Whole bundles of a batch that was just appended, as the log actor answers with them."""
    size = store.log.size
    head = tree_head.sign("log.example", size, store.log.root(), large_log.AT, SIGNER)
    indexes = range(size - TOGETHER, size)

    def prove(count: int) -> None:
        for _ in range(count):
            bundles.make(store.log, indexes, head=head)

    read = _over(list(indexes), partial(_read, store))
    found = alternate(
        {"bundles": prove, "reads": lambda count: read(count * TOGETHER)}, rounds=rounds
    )
    each, baseline = (statistics.median(found[name]) / TOGETHER for name in ("bundles", "reads"))
    return Row(
        f"proof bundle at {size:,} leaves, {TOGETHER} of a batch at once",
        text(each),
        f"bare SQLite read of a row: {text(baseline)}",
        ratio(found["bundles"], found["reads"]),
    )


def _read(store: Store, index: int) -> object:
    return store.reader.execute("SELECT entry FROM leaves WHERE idx = ?", (index,)).fetchone()


def _over(indexes: list[int], ask: Callable[[int], object]) -> Callable[[int], None]:
    endless = itertools.cycle(indexes)

    def run(count: int) -> None:
        for index in itertools.islice(endless, count):
            ask(index)

    return run
