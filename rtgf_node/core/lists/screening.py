"""Screening: which listed parties may a name mean, and how sure is that.

The names of a list are indexed once for each of its versions. `NameIndex` answers for one list;
`ListsIndex` answers for several at once, each exactly as its own index would, and shares what rests
on the query alone. A changed list takes the place of its old version beside the others, which are
not indexed again. Every step is deterministic: the same list and the same party give the same
matches with the same scores on every machine, whatever other lists are held.

What a party costs is bounded, whatever its names are. They make at most `MAX_QUERIES` queries of at
most 40 words each and `MAX_WORDS` together, see `question`. Every different word is looked up once,
and stands for at most `MAX_VARIANTS` words of a list, or `MAX_CONSONANTAL`, see `spellings`. For
every query at most `MAX_SCORED` names of a list are compared word by word, see `listed_names`.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from functools import cached_property, lru_cache, partial
from typing import Literal, NamedTuple

from msgspec import Struct

from rtgf_node.core.lists import corroboration, question
from rtgf_node.core.lists.listed_names import ListedNames, packed_names
from rtgf_node.core.lists.name_sets import Word
from rtgf_node.core.lists.names import Spelt
from rtgf_node.core.lists.packed import Buffer
from rtgf_node.core.lists.question import MAX_PARTY_NAMES, Party, Query
from rtgf_node.core.lists.record import Record
from rtgf_node.core.lists.spellings import Spellings, packed_spellings
from rtgf_node.errors import Code, RtgfError

__all__ = ["MAX_MATCHES", "MAX_PARTY_NAMES", "ListsIndex", "Match", "NameIndex", "Party"]

MAX_MATCHES = 20  # of one party in one list; an officer reads them
MAX_REMEMBERED = 2048  # queried words; one takes some 13 KB with all real lists
MIN_THRESHOLD = 0.7  # below it nearly every name matches some listed one

_ALIAS = 0.98  # what an alias is worth beside a primary name
_EQUAL = 0.98  # from here on names differ at most in titles, legal forms and where words part


class Match(Struct, frozen=True):
    """A listed party that may be meant. It names the record and never the person.

    Attributes:
      score: 0..1, rounded to four decimals.
      source: the list.
      source_id: the record in the list.
      matched_on: whether a primary name or an alias is alike.
      exact: the words are the same, whatever their order, accents and script.
    """

    score: float
    source: str
    source_id: str
    matched_on: Literal["name", "alias"]
    exact: bool


class NameIndex:
    """All names of one list, ready to be screened against. Immutable once built.

    Attributes:
      listed: the names.
    """

    def __init__(self, data: Buffer) -> None:
        """Take the bytes that `packed` made; they are read where they lie.

        Raises:
          DamagedError: they are not whole, or of another format.
        """
        self.listed = ListedNames(data)

    @staticmethod
    def packed(records: Iterable[Record]) -> bytes:
        """Return the index of these records as bytes, whatever their order."""
        return packed_names(records)

    @classmethod
    def build(cls, records: Iterable[Record]) -> NameIndex:
        """Return the index of these records, whatever their order."""
        return cls(cls.packed(records))

    @property
    def size(self) -> int:
        """The number of listed parties."""
        return self.listed.size

    @property
    def name_count(self) -> int:
        """The number of their names."""
        return self.listed.count

    @cached_property
    def _alone(self) -> ListsIndex:
        return ListsIndex({"": self})

    def screen(self, party: Party, *, threshold: float) -> tuple[Match, ...]:
        """Return the listed parties whose score is at least `threshold`, the likeliest first.

        At most `MAX_MATCHES`; equal scores are ordered by list and record. A threshold below
        `MIN_THRESHOLD` is raised to it.

        Raises:
          RtgfError: as `ListsIndex.screen`.
        """
        return self._alone.screen(party, ("",), threshold=threshold)[""]


class _QueriedWord(NamedTuple):
    """What was found of a queried word: its variants by list, and how it stands in lists so far."""

    text: str
    variants: Mapping[str, dict[int, float]]
    standing: dict[str, Word]

    @classmethod
    def found(cls, spellings: Spellings, spelt: Spelt) -> _QueriedWord:
        return cls(spelt.text, spellings.variants(spelt), {})

    def within(self, name: str, listed: ListedNames) -> Word:
        """Return how the word stands in the list of this name."""
        word = self.standing.get(name)
        if word is None:
            self.standing[name] = word = listed.sets.word(self.text, self.variants.get(name, {}))
        return word


class ListsIndex:
    """Several lists that are screened together. Nothing changes an answer once it is built.

    Attributes:
      lists: the index of each list by its name, which is its content digest in a node.
    """

    def __init__(self, lists: Mapping[str, NameIndex], data: Buffer | None = None) -> None:
        """Take the lists, and what `packed` made of them; it is made here if it is not at hand.

        Raises:
          DamagedError: as `NameIndex`.
        """
        self.lists = dict(lists)
        spellings = Spellings(sorted(lists), self.packed(lists) if data is None else data)
        self._word = lru_cache(MAX_REMEMBERED)(partial(_QueriedWord.found, spellings))

    @staticmethod
    def packed(lists: Mapping[str, NameIndex]) -> bytes:
        """Return what these lists have in common, as bytes."""
        return packed_spellings([lists[name].listed.vocabulary for name in sorted(lists)])

    def forget(self, name: str) -> None:
        """Let go of a list, if it is here; the others answer as before."""
        self.lists.pop(name, None)
        self._word.cache_clear()

    def screen(
        self, party: Party, lists: Iterable[str], *, threshold: float
    ) -> dict[str, tuple[Match, ...]]:
        """Return for each of `lists` what its own index finds, see `NameIndex.screen`.

        Raises:
          KeyError: one of `lists` is not here.
          RtgfError: RTGF_INPUT_INVALID: the threshold is not in 0..1, the party has too many names,
            or one that cannot be compared. Silence about such a party would read as "not listed".
        """
        if not 0.0 <= threshold <= 1.0:
            raise RtgfError(Code.RTGF_INPUT_INVALID, "a threshold is a number in 0..1")
        queries = question.of(party)
        words = {spelt: self._word(spelt) for query in queries for spelt in query.spelt}
        threshold = max(threshold, MIN_THRESHOLD)
        silent = next((query for query in queries if not question.tells(query)), None)
        answers: dict[str, tuple[Match, ...]] = {}
        for name in lists:
            listed = self.lists[name].listed
            own = {spelt: word.within(name, listed) for spelt, word in words.items()}
            matches = _matches(listed, party, queries, own, threshold)
            if not matches and silent is not None:
                detail = "a name of nothing but initials, titles or legal forms can mean anybody"
                raise RtgfError(Code.RTGF_INPUT_INVALID, detail)
            answers[name] = matches
        return answers


def _matches(
    listed: ListedNames,
    party: Party,
    queries: list[Query],
    words: Mapping[Spelt, Word],
    threshold: float,
) -> tuple[Match, ...]:
    evidence = bool(party.birth_dates or party.countries)
    least = corroboration.needed(threshold) if evidence else threshold
    best: dict[int, Match] = {}
    for query in queries:
        asked = [words[spelt] for spelt in query.spelt]
        for name, score, exact in listed.find(query, asked, least):
            record = listed.party(name.record)
            adjusted = corroboration.adjust(
                score * _ALIAS if name.alias else score,
                equal=score >= _EQUAL,
                births=party.birth_dates,
                listed_births=record.birth_dates,
                countries=party.countries,
                listed_countries=record.countries,
            )
            rounded = round(adjusted, 4)
            known = best.get(name.record)
            if rounded < threshold or (known is not None and known.score >= rounded):
                continue
            best[name.record] = Match(
                score=rounded,
                source=record.source,
                source_id=record.source_id,
                matched_on="alias" if name.alias else "name",
                exact=exact,
            )
    ranked = sorted(best.values(), key=lambda each: (-each.score, each.source, each.source_id))
    return tuple(ranked[:MAX_MATCHES])
