"""Screening one name against all real lists, against one pass of rapidfuzz over their names.

The lists are read in place, from `shared/datasets` beside the checkout; nothing of them is printed
but counts.
"""

from __future__ import annotations

import gzip
import random
import statistics
import time
import tracemalloc
from collections import defaultdict
from collections.abc import Iterator, Mapping
from pathlib import Path

from rapidfuzz import fuzz, process

from rtgf_node.core.lists.readers import READERS
from rtgf_node.core.lists.record import Record
from rtgf_node.core.lists.screening import ListsIndex, NameIndex, Party
from tests import labelled_names
from tests.bench.measure import Row, Skipped, alternate, percentile, ratio, text, timed_each

DATASETS = Path(__file__).resolve().parents[3] / "shared" / "datasets"

# Reader → the files of its list: the newest whole one of each publisher.
LISTS: Mapping[str, Mapping[str, str]] = {
    "ofac-csv": {
        "sdn": "us-ofac/bench2021_sdn.csv",
        "alt": "us-ofac/bench2021_alt.csv",
        "add": "us-ofac/bench2021_add.csv",
        "comments": "us-ofac/bench2021_sdn_comments.csv",
    },
    "ofac-xml": {"": "us-ofac/ofac_consolidated_nonsdn_2025-03-28.xml"},
    "un-xml": {"": "un/un-data_2025-06-19.xml"},
    "eu-jsonl": {"": "eu/eu_fsf_2026-05-01.jsonl.gz"},
    "uk-jsonl": {"": "uk/uk_sanctions_list_2026-08-22.jsonl"},
    "ca-xml": {"": "ca/sema_consolidated.xml"},
    "au-jsonl": {"": "au-dfat/au_dfat_2026-08-22.jsonl"},
}

THRESHOLD = 0.85
STRICT = 0.92  # the threshold of most clauses
QUERIES = 400
BASELINE_CUTOFF = 85  # of 100: the same threshold
FORENAMES = ("Anna", "Bo", "Chidi", "Dilara", "Emre", "Fatima", "Goran", "Hui", "Ivan", "Juma")
SURNAMES = ("Sorensen", "Okafor", "Yilmaz", "Petrov", "Nakamura", "Haddad", "Costa", "Lindqvist")


def records(folder: Path) -> list[Record]:
    """Return the records of all lists."""
    found: list[Record] = []
    for reader_id, files in LISTS.items():
        parts = {part: (folder / name).read_bytes() for part, name in files.items()}
        for part, name in files.items():
            if name.endswith(".gz"):
                parts[part] = gzip.decompress(parts[part])
        reader = READERS[reader_id]
        found += reader.read(parts if reader.parts else parts[""]).records
    return found


SHORTEST_NAME = 12


def names_to_ask(listed: list[str]) -> list[str]:
    """Return what a partner might ask: half ordinary people, half listed names, most misspelt."""
    chosen = random.Random(20261122)
    asked = []
    for number in range(QUERIES):
        if number % 2:
            asked.append(f"{chosen.choice(FORENAMES)} {chosen.choice(SURNAMES)}")
            continue
        name = chosen.choice(listed)
        place = chosen.randrange(len(name))
        asked.append(name if number % 8 == 0 else name[:place] + name[place + 1 :])
    return asked


