"""The names of one list, and which of them a queried name may mean.

Few of the listed names are compared word by word. First those that cannot reach the score are left
out: a name that scores is covered by the query to some share of its weight, or covers the query to
that share, so that it holds one of the words without which the share is not reached.
"""

from __future__ import annotations

from array import array
from collections import Counter
from collections.abc import Iterable, Sequence
from functools import lru_cache
from typing import NamedTuple

import msgspec
from msgspec import Struct

from rtgf_node.core.lists import likeness, names, number_set, packed
from rtgf_node.core.lists.likeness import GREATER, LESSER, Asked, Listed
from rtgf_node.core.lists.packed import F64, U8, U32, Buffer, Packed
from rtgf_node.core.lists.question import Query
from rtgf_node.core.lists.record import Record
from rtgf_node.core.lists.vocabulary import Vocabulary, packed_words, weight

MAX_SCORED = 200  # listed names compared word by word for one name of the party

_RUN_TOGETHER = 0.98  # names that differ only in where the words part
_SHARES = (0.6, 0.7, 0.8, 0.88)  # of a name's weight, for which its telling words are noted
_MOST_COUNTED = 4  # shared words; of a name that needs more, so many are asked for
_COMMON = 24  # names; of a word in more of them, only names with a second word are looked at
_MAX_SETS = 512  # sets of the names of common words that are kept at hand; one has 1 to 4 KB


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
        self._holding_starts, self._holding = (
            held.numbers("holding starts"),
            held.numbers("holding"),
        )
        self._alone_starts, self._alone = held.numbers("alone starts"), held.numbers("alone")
        self._common = held.numbers("common")
        self._set_octets = _set_octets(self.count)
        self._sets = held.octets("sets")
        needing = held.octets("needing")
        size = self._set_octets
        sets = [
            int.from_bytes(needing[at : at + size], "little") for at in range(0, len(needing), size)
        ]
        # By share and count: the names of which so many words are not enough.
        self._needing_more = [
            sets[at : at + _MOST_COUNTED] for at in range(0, len(sets), _MOST_COUNTED)
        ]
        self._set = lru_cache(_MAX_SETS)(self._read_set)

    def party(self, number: int) -> Meant:
        """Return the listed party of this number."""
        starts = self._party_starts
        return msgspec.msgpack.decode(
            self._parties[starts[number] : starts[number + 1]], type=Meant
        )

    def word(self, text: str, variants: dict[int, float]) -> Word:
        """Return a queried word as it stands in this list.

        `variants` has the ids of what it may stand for, each with its likeness.
        """
        asked = Asked(text, self.vocabulary.weight_of(text, variants), variants)
        if not variants:
            return Word(asked, 0, 0, 0, (), {})
        common: list[int] = []
        few: list[int] = []
        enough: list[int] = []
        for variant in variants:
            if self._common[variant]:
                common.append(self._common[variant] - 1)
            else:
                starts = self._holding_starts
                few += self._holding[starts[variant] : starts[variant + 1]]
            starts = self._alone_starts
            if starts[variant] < starts[variant + 1]:
                enough += self._alone[starts[variant] : starts[variant + 1]]
        rare = number_set.of(few, self.count)
        holding = rare
        for each in common:
            holding |= self._set(each, 0)
        return Word(asked, holding, number_set.of(enough, self.count), rare, tuple(common), {})

    def _read_set(self, common: int, level: int) -> int:
        """Return the names of a common word: all for 0, else where it is telling."""
        at = (common * (1 + len(_SHARES)) + level) * self._set_octets
        return int.from_bytes(self._sets[at : at + self._set_octets], "little")

    def find(self, query: Query, words: Sequence[Word], least: float) -> list[Found]:
        """Return the listed names with a score of at least `least`, in the order of the list.

        `words` has each word of the query as `word` returns it.
        """
        found: dict[int, Found] = {}
        asked = [word.asked for word in words]
        # What bounds a score tells nothing of names that are the same, and so score above it.
        worth = min(least, likeness.NEARLY)
        for number in self._worth_comparing(query, words, asked, worth):
            listed = self._name(number)
            score, exact = likeness.score(asked, query.significant, listed, self.vocabulary)
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
        self, query: Query, words: Sequence[Word], asked: list[Asked], least: float
    ) -> list[int]:
        """Return the names that may score `least`, the likeliest first, at most `MAX_SCORED`."""
        bits = self._sharing(query, words, least)
        if not bits:
            return []
        ranked = likeness.promising(
            asked,
            query,
            number_set.members(bits),
            self._names,
            self.vocabulary,
            least,
        )
        return [number for _, number in ranked[:MAX_SCORED]]

    def _sharing(self, query: Query, words: Sequence[Word], least: float) -> int:
        """Return the names that share enough words with the query."""
        single = query.significant <= 1
        # A single name scores only where it covers the listed one too.
        share = 2.0 * least - 1.0 if single else (least - LESSER) / GREATER
        level = max((i for i, known in enumerate(_SHARES) if known <= share), default=0)
        telling = found = 0
        # The names that hold so many of the queried words; the first is not used.
        at_least = [0] * (_MOST_COUNTED + 1)
        for counted, word in enumerate(words):
            if not word.holding:
                continue
            telling |= self._telling(word, level)
            found |= word.enough
            for count in range(min(counted, _MOST_COUNTED - 1), 0, -1):
                at_least[count + 1] |= at_least[count] & word.holding
            at_least[1] |= word.holding
        if not at_least[1]:
            return 0
        # An initial may be found in words that do not hold it.
        spare = sum(1 for word in query.spelt if len(word.text) == 1)
        found |= at_least[max(1, _MOST_COUNTED - spare)]
        for count in range(2, _MOST_COUNTED):
            found |= at_least[max(1, count - spare)] & ~self._needing_more[level][count]
        found &= telling
        return found if single else found | _covering(words, at_least, share)

    def _telling(self, word: Word, level: int) -> int:
        """Return the names where what the word may stand for tells enough."""
        known = word.telling.get(level)
        if known is None:
            known = word.rare
            for each in word.common:
                known |= self._set(each, 1 + level)
            word.telling[level] = known
        return known


