"""Compiling the demo's matrix: twice in two fresh processes, against once in this one.

The snapshots are those under `config/policies`, the lists those under `config/demo-lists`.
"""

from __future__ import annotations

import itertools
import json
import statistics
import tempfile
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Any

import trio

from rtgf_node import build_worker
from rtgf_node.build_twice import build_twice
from rtgf_node.cli.demo_world import POLICIES, SMALL, SMALL_LISTS
from rtgf_node.core import snapshot
from rtgf_node.core.lists import record, record_file
from rtgf_node.core.lists.readers import READERS
from tests import worlds
from tests.bench.measure import Row, alternate, ratio, text


def snapshots() -> dict[str, bytes]:
    """Return the demo's snapshots by id, each signed in the name of its issuer."""
    documents = [json.loads(path.read_bytes()) for path in sorted(POLICIES.glob("*.json"))]
    return {
        made["id"]: snapshot.seal(
            made, worlds.Identity(made["issuer"], use="authority", keys=2).signers
        )
        for made in documents
    }


def datasets(folder: Path) -> tuple[list[dict[str, Any]], dict[str, str]]:
    """Return the lists as inputs of a build, and the paths of their records by content digest."""
    inputs, paths = [], {}
    for listed in SMALL:
        reader = READERS[listed.reader]
        parts = {part: (SMALL_LISTS / file).read_bytes() for part, file in listed.files.items()}
        held = reader.read(parts if reader.parts else parts[""]).records
        content = record.content_digest(held, reader.id, reader.version)
        path = folder / listed.name
        path.write_bytes(record_file.write(held, reader=reader.id, version=reader.version))
        inputs.append(worlds.dataset_input(content, name=listed.name))
        paths[content] = str(path)
    return inputs, paths


def request(folder: Path) -> tuple[bytes, int]:
    """Return the build request of the whole matrix, and how many tokens it asks for."""
    held = snapshots()
    used, paths = datasets(folder)
    by_domain: dict[str, list[str]] = {}
    for data in held.values():
        entry = snapshot.parse(data)
        by_domain.setdefault(entry.domain, []).append(entry.jurisdiction)
    targets: list[dict[str, Any]] = []
    for domain, places in sorted(by_domain.items()):
        names = [(place, "RMT", "jurisdiction") for place in places]
        names += [("-".join(pair), "IMT", "corridor") for pair in itertools.permutations(places, 2)]
        for name, kind, member in names:
            targets.append(
                {
                    "type": kind,
                    member: name,
                    "domain": domain,
                    "issue": 1,
                    "status_idx": len(targets),
                }
            )
    inputs = {**worlds.build_inputs(held, [], datasets=used), "targets": targets}
    encoded = build_worker.encode_request(
        inputs, snapshots=held, parents={}, library=worlds.library_files(), datasets=paths
    )
    return encoded, len(targets)


def measure(*, quick: bool) -> Iterator[Row]:
    """Yield the row."""
    with tempfile.TemporaryDirectory(prefix="rtgf-bench-") as name:
        folder = Path(name)
        asked, count = request(folder)
        build_worker.decode_answer(build_worker.answer(asked)[0])

        def twice(builds: int) -> None:
            for _ in range(builds):
                trio.run(partial(build_twice, asked, keep_in=folder))

        def once(builds: int) -> None:
            for _ in range(builds):
                build_worker.answer(asked)

        found = alternate(
            {"twice": twice, "once": once}, rounds=2 if quick else 5, slice_seconds=0.0
        )
        yield Row(
            f"compiling the demo's matrix of {count} tokens, twice in fresh processes, compared",
            text(statistics.median(found["twice"])),
            f"once in a warm process: {text(statistics.median(found['once']))}",
            ratio(found["twice"], found["once"]),
        )