def measure(*, quick: bool) -> Iterator[Row | Skipped]:
    """Yield the rows: building, replacing one list, one name, and how often it is right."""
    what = "screening one name against all real lists"
    missing = [name for files in LISTS.values() for name in files.values()]
    missing = [name for name in missing if not (DATASETS / name).is_file()]
    if missing:
        yield Skipped(what, f"the real lists are not beside this checkout ({missing[0]})")
        return
    lists: dict[str, list[Record]] = defaultdict(list)
    for record in records(DATASETS):
        lists[record.source].append(record)
    tracemalloc.start()
    ListsIndex({name: NameIndex.build(each) for name, each in lists.items()})
    _, memory = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    began = time.perf_counter()
    indexes = {name: NameIndex.build(each) for name, each in lists.items()}
    index = ListsIndex(indexes)
    built = time.perf_counter() - began
    small = min(lists, key=lambda name: len(lists[name]))
    began = time.perf_counter()
    ListsIndex(indexes | {small: NameIndex.build(lists[small])})
    replaced = time.perf_counter() - began
    packed = [NameIndex.packed(each) for each in lists.values()] + [ListsIndex.packed(indexes)]
    began = time.perf_counter()
    opened = {name: NameIndex(data) for name, data in zip(lists, packed, strict=False)}
    ListsIndex(opened, packed[-1])
    again = time.perf_counter() - began
    parties = sum(each.size for each in indexes.values())
    names = sum(each.name_count for each in indexes.values())
    yield Row(
        f"index of all real lists: {parties:,} parties, {names:,} names",
        f"{text(built)}, {memory / 2**20:.0f} MiB at most while building",
        "",
        None,
    )
    yield Row(
        "one of the lists replaced in it",
        text(replaced),
        f"all anew: {text(built)}",
        replaced / built,
    )
    yield Row(
        f"the same index from its files of {sum(map(len, packed)) / 2**20:.0f} MiB",
        text(again),
        f"all anew: {text(built)}",
        again / built,
    )
    yield from _one_name(what, lists, index, quick=quick)
    for seed in (labelled_names.SEED, *labelled_names.HELD_OUT):
        yield from _how_often_right(lists, seed)


def _how_often_right(lists: Mapping[str, list[Record]], seed: int) -> Iterator[Row]:
    asked = labelled_names.questions(lists, seed=seed)
    held = labelled_names.withheld(lists, asked)
    without = ListsIndex({name: NameIndex.build(each) for name, each in held.items()})
    kind = "tuned with" if seed == labelled_names.SEED else f"held out, {seed}"
    for threshold in (THRESHOLD, STRICT):
        figures = labelled_names.measured(asked, without, threshold=threshold)
        yield Row(
            f"screening at {threshold}: {figures.positives} variants of listed names, "
            f"{figures.negatives} other names ({kind})",
            f"recall {figures.recall:.3f}, precision {figures.precision:.3f}",
            "",
            None,
        )


def _one_name(
    what: str, lists: Mapping[str, list[Record]], index: ListsIndex, *, quick: bool
) -> Iterator[Row]:
    # A short name may be nothing but a title or an initial: that is refused, not looked up.
    listed = sorted(
        {
            name
            for held in lists.values()
            for record in held
            for name in (*record.names, *record.aliases)
            if len(name) >= SHORTEST_NAME
        }
    )
    asked = names_to_ask(listed)
    parties = [Party(names=(name,)) for name in asked]

    def screen(number: int) -> object:
        return index.screen(parties[number], index.lists, threshold=THRESHOLD)

    def scan(number: int) -> object:
        return process.extract(
            asked[number],
            listed,
            scorer=fuzz.token_sort_ratio,
            score_cutoff=BASELINE_CUTOFF,
            limit=20,
        )

    def screen_many(count: int) -> None:
        for number in range(count):
            screen(number % QUERIES)

    def scan_many(count: int) -> None:
        for number in range(count):
            scan(number % QUERIES)

    # Slices of equal number, so that both are asked for the same names.
    found = alternate(
        {"screen": screen_many, "scan": scan_many},
        rounds=2 if quick else 3,
        slice_seconds=0.0,
        at_least=QUERIES // (16 if quick else 8),
    )
    again = timed_each(screen, QUERIES)
    index = ListsIndex(index.lists)  # which remembers nothing
    first = timed_each(screen, QUERIES)
    yield Row(
        f"{what}, asked for the first time",
        f"p50 {text(percentile(first, 0.5))}, p99 {text(percentile(first, 0.99))}, "
        f"max {text(first[-1])}",
        "",
        None,
    )
    yield Row(
        f"{what}, asked before",
        f"p50 {text(percentile(again, 0.5))}, p99 {text(percentile(again, 0.99))}, "
        f"max {text(again[-1])}, mean {text(statistics.median(found['screen']))}",
        f"rapidfuzz token_sort_ratio over all of them: {text(statistics.median(found['scan']))}",
        ratio(found["screen"], found["scan"]),
    )
