"""A plan while it is made: what is due so far, and what it needs."""

from __future__ import annotations

from rtgf_node.core.build_inputs import Place
from rtgf_node.core.snapshot import Snapshot
from rtgf_node.store.intake_store import DatasetRow
from rtgf_node.store.registry_store import Issued, Standing
from rtgf_node.store.terms_store import TermsRow
from rtgf_node.wire import Document


class Plan:
    """What is found due so far, and what it needs.

    Attributes:
      held: the snapshots to build with, with their bytes.
      used: the lists they rest on, by name.
      rmts: the RMT of each entry; None where a new one is due, or the last was withdrawn.
      targets: what is due, in the order of the queue.
      built: the entries whose RMT is due.
      parents: issued tokens that new ones rest on.
      terms: the documents that CORTs, PSRTs and RRMTs are made from, by id.
    """

    def __init__(self) -> None:
        self.held: dict[Place, tuple[Snapshot, bytes]] = {}
        self.used: dict[str, DatasetRow] = {}
        self.rmts: dict[Place, Standing | None] = {}
        self.targets: list[Document] = []
        self.built: set[Place] = set()
        self.parents: dict[str, Issued] = {}
        self.terms: dict[str, TermsRow] = {}

    def add(self, target: Document) -> None:
        """Add a token to build."""
        self.targets.append(target)
        if target["type"] == "RMT":
            self.built.add(Place(target["jurisdiction"], target["domain"]))

    def imts(self) -> dict[tuple[str, str], list[str]]:
        """Return the IMTs to build, by corridor and domain, with the snapshots of their ends."""
        return {
            (target["corridor"], target["domain"]): [
                self.held[Place(end, target["domain"])][0].policy_snapshot_hash
                for end in target["corridor"].split("-")
            ]
            for target in self.targets
            if target["type"] == "IMT"
        }

    def places(self) -> set[Place]:
        """Return every entry that a target needs the snapshot of."""
        return {
            Place(place, target["domain"])
            for target in self.targets
            if target["type"] in {"RMT", "IMT"}
            for place in str(target.get("jurisdiction") or target["corridor"]).split("-")
        }
