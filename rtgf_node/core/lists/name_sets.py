"""Which names of a list hold which words, as sets, and which hold enough of the queried ones.

A name that scores is covered by the query to some share of its weight, or covers the query to that
share. So it holds one of the words without which the share is not reached, and as many as that
takes. What is left out scores less; a name that is not left out may score less too.
"""

from __future__ import annotations

from array import array
from collections import Counter
from collections.abc import Collection, Sequence
from functools import cache, lru_cache
from typing import NamedTuple

from rtgf_node.core.lists import number_set, packed
from rtgf_node.core.lists.likeness import GREATER, INITIAL, LESSER, Asked, Listed
from rtgf_node.core.lists.packed import U32, Packed
from rtgf_node.core.lists.vocabulary import LETTERS, Vocabulary

_SHARES = (0.6, 0.7, 0.8, 0.88)  # of a name's weight, for which its telling words are noted
_MOST_COUNTED = 4  # shared words; of a name that needs more, so many are asked for
_COMMON = 24  # names; of a word in more of them, only names with a second word are looked at
_MAX_SETS = 512  # sets of the names of common words that are kept at hand; one has 1 to 4 KB


class Held(NamedTuple):
    """The names that hold one of some words, as sets of their numbers.

    Attributes:
      names: all of them.
      enough: those that one of the words may cover alone.
      rare: those that hold a rare one, of which every one is telling.
      common: the common ones of the words, by their sets.
      telling: by level, the names where one is telling, as far as they were asked for.
    """

    names: int
    enough: int
    rare: int
    common: tuple[int, ...]
    telling: dict[int, int]


_NOBODY = Held(0, 0, 0, (), {})


class Word(NamedTuple):
    """One queried word as it stands in a list.

    Attributes:
      asked: the word.
      alike: the names with what it may stand for.
      initial: the names with its initial, or with a word that it is the initial of.
    """

    asked: Asked
    alike: Held
    initial: Held


class NameSets:
    """The names of one list by their words, immutable: a view of what `packed_sets` made."""

    def __init__(self, held: Packed, vocabulary: Vocabulary, count: int) -> None:
        """Take what was packed of a list with these words and so many names."""
        self._vocabulary, self._count = vocabulary, count
        self._holding_starts, self._holding = (
            held.numbers("holding starts"),
            held.numbers("holding"),
        )
        self._alone_starts, self._alone = held.numbers("alone starts"), held.numbers("alone")
        self._common = held.numbers("common")
        self._set_octets = _set_octets(self._count)
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
        self._initial = cache(self._read_initial)  # of so many letters

    def word(self, text: str, variants: dict[int, float]) -> Word:
        """Return a queried word as it stands in this list.

        `variants` has the ids of what it may stand for, each with its likeness.
        """
        asked = Asked(text, self._vocabulary.weight_of(text, variants), variants)
        return Word(asked, self._held(variants), self._initial(text[0], len(text) == 1))

    def _read_initial(self, letter: str, single: bool) -> Held:
        """Return the names of what a letter, or a longer word that starts with it, pairs with.

        A letter pairs with every longer word that it starts, and such a word with the letter.
        """
        if single:
            return self._held((len(self._vocabulary) + LETTERS.index(letter),))
        number = self._vocabulary.letters.get(letter)
        return self._held(() if number is None else (number,))

    def _held(self, words: Collection[int]) -> Held:
        """Return the names that hold one of these words."""
        if not words:
            return _NOBODY
        common: list[int] = []
        few: list[int] = []
        enough: list[int] = []
        known, starts, alone_starts = self._common, self._holding_starts, self._alone_starts
        for word in words:
            if number := known[word]:
                common.append(number - 1)
            else:
                few += self._holding[starts[word] : starts[word + 1]]
            first, last = alone_starts[word], alone_starts[word + 1]
            if first != last:
                enough += self._alone[first:last]
        rare = number_set.of(few, self._count)
        found = rare
        for each in common:
            found |= self._set(each, 0)
        return Held(found, number_set.of(enough, self._count), rare, tuple(common), {})

    def _read_set(self, common: int, level: int) -> int:
        """Return the names of a common word: all for 0, else where it is telling."""
        at = (common * (1 + len(_SHARES)) + level) * self._set_octets
        return int.from_bytes(self._sets[at : at + self._set_octets], "little")

    def sharing(self, words: Sequence[Word], significant: int, least: float) -> int:
        """Return the names that share enough words with the query."""
        once = twice = 0  # the names alike in so many words
        for word in words:
            twice |= once & word.alike.names
            once |= word.alike.names
        if least > INITIAL and not once:
            return 0  # initials alone make no greater score
        single = significant <= 1
        # A single name scores only where it covers the listed one too.
        share = 2.0 * least - 1.0 if single else (least - LESSER) / GREATER
        level = max((i for i, known in enumerate(_SHARES) if known <= share), default=0)
        pairing = [word.alike.names | word.initial.names for word in words]
        at_least = _counted(pairing)
        if single and share <= _SHARES[0]:
            return at_least[1]
        if least > INITIAL:
            at_least = [each & once for each in at_least]
        found = self._enough(words, at_least, level)
        if not single:
            weights = [word.asked.weight for word in words]
            if any(len(word.asked.text) == 1 for word in words):
                # Many words start with the same letter. But a name that does not stand in the query
                # in full scores only where some of the query is covered too.
                lesser = (least - GREATER) / LESSER
                found &= twice | _covering(weights, pairing, at_least, lesser)
            found |= _covering(weights, pairing, at_least, share)
        return found

    def _enough(self, words: Sequence[Word], at_least: Sequence[int], level: int) -> int:
        """Return the names that may be covered to the share of the level."""
        found = 0
        for word in words:
            found |= word.alike.enough | word.initial.enough
        found = found & at_least[1] | at_least[_MOST_COUNTED]
        for count in range(2, _MOST_COUNTED):
            found |= at_least[count] & ~self._needing_more[level][count]
        if not found:
            return 0
        telling = 0
        for word in words:
            telling |= self._telling(word.alike, level) | self._telling(word.initial, level)
        return found & telling

    def _telling(self, held: Held, level: int) -> int:
        """Return the names where one of the words tells enough."""
        known = held.telling.get(level)
        if known is None:
            known = held.rare
            for each in held.common:
                known |= self._set(each, 1 + level)
            held.telling[level] = known
        return known


