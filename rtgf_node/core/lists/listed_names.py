"""The names of one list, and which of them a queried name may mean.

Few of the listed names are compared word by word. First those that cannot reach the score are left
out: a name that scores is covered by the query to some share of its weight, or covers the query to
that share, so that it holds one of the words without which the share is not reached.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence
from typing import NamedTuple

from rtgf_node.core.lists import likeness, names, number_set
from rtgf_node.core.lists.likeness import GREATER, LESSER, Asked, Listed
from rtgf_node.core.lists.question import Query
from rtgf_node.core.lists.record import Record
from rtgf_node.core.lists.vocabulary import Vocabulary

MAX_SCORED = 200  # listed names compared word by word for one name of the party

_RUN_TOGETHER = 0.98  # names that differ only in where the words part
_SHARES = (0.6, 0.7, 0.8, 0.88)  # of a name's weight, for which its telling words are noted
_MOST_COUNTED = 4  # shared words; of a name that needs more, so many are asked for
_COMMON = 24  # names; of a word in more of them, only names with a second word are looked at


class Found(NamedTuple):
    """A listed name that is alike enough."""

    listed: Listed
    score: float
    exact: bool


class ListedNames:
    """All names of one list, immutable once built.

    Attributes:
      records: the listed parties, in the order of their list and id.
      vocabulary: the words of their names.
      names: one entry for each.
    """

    def __init__(self, records: Iterable[Record]) -> None:
        self.records = tuple(
            sorted(records, key=lambda each: (each.source, each.source_id, each.names))
        )
        folded = list(_folded(self.records))
        counts = Counter(word for _, _, words in folded for word in set(words))
        self.vocabulary = vocabulary = Vocabulary(counts)
        self.names: list[Listed] = []
        self._run_together: dict[str, list[int]] = defaultdict(list)
        holding: list[list[int]] = [[] for _ in vocabulary.words]
        alone: list[list[int]] = [[] for _ in vocabulary.words]
        telling: list[list[list[int]]] = [[[] for _ in _SHARES] for _ in vocabulary.words]
        needing: list[list[list[int]]] = [[[] for _ in range(_MOST_COUNTED)] for _ in _SHARES]
        for number, (record, alias, words) in enumerate(folded):
            ids = tuple(vocabulary.ids[word] for word in words)
            listed = likeness.listed(record, alias, ids, words, vocabulary.weights)
            self.names.append(listed)
            self._run_together["".join(words)].append(number)
            left = listed.weight
            # An initial may be found in words that do not hold it.
            free = sum(
                vocabulary.weights[i] for i, word in zip(ids, words, strict=True) if len(word) == 1
            )
            ranked = sorted(_weighed(ids, vocabulary), key=lambda each: (-each[1], each))
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
        self._size = size = len(folded)
        self._holding: list[list[int] | _Common] = [
            each
            if len(each) < _COMMON
            else _Common(
                number_set.of(each, size),
                tuple(number_set.of(names_of, size) for names_of in telling[word]),
            )
            for word, each in enumerate(holding)
        ]
        self._alone = {word: each for word, each in enumerate(alone) if each}
        # By share and count: the names of which so many words are not enough.
        self._needing_more = [
            [number_set.of(names_of, size) for names_of in counts] for counts in needing
        ]

    def word(self, text: str, variants: dict[int, float]) -> Word:
        """Return a queried word as it stands in this list.

        `variants` has the ids of what it may stand for, each with its likeness.
        """
        asked = Asked(text, self.vocabulary.weight_of(text, variants), variants)
        common: list[_Common] = []
        few: list[int] = []
        enough: list[int] = []
        for variant in variants:
            each = self._holding[variant]
            if isinstance(each, list):
                few += each
            else:
                common.append(each)
            if variant in self._alone:
                enough += self._alone[variant]
        rare = number_set.of(few, self._size)
        holding = rare
        for each in common:
            holding |= each.holding
        return Word(asked, holding, number_set.of(enough, self._size), rare, tuple(common))

    def find(self, query: Query, words: Sequence[Word], least: float) -> list[Found]:
        """Return the listed names with a score of at least `least`, in the order of the list.

        `words` has each word of the query as `word` returns it.
        """
        found: dict[int, Found] = {}
        asked = [word.asked for word in words]
        for number in self._worth_comparing(query, words, asked, least):
            listed = self.names[number]
            score, exact = likeness.score(asked, query.significant, listed, self.vocabulary)
            if score >= least:
                found[number] = Found(listed, score, exact)
        for joined in query.run_together:
            for number in self._run_together.get(joined, ()):
                if number not in found or found[number].score < _RUN_TOGETHER:
                    found[number] = Found(self.names[number], _RUN_TOGETHER, exact=False)
        return [found[number] for number in sorted(found)]

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
            self.names,
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
            telling |= word.rare
            for each in word.common:
                telling |= each.telling[level]
            found |= word.enough
            for count in range(min(counted, _MOST_COUNTED - 1), 0, -1):
                at_least[count + 1] |= at_least[count] & word.holding
            at_least[1] |= word.holding
        if not at_least[1]:
            return 0
        # An initial may be found in words that do not hold it.
        spare = sum(1 for word in query.words if len(word) == 1)
        found |= at_least[max(1, _MOST_COUNTED - spare)]
        for count in range(2, _MOST_COUNTED):
            found |= at_least[max(1, count - spare)] & ~self._needing_more[level][count]
        found &= telling
        return found if single else found | _covering(words, at_least, share)


class _Common(NamedTuple):
    """The names of a common word, as sets: all, and those where it is telling."""

    holding: int
    telling: tuple[int, ...]


class Word(NamedTuple):
    """One queried word as it stands in a list; the names are sets of their numbers.

    Attributes:
      asked: the word.
      holding: the names that hold what it may stand for.
      enough: those of them that it may cover alone.
      rare: those that hold a rare word for it, of which every one is telling.
      common: the common words that it may stand for.
    """

    asked: Asked
    holding: int
    enough: int
    rare: int
    common: tuple[_Common, ...]


def _covering(words: Sequence[Word], at_least: list[int], share: float) -> int:
    """Return the names that hold enough of the queried words to cover the query to `share`.

    `at_least` has the names that hold so many of them.
    """
    left = sum(word.asked.weight for word in words)
    needed = share * left - sum(word.asked.weight for word in words if len(word.asked.text) == 1)
    order = sorted(words, key=lambda word: -word.asked.weight)
    bits = 0
    for rank, word in enumerate(order):
        if left < needed:
            break
        left -= word.asked.weight
        if word.asked.weight >= needed:
            bits |= word.holding
        elif word.holding:
            others = 0
            for other in order[rank + 1 :]:
                others |= other.holding
            bits |= word.holding & others
    reached = 0.0
    for count, word in enumerate(order[: _MOST_COUNTED - 1], 1):
        reached += word.asked.weight
        if reached >= needed:
            return bits & at_least[count]
    return bits & at_least[_MOST_COUNTED]


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


def _weighed(ids: tuple[int, ...], vocabulary: Vocabulary) -> Iterable[tuple[int, float]]:
    for word in set(ids):
        yield word, vocabulary.weights[word] * ids.count(word)