class Word(NamedTuple):
    """One queried word as it stands in a list; the names are sets of their numbers.

    Attributes:
      asked: the word.
      holding: the names that hold what it may stand for.
      enough: those of them that it may cover alone.
      rare: those that hold a rare word for it, of which every one is telling.
      common: the common words that it may stand for, by their sets.
      telling: by level, those where it is telling, as far as they were asked for.
    """

    asked: Asked
    holding: int
    enough: int
    rare: int
    common: tuple[int, ...]
    telling: dict[int, int]


def _covering(words: Sequence[Word], at_least: list[int], share: float) -> int:
    """Return the names that hold enough of the queried words to cover the query to `share`.

    `at_least` has the names that hold so many of them.
    """
    left = sum(word.asked.weight for word in words)
    needed = share * left - sum(word.asked.weight for word in words if len(word.asked.text) == 1)
    order = sorted(words, key=lambda word: -word.asked.weight)
    # The names that hold one of the words after each.
    after = [0] * len(order)
    for rank in range(len(order) - 1, 0, -1):
        after[rank - 1] = after[rank] | order[rank].holding
    bits = 0
    for word, others in zip(order, after, strict=True):
        if left < needed:
            break
        left -= word.asked.weight
        if word.asked.weight >= needed:
            bits |= word.holding
        elif word.holding:
            bits |= word.holding & others
    reached = 0.0
    for count, word in enumerate(order[: _MOST_COUNTED - 1], 1):
        reached += word.asked.weight
        if reached >= needed:
            return bits & at_least[count]
    return bits & at_least[_MOST_COUNTED]


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
            **_packed_sets(everyone, [len(word) for word in sorted(counts)], weights),
        }
    )


def _packed_sets(
    everyone: Sequence[Listed], lengths: Sequence[int], weights: Sequence[float]
) -> dict[str, bytes | array[int] | array[float]]:
    """Return which names hold each word, and which of them cannot do without it."""
    holding: list[list[int]] = [[] for _ in weights]
    alone: list[list[int]] = [[] for _ in weights]
    telling: list[list[list[int]]] = [[[] for _ in _SHARES] for _ in weights]
    needing: list[list[list[int]]] = [[[] for _ in range(_MOST_COUNTED)] for _ in _SHARES]
    for number, listed in enumerate(everyone):
        left = listed.weight
        # An initial may be found in words that do not hold it.
        free = sum(weights[word] for word in listed.words if lengths[word] == 1)
        weighed = ((word, weights[word] * count) for word, count in Counter(listed.words).items())
        ranked = sorted(weighed, key=lambda each: (-each[1], each))
        for word, own in ranked:
            holding[word].append(number)
            if own + free >= _SHARES[0] * listed.weight:
                alone[word].append(number)
            for level, share in enumerate(_SHARES):
                if left >= share * listed.weight:
                    telling[word][level].append(number)
            left -= own
        for level, share in enumerate(_SHARES):
            reached = free
            for count, (_, own) in enumerate(ranked[: _MOST_COUNTED - 1], 1):
                reached += own
                if reached >= share * listed.weight:
                    break
                needing[level][count].append(number)
    octets = _set_octets(len(everyone))

    def bits(numbers: Sequence[int]) -> bytes:
        return number_set.of(numbers, len(everyone)).to_bytes(octets, "little")

    common = array(U32)
    sets: list[bytes] = []
    for word, each in enumerate(holding):
        if len(each) < _COMMON:
            common.append(0)
            continue
        sets += map(bits, (each, *telling[word]))
        common.append(len(sets) // (1 + len(_SHARES)))
    holding_starts, held = packed.rows(
        [] if common[word] else each for word, each in enumerate(holding)
    )
    alone_starts, only = packed.rows(alone)
    return {
        "holding starts": holding_starts,
        "holding": held,
        "alone starts": alone_starts,
        "alone": only,
        "common": common,
        "sets": b"".join(sets),
        "needing": b"".join(bits(numbers) for counts in needing for numbers in counts),
    }


def _set_octets(count: int) -> int:
    return (count >> 3) + 1


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
