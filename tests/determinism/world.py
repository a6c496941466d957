"""Work out everything that has to be the same everywhere: `python -m tests.determinism.world`.

Prints the digest of each result by its name. `--reversed` hands in whatever has no order of its own
the other way round. `--lists FOLDER` adds the real lists in that folder.
"""

from __future__ import annotations

import argparse
import json
import locale
import random
import sys
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any, TypeVar

from rtgf_node.core import canonical_json, checkpoint, digests, event, snapshot, tokens
from rtgf_node.core.build import Build, finish
from rtgf_node.core.canonical_json import canonical_bytes
from rtgf_node.core.lists import record_file
from rtgf_node.core.lists.question import Party
from rtgf_node.core.lists.readers import READERS
from rtgf_node.core.lists.record import Record, content_digest
from rtgf_node.core.lists.screening import ListsIndex, NameIndex
from rtgf_node.core.policy import decide, plan, predicates
from rtgf_node.core.policy.templates import Library
from rtgf_node.errors import RtgfError
from tests import contexts, evidence_world, policy_questions, worlds
from tests.core.lists.conftest import REAL, RealLists
from tests.fuzz import list_seeds, seeds

QUESTIONS = 400
"""Names that are screened for, spread evenly over the parties of each list."""

NEWEST = ("sdn-2024-05", "non-sdn", "un-19", "eu", "uk", "au", "ca")
"""One version of each real list: names are screened for in these, all together."""

T = TypeVar("T")


class Order:
    """In which order things come that have none."""

    def __init__(self, *, backwards: bool) -> None:
        self.backwards = backwards

    def of(self, items: Iterable[T]) -> list[T]:
        return list(items)[:: -1 if self.backwards else 1]

    def members(self, value: Any) -> Any:
        """Return the JSON value, the members of its objects in this order."""
        if isinstance(value, list):
            return [self.members(item) for item in value]
        if isinstance(value, dict):
            return {key: self.members(value[key]) for key in self.of(value)}
        return value


def documents(order: Order) -> Iterator[tuple[str, bytes]]:
    """Canonical bytes, digests, signatures."""
    for number, data in enumerate([*seeds.json_texts(), *seeds.snapshots()]):
        yield f"canonical {number}", canonical_bytes(order.members(canonical_json.parse(data)))
    for name in contexts.policy_names():
        made = order.members(contexts.policy_document(name))
        made.pop("policy_snapshot_hash", None)
        yield f"snapshot {name}", snapshot.seal(made, worlds.authority("EU").signers)
    for number, token in enumerate(seeds.signed_tokens()):
        document = order.members(json.loads(token))
        yield f"token {number}", tokens.sign(document, worlds.node().signers)


def log(order: Order) -> Iterator[tuple[str, bytes]]:
    """Events and the tree over them."""
    del order
    world = evidence_world.World()
    for number, entry in enumerate(world.events):
        yield f"event {number}", event.to_bytes(entry)
    yield "head", canonical_bytes(world.head())
    yield "keys", world.jwks
    signed = checkpoint.sign_note(seeds.head(), evidence_world.ORIGIN, seeds.LOG)
    yield "checkpoint", signed


def library(order: Order) -> Library:
    return Library.load(dict(order.of(worlds.library_files().items())))


def policies(order: Order) -> Iterator[tuple[str, bytes]]:
    """Compiled rules and their plans."""
    templates = library(order)
    for name in order.of(contexts.policy_names()):
        held = contexts.as_snapshot(order.members(contexts.policy_document(name)))
        compiled = predicates.compile_snapshot(held, templates)
        yield f"predicates {name}", canonical_bytes(list(compiled.predicates))
        yield f"plan {name}", canonical_bytes(plan.make(compiled.predicates))
        yield f"duties {name}", canonical_bytes([*compiled.duties, *compiled.controls])
    for place in ("EU-SG", "SG-EU", "UK-US"):
        merged = contexts.illustrative_corridor(place)
        yield f"corridor {place}", canonical_bytes(list(merged.predicate_set))


