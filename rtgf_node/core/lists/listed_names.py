"""The names of one list, and which of them a queried name may mean.

Few of the listed names are compared word by word. First those that cannot reach the score are left
out, see `name_sets` and `likeness.promising`. That changes no answer.
"""

from __future__ import annotations

from array import array
from collections import Counter
from collections.abc import Iterable, Sequence
from typing import NamedTuple

import msgspec
from msgspec import Struct

from rtgf_node.core.lists import likeness, names, number_set, packed
from rtgf_node.core.lists.likeness import Asked, Listed
from rtgf_node.core.lists.name_sets import NameSets, Word, packed_sets
from rtgf_node.core.lists.packed import F64, U8, U32, Buffer, Packed
from rtgf_node.core.lists.question import Query
from rtgf_node.core.lists.record import Record
from rtgf_node.core.lists.vocabulary import Vocabulary, packed_words, weight

MAX_SCORED = 200  # listed names compared word by word for one name of the party

_RUN_TOGETHER = 0.98  # names that differ only in where the words part


class Found(NamedTuple):
    """A listed name that is alike enough."""

    listed: Listed
    score: float
    exact: bool


class Meant(Struct, frozen=True, array_like=True):
    """What an answer needs of a listed party."""

    source: str
    source_id: str
    birth_dates: tuple[str, ...]
    countries: tuple[str, ...]


class ListedNames:
    """All names of one list, immutable: a view of what `packed_names` made.

    Attributes:
      size: how many parties are listed.
      count: how many names they have.
      vocabulary: the words of the names.
      sets: which of the names hold them.
    """

    def __init__(self, data: Buffer) -> None:
        """Take the bytes that `packed_names` made.

        Raises:
          DamagedError: as `Packed`.
        """
        held = Packed(data)
        self.vocabulary = Vocabulary(held)
        self._party_starts, self._parties = held.numbers("party starts"), held.octets("parties")
        self._names = likeness.Names(
            held.numbers("name starts"),
            held.numbers("name words"),
            held.fractions("name weights"),
            held.octets("name significant"),
            held.octets("name containable"),
        )
        self._records, self._aliases = held.numbers("name records"), held.octets("name aliases")
        self.size, self.count = len(self._party_starts) - 1, len(self._records)
        self._joined_keys = held.numbers("joined keys")
        self._joined_order = held.numbers("joined order")
        self.sets = NameSets(held, self.vocabulary, self.count)

    def party(self, number: int) -> Meant:
        """Return the listed party of this number."""
        starts = self._party_starts
        return msgspec.msgpack.decode(
            self._parties[starts[number] : starts[number + 1]], type=Meant
        )

    def find(self, query: Query, words: Sequence[Word], least: float) -> list[Found]:
        """Return the listed names with a score of at least `least`, in the order of the list.

        `words` has each word of the query as `sets.word` returns it.
        """
        found: dict[int, Found] = {}
        asked = [word.asked for word in words]
        total = sum(word.weight for word in asked)
        # What bounds a score tells nothing of names that are the same, and so score above it.
        worth = min(least, likeness.NEARLY)
        ranked = self._worth_comparing(query, words, worth, asked, total)
        for _, number in ranked[:MAX_SCORED]:
            listed = self._name(number)
            score, exact = likeness.score(asked, total, query.significant, listed, self.vocabulary)
            if score >= least:
                found[number] = Found(listed, score, exact)
        for joined, key in query.run_together.items():
            for number in packed.places(self._joined_keys, self._joined_order, key):
                if number in found and found[number].score >= _RUN_TOGETHER:
                    continue
                listed = self._name(number)
                if "".join(map(self.vocabulary.text, listed.words)) == joined:
                    found[number] = Found(listed, _RUN_TOGETHER, exact=False)
        return [found[number] for number in sorted(found)]

    def _name(self, number: int) -> Listed:
        own = self._names
        return Listed(
            self._records[number],
            bool(self._aliases[number]),
            tuple(own.words[own.starts[number] : own.starts[number + 1]]),
            own.weights[number],
            own.significant[number],
            bool(own.containable[number]),
        )

    def _worth_comparing(
        self, query: Query, words: Sequence[Word], least: float, asked: list[Asked], total: float
    ) -> list[tuple[float, int]]:
        """Return the names that may score `least`, the likeliest first."""
        bits = self.sets.sharing(words, query.significant, least)
        if not bits:
            return []
        numbers = number_set.members(bits)
        significant = query.significant
        return likeness.promising(
            asked, total, significant, numbers, self._names, self.vocabulary, least
        )


def packed_names(records: Iterable[Record]) -> bytes:
    """Return all names of these records, ready to be asked; their order changes nothing."""
    listed = sorted(records, key=lambda each: (each.source, each.source_id, each.names))
    folded = list(_folded(listed))
    counts = Counter(word for _, _, words in folded for word in set(words))
    ids = {word: number for number, word in enumerate(sorted(counts))}
    weights = [weight(word, count) for word, count in sorted(counts.items())]
    everyone = [
        likeness.listed(record, alias, tuple(ids[word] for word in words), words, weights)
        for record, alias, words in folded
    ]
    party_starts, parties = packed.texts(
        msgspec.msgpack.encode(Meant(each.source, each.source_id, each.birth_dates, each.countries))
        for each in listed
    )
    starts, words = packed.rows(each.words for each in everyone)
    joined_keys, joined_order = packed.keyed("".join(words) for _, _, words in folded)
    return packed.pack(
        {
            **packed_words(counts),
            "party starts": party_starts,
            "parties": parties,
            "name starts": starts,
            "name words": words,
            "name weights": array(F64, (each.weight for each in everyone)),
            "name significant": array(U8, (each.significant for each in everyone)),
            "name containable": array(U8, (each.containable for each in everyone)),
            "name records": array(U32, (each.record for each in everyone)),
            "name aliases": array(U8, (each.alias for each in everyone)),
            "joined keys": joined_keys,
            "joined order": joined_order,
            **packed_sets(everyone, sorted(counts), weights),
        }
    )


def _folded(records: Sequence[Record]) -> Iterable[tuple[int, bool, tuple[str, ...]]]:
    """Yield each name once: the number of its record, whether it is an alias, its words."""
    for number, record in enumerate(records):
        seen: set[tuple[str, ...]] = set()
        for alias, group in ((False, record.names), (True, record.aliases)):
            for words in (form for name in group for form in names.forms(name)):
                key = tuple(sorted(words))
                if key not in seen:
                    seen.add(key)
                    yield number, alias, words
