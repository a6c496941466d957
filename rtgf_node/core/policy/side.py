"""An RMT as an end of corridors: what meeting others needs of it, worked out once.

A jurisdiction among sixty has 118 corridors. What its RMT brings to one is the same in all, so its
parts are sorted out and written in canonical form here, where every corridor finds them.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Final, NamedTuple, TypeAlias, cast

import msgspec

from rtgf_node.core.canonical_json import JsonValue, canonical_bytes
from rtgf_node.core.policy import settlement
from rtgf_node.core.policy.plan import STAGES
from rtgf_node.core.policy.settlement import Document, Statements

_cut = msgspec.json.Decoder(list[msgspec.Raw]).decode

Items: TypeAlias = Mapping[tuple[int | str | bytes, ...], JsonValue]
"""Items by what orders them; the last of it is their canonical text, so that each is there once."""

CLAUSES: Final = ("duties", "prohibitions", "controls")
"""The members of a token that say what each clause demands."""


class End(NamedTuple):
    """The clauses of an RMT that apply to one party, and what they state."""

    predicates: Items
    clauses: Mapping[str, Items]
    statements: Statements


class Side:
    """One RMT.

    Args:
      token: its document.

    Attributes:
      originator, beneficiary: what applies where this jurisdiction is the one or the other end.
    """

    def __init__(self, token: Document) -> None:
        self.token: Final = token
        evidence = cast("Document", token["evidence"])
        self.datasets: Final = items(
            _values(evidence, "datasets"), "provider", "dataset", "version"
        )
        self.inputs: Final = items(_values(evidence, "inputs"))
        self.evidence_requirements: Final = items(_values(token, "evidence_requirements"))
        self.unmapped_clauses: Final = items(_values(token, "unmapped_clauses"))
        predicates = cast("list[Document]", _values(token, "predicate_set"))
        every = End(
            ranked(predicates),
            {
                member: items(_values(token, member), "clause_id", "jurisdiction")
                for member in CLAUSES
            },
            settlement.read(predicates),
        )
        self.originator: Final = _end(every, "originator")
        self.beneficiary: Final = _end(every, "beneficiary")


def applies(item: Mapping[str, JsonValue], party: str) -> bool:
    """Return whether a clause or predicate is for `party`, the originator or the beneficiary."""
    return item["applies_to"] in {party, "both"}


def ranked(predicates: Sequence[Document]) -> Items:
    """Return predicates in the order of the plan."""
    found = items(predicates, "clause_id", "id")
    return {
        (STAGES.index(cast("str", cast("Document", predicate)["kind"])), *key): predicate
        for key, predicate in found.items()
    }


def items(values: Sequence[JsonValue], *members: str) -> Items:
    """Return items ordered by some of their members, which are text, then by canonical text."""
    # The text of a list has in it that of each item: it is written once, and cut.
    texts = _cut(canonical_bytes([*values]))
    return {
        (*(cast("str", cast("Document", value)[name]) for name in members), bytes(text)): value
        for value, text in zip(values, texts, strict=True)
    }


class Joined(NamedTuple):
    """A list, and its canonical text."""

    values: list[JsonValue]
    text: bytes


def joined(*parts: Items) -> Joined:
    """Return the items of all parts in order, those that are the same once."""
    held = {key: value for part in parts for key, value in part.items()}
    keys = sorted(held)
    return Joined([held[key] for key in keys], array(cast("bytes", key[-1]) for key in keys))


def array(texts: Iterable[bytes]) -> bytes:
    """Return the canonical text of the list of values that have these canonical texts."""
    return b"[" + b",".join(texts) + b"]"


def _values(token: Document, member: str) -> list[JsonValue]:
    return cast("list[JsonValue]", token.get(member) or [])


def _end(every: End, party: str) -> End:
    """Return what applies to one party, of what applies to either."""

    def due(found: Items) -> Items:
        return {key: item for key, item in found.items() if applies(cast("Document", item), party)}

    return End(
        due(every.predicates),
        {member: due(found) for member, found in every.clauses.items()},
        {
            key: held
            for key, stated in every.statements.items()
            if (held := [one for one in stated if applies(one.predicate, party)])
        },
    )