def _counted(sets: Sequence[int]) -> list[int]:
    """Return the names in at least so many of the sets, up to `_MOST_COUNTED`; none for none."""
    at_least = [0] * (_MOST_COUNTED + 1)
    for before, each in enumerate(sets):
        for count in range(min(before, _MOST_COUNTED - 1), 0, -1):
            at_least[count + 1] |= at_least[count] & each
        at_least[1] |= each
    return at_least


def _covering(
    weights: Sequence[float], pairing: Sequence[int], at_least: list[int], share: float
) -> int:
    """Return the names that may cover the query to `share`.

    `pairing` has the names for each queried word, and `at_least` those for so many of them.
    """
    left = sum(weights)
    needed = share * left
    order = sorted(zip(weights, pairing, strict=True), key=lambda each: -each[0])
    counted, reached = 0, 0.0
    for weight, _ in order[:_MOST_COUNTED]:
        counted += 1
        reached += weight
        if reached >= needed:
            break
    enough = at_least[counted]
    if not enough:
        return 0
    # The names for one of the words after each.
    after = [0] * len(order)
    for rank in range(len(order) - 1, 0, -1):
        after[rank - 1] = after[rank] | order[rank][1]
    bits = 0
    for (weight, paired), others in zip(order, after, strict=True):
        if left < needed:
            break
        left -= weight
        bits |= paired if weight >= needed else paired & others
    return bits & enough


def packed_sets(
    everyone: Sequence[Listed], words: Sequence[str], weights: Sequence[float]
) -> dict[str, bytes | array[int] | array[float]]:
    """Return which names hold each word, and which of them cannot do without it.

    After the words come the letters, each of which stands for all longer words that it starts.
    """
    started = [(len(words) + LETTERS.index(word[0]),) if len(word) > 1 else () for word in words]
    held = range(len(words) + len(LETTERS))
    holding: list[list[int]] = [[] for _ in held]
    alone: list[list[int]] = [[] for _ in held]
    telling: list[list[list[int]]] = [[[] for _ in _SHARES] for _ in held]
    needing: list[list[list[int]]] = [[[] for _ in range(_MOST_COUNTED)] for _ in _SHARES]
    for number, listed in enumerate(everyone):
        left = listed.weight
        weighed = ((word, weights[word] * count) for word, count in Counter(listed.words).items())
        ranked = sorted(weighed, key=lambda each: (-each[1], each))
        for word, own in ranked:
            if own >= _SHARES[0] * listed.weight:
                alone[word].append(number)
            for one in (word, *started[word]):
                holding[one].append(number)
                for level, share in enumerate(_SHARES):
                    if left >= share * listed.weight:
                        telling[one][level].append(number)
            left -= own
        for level, share in enumerate(_SHARES):
            reached = 0.0
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
        if len(each) < _COMMON and word < len(words):
            common.append(0)
            continue
        sets += map(bits, (each, *telling[word]))
        common.append(len(sets) // (1 + len(_SHARES)))
    holding_starts, rare = packed.rows(
        [] if common[word] else each for word, each in enumerate(holding)
    )
    alone_starts, only = packed.rows(alone)
    return {
        "holding starts": holding_starts,
        "holding": rare,
        "alone starts": alone_starts,
        "alone": only,
        "common": common,
        "sets": b"".join(sets),
        "needing": b"".join(bits(numbers) for counts in needing for numbers in counts),
    }


def _set_octets(count: int) -> int:
    return (count >> 3) + 1
