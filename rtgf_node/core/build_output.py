"""What a build gives: files by name, what was found in making them, or why some cannot be made."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, Final

from msgspec import Struct

from rtgf_node.core import canonical_json, digests, identifiers, manifest
from rtgf_node.core.assembly import Document
from rtgf_node.core.build_inputs import Place
from rtgf_node.core.canonical_json import JsonValue
from rtgf_node.core.sealing import Sealed
from rtgf_node.errors import RtgfError

NOTES: Final = ("conflicts.json", "manual_review.json", "unsatisfiable.json")
"""The artefacts that every build has: lists of what was found in making the others."""


class Note(Struct, frozen=True):
    """An entry of one of `NOTES`, and the number of the target it was found in."""

    target: int
    file: str
    content: dict[str, Any]


class Part(Struct, frozen=True):
    """What came of some of the targets: files by name, and notes."""

    artefacts: dict[str, bytes]
    notes: list[Note]

    def add(self, token: Sealed) -> None:
        """Add a token."""
        name = identifiers.slug(str(token.document["token_id"]))
        kind = str(token.document["type"]).lower()
        self.artefacts[f"tokens/{kind}/{name}.json"] = token.text


class BuildOutput(Struct, frozen=True):
    """What a build gave.

    Attributes:
      manifest: the canonical manifest.
      artefacts: the files by name; `tokens/<type>/<slug>.json` are the unsigned tokens.
    """

    manifest: bytes
    artefacts: Mapping[str, bytes]

    def token_names(self) -> list[str]:
        """Return the names of the tokens' files, each after those that it can rest on."""
        kinds = [f"tokens/{kind}/" for kind in ("rmt", "imt", "cort", "psrt", "rrmt")]
        return [name for kind in kinds for name in self.artefacts if name.startswith(kind)]

    def unsatisfiable(self) -> list[dict[str, Any]]:
        """Return the corridors that got no token: `{corridor, domain, code, detail, ...}`."""
        listed: Any = canonical_json.parse(
            self.artefacts["unsatisfiable.json"], max_bytes=manifest.MAX_MANIFEST_BYTES
        )
        return list(listed)


class UnbuildableError(RtgfError):
    """Some entries cannot be built; it reads as the refusal of the first of them.

    Args:
      failures: why, for each entry and target that showed it.

    Attributes:
      failures: the refusal of each entry.
    """

    def __init__(self, failures: Mapping[tuple[Place, int], RtgfError]) -> None:
        first = failures[min(failures)]
        super().__init__(first.code, first.detail, pointer=first.pointer, causes=first.causes)
        self.failures: dict[Place, RtgfError] = {}
        for place, target in sorted(failures):
            self.failures.setdefault(place, failures[place, target])


def finish(
    inputs: Document, artefacts: Mapping[str, str], notes: Iterable[Note]
) -> tuple[bytes, dict[str, bytes]]:
    """Return the manifest of a build whose pieces are all made, and its `NOTES`.

    Args:
      inputs: the inputs part of the manifest.
      artefacts: the digest of every file that a piece gave, by name.
      notes: those of all pieces, in any order of the pieces.
    """
    listed: dict[str, list[JsonValue]] = {name: [] for name in NOTES}
    for note in sorted(notes, key=lambda each: each.target):
        listed[note.file].append(note.content)
    made = {name: canonical_json.canonical_bytes(entries) for name, entries in listed.items()}
    found = {name: digests.sha256(content) for name, content in made.items()}
    return manifest.of_digests(inputs, {**artefacts, **found}), made


def unsatisfiable(corridor: str, domain: str, error: RtgfError) -> Document:
    """Return how a corridor is noted that gets no token."""
    return {
        "corridor": corridor,
        "domain": domain,
        "code": error.code.name,
        "detail": error.detail,
        "causes": [{"code": each.code.name, "detail": each.detail} for each in error.causes],
    }