def builds(order: Order) -> Iterator[tuple[str, bytes]]:
    """Every artefact of a build, its tokens signed."""
    names = [worlds.LISTED, "Zoë Ünal"]
    _, content = worlds.record_list(*names)
    held = worlds.by_id(
        *(worlds.screened_document(place) for place in order.of(("EU", "SG", "UK")))
    )
    places = ["EU", "SG", "UK", "EU-SG", "SG-EU", "EU-UK", "UK-SG"]
    inputs = worlds.build_inputs(held, places, datasets=[worlds.dataset_input(content)])
    build = Build(
        order.members(inputs),
        snapshots=dict(order.of(held.items())),
        parents={},
        library=library(order),
        datasets={content: NameIndex.build(order.of(worlds.records(*names)))},
    )
    part = build.make(order.of(range(len(places))))
    assert not build.failures
    listed = {name: digests.sha256(data) for name, data in part.artefacts.items()}
    manifest, notes = finish(inputs, dict(order.of(listed.items())), order.of(part.notes))
    yield "manifest", manifest
    for name, data in {**part.artefacts, **notes}.items():
        yield f"artefact {name}", data
        if name.startswith("tokens/"):
            yield f"signed {name}", tokens.sign(json.loads(data), worlds.node().signers)


def decisions(order: Order) -> Iterator[tuple[str, bytes]]:
    """Traces, of the illustrative rules and of generated ones."""
    for place in ("EU", "SG", "UK", "US"):
        rules = order.members(contexts.illustrative_rmt(place)["predicate_set"])
        for asked in (contexts.payment_eu_sg(), contexts.to_listed(contexts.payment_eu_sg()), {}):
            found = contexts.decide_on(rules, order.members(asked))
            yield f"decision {place} {len(asked)} {found.decision}", found.trace_bytes
    chance = random.Random("decisions")
    for number in range(300):
        rules = [policy_questions.predicate(each, chance) for each in range(3)]
        prepared = decide.prepare(order.of(rules), plan.make(rules))
        for which in range(4):
            asked = order.members(policy_questions.context(chance))
            found = decide.run(prepared, asked, at=worlds.NOW, resolvers=contexts.RESOLVERS)
            yield f"generated {number}.{which}", found.trace_bytes


def lists(order: Order) -> Iterator[tuple[str, bytes]]:
    """What readers make of small lists."""
    held = {}
    for name, reader in READERS.items():
        for number, data in enumerate(list_seeds.of(name)):
            parts = data.split(seeds.PARTS) if reader.parts else [data]
            named = dict(order.of(zip(reader.parts or ("list",), parts, strict=False)))
            held[f"{name} {number}"] = reader.read(named).records
            yield from kept(f"list {name} {number}", name, order.of(held[f"{name} {number}"]))
    yield from screened(order, held)


def real_lists(order: Order, folder: Path) -> Iterator[tuple[str, bytes]]:
    """The same of what publishers have published."""
    real = RealLists(folder)
    held = {name: real.parsed(name).records for name in order.of(REAL)}
    for name, records in held.items():
        yield from kept(f"real list {name}", REAL[name][0], order.of(records))
    yield from screened(order, {name: held[name] for name in NEWEST})


def kept(name: str, reader: str, records: list[Record]) -> Iterator[tuple[str, bytes]]:
    version = READERS[reader].version
    yield name, content_digest(records, reader, version).encode()
    yield f"{name} file", record_file.write(records, reader=reader, version=version)


def screened(order: Order, held: dict[str, tuple[Record, ...]]) -> Iterator[tuple[str, bytes]]:
    """Answers about listed names, each with a letter left out."""
    indexes = {name: NameIndex.build(order.of(records)) for name, records in held.items()}
    together = ListsIndex({name: indexes[name] for name in order.of(indexes)})
    every = sorted(held)
    for name in every:
        records = held[name]
        for record in records[:: max(1, len(records) * len(held) // QUESTIONS)]:
            asked = record.names[0]
            asked = asked[: len(asked) // 2] + asked[len(asked) // 2 + 1 :]
            if not any(character.isalnum() for character in asked):
                continue
            party = Party((asked,), record.birth_dates[:1], record.countries[:1])
            try:
                answers = together.screen(party, order.of(every), threshold=0.8)
                said = repr([(each, answers[each]) for each in every])
            except RtgfError as error:
                said = error.detail
            yield f"screened {name} {record.source_id}", said.encode()


def results(order: Order, folder: Path | None) -> Iterator[tuple[str, bytes]]:
    if folder is not None:
        yield from real_lists(order, folder)
        return
    for part in (documents, log, policies, builds, decisions, lists):
        yield from part(order)


def main() -> None:
    locale.setlocale(locale.LC_ALL, "")
    parser = argparse.ArgumentParser()
    parser.add_argument("--reversed", action="store_true")
    parser.add_argument("--lists", type=Path)
    asked = parser.parse_args()
    found = results(Order(backwards=asked.reversed), asked.lists)
    json.dump({name: digests.sha256(data) for name, data in found}, sys.stdout, sort_keys=True)


if __name__ == "__main__":
    main()
