"""Screening: which listed parties may a name mean, and how sure is that.

An index is built once from the records of a list. A query folds the name, looks up which listed
words its words may stand for, takes the few listed names that share enough of the telling ones,
and scores those. Every step is deterministic: the same list and the same party give the same
matches with the same scores on every machine.

The score of two names rests on how much of each is found in the other, every word weighted by how
much it tells. A name that is part of a longer one keeps most of the score; one shared word of two
does not make a match.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable
from typing import Literal, NamedTuple

from msgspec import Struct

from rtgf_node.core.lists import corroboration, lookalikes, names
from rtgf_node.core.lists.record import Record
from rtgf_node.core.lists.vocabulary import Vocabulary
from rtgf_node.errors import Code, RtgfError

MAX_MATCHES = 20  # of one party; an officer reads them
MAX_PARTY_NAMES = 32  # names and aliases of one party that are screened
MAX_SCORED = 200  # listed names compared word by word for one name of the party
MIN_THRESHOLD = 0.7  # below it nearly every name matches some listed one

_GREATER = 0.77  # share of the score that the better covered of the two names decides
_LESSER = 1.0 - _GREATER
_ALIAS = 0.98  # what an alias is worth beside a primary name
_INITIAL = 0.8  # likeness of an initial to a name that starts with it
_RUN_TOGETHER = 0.98  # names that differ only in where the words part
_EQUAL = 0.98  # from here on names differ at most in titles, legal forms and where words part
_ESTIMATE_SLACK = 0.08  # how far the estimate may be below the score
_PRUNE_FROM = 300  # candidates; above it they must share a second word


class Party(Struct, frozen=True, forbid_unknown_fields=True):
    """Who is screened. Birth dates are ISO 8601, whole or partial; countries are alpha-2."""

    names: tuple[str, ...]
    birth_dates: tuple[str, ...] = ()
    countries: tuple[str, ...] = ()


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


class _Listed(NamedTuple):
    """One listed name: its record, its words as ids, and what they weigh together."""

    record: int
    alias: bool
    words: tuple[int, ...]
    weight: float
    significant: int


class _Word(NamedTuple):
    """One queried word: its weight and the listed words it may stand for."""

    text: str
    weight: float
    variants: dict[int, float]


class NameIndex:
    """All names of the given records, ready to be screened against. Immutable once built.

    Attributes:
      size: the number of listed parties.
      name_count: the number of their names.
    """

    def __init__(
        self,
        records: tuple[Record, ...],
        vocabulary: Vocabulary,
        listed: list[_Listed],
        run_together: dict[str, list[int]],
    ) -> None:
        self.size = len(records)
        self.name_count = len(listed)
        self._records = records
        self._vocabulary = vocabulary
        self._listed = listed
        self._run_together = run_together
        self._by_word: list[list[int]] = [[] for _ in vocabulary.words]
        self._by_telling_word: list[list[int]] = [[] for _ in vocabulary.words]
        for number, name in enumerate(listed):
            for word in set(name.words):
                self._by_word[word].append(number)
            for word in _telling(name, vocabulary.weights):
                self._by_telling_word[word].append(number)

    @classmethod
    def build(cls, records: Iterable[Record]) -> NameIndex:
        """Return the index of these records, whatever their order."""
        ordered = tuple(sorted(records, key=lambda each: (each.source, each.source_id, each.names)))
        folded: list[tuple[int, bool, tuple[str, ...]]] = []
        for number, record in enumerate(ordered):
            seen: set[tuple[str, ...]] = set()
            for alias, group in ((False, record.names), (True, record.aliases)):
                for words in (form for name in group for form in names.forms(name)):
                    key = tuple(sorted(words))
                    if key not in seen:
                        seen.add(key)
                        folded.append((number, alias, words))
        counts = Counter(word for _, _, words in folded for word in set(words))
        vocabulary = Vocabulary(counts)
        listed: list[_Listed] = []
        run_together: dict[str, list[int]] = defaultdict(list)
        for number, alias, words in folded:
            ids = tuple(vocabulary.ids[word] for word in words)
            weight = sum(vocabulary.weights[word] for word in ids)
            run_together["".join(words)].append(len(listed))
            listed.append(_Listed(number, alias, ids, weight, _significant(words)))
        return cls(ordered, vocabulary, listed, dict(run_together))

    def screen(self, party: Party, *, threshold: float) -> tuple[Match, ...]:
        """Return the listed parties whose score is at least `threshold`, the likeliest first.

        At most `MAX_MATCHES`; equal scores are ordered by list and record. A threshold below
        `MIN_THRESHOLD` is raised to it.

        Raises:
          RtgfError: RTGF_INPUT_INVALID: the threshold is not in 0..1, the party has too many names,
            or one that cannot be compared. Silence about such a party would read as "not listed".
        """
        if not 0.0 <= threshold <= 1.0:
            raise RtgfError(Code.RTGF_INPUT_INVALID, "a threshold is a number in 0..1")
        if len(party.names) > MAX_PARTY_NAMES:
            detail = f"a party has at most {MAX_PARTY_NAMES} names, this one {len(party.names)}"
            raise RtgfError(Code.RTGF_INPUT_INVALID, detail)
        queries = _queries(party)
        threshold = max(threshold, MIN_THRESHOLD)
        evidence = bool(party.birth_dates or party.countries)
        least = corroboration.needed(threshold) if evidence else threshold
        best: dict[int, Match] = {}
        for query in queries:
            for number, score, exact in self._alike(query, least):
                listed = self._listed[number]
                record = self._records[listed.record]
                score = corroboration.adjust(
                    score * _ALIAS if listed.alias else score,
                    equal=score >= _EQUAL,
                    births=party.birth_dates,
                    listed_births=record.birth_dates,
                    countries=party.countries,
                    listed_countries=record.countries,
                )
                rounded = round(score, 4)
                known = best.get(listed.record)
                if rounded < threshold or (known is not None and known.score >= rounded):
                    continue
                best[listed.record] = Match(
                    score=rounded,
                    source=record.source,
                    source_id=record.source_id,
                    matched_on="alias" if listed.alias else "name",
                    exact=exact,
                )
        ranked = sorted(best.values(), key=lambda each: (-each.score, each.source, each.source_id))
        if not ranked and any(not _tells(query) for query in queries):
            detail = "a name of nothing but initials, titles or legal forms can mean anybody"
            raise RtgfError(Code.RTGF_INPUT_INVALID, detail)
        return tuple(ranked[:MAX_MATCHES])

    def _alike(self, folded: tuple[str, ...], least: float) -> list[tuple[int, float, bool]]:
        """Return the listed names with a score of at least `least`: number, score, exactness."""
        words = [self._word(text) for text in folded]
        significant = _significant(folded)
        found: dict[int, tuple[float, bool]] = {}
        for number in self._candidates(words, least):
            score, exact = self._score(words, self._listed[number], significant)
            if score >= least:
                found[number] = (score, exact)
        for start in range(len(folded)):
            joined = "".join(folded[start:] + folded[:start])
            for number in self._run_together.get(joined, ()):
                if found.get(number, (0.0,))[0] < _RUN_TOGETHER:
                    found[number] = (_RUN_TOGETHER, False)
        return [(number, score, exact) for number, (score, exact) in sorted(found.items())]

    def _word(self, text: str) -> _Word:
        variants = self._vocabulary.variants(text)
        return _Word(text, self._vocabulary.weight_of(text, variants), variants)

    def _candidates(self, words: list[_Word], least: float) -> list[int]:
        """Return the listed names worth comparing, at most `MAX_SCORED`.

        A name that scores `least` is covered to `share` by the query or covers it to `share`.
        The first needs one of the query's telling words; the second one of its own.
        """
        share = (least - _LESSER) / _GREATER
        total = sum(word.weight for word in words)
        single = _significant(word.text for word in words) <= 1
        postings = [self._posting(word) for word in words]
        order = sorted(range(len(words)), key=lambda i: (-words[i].weight, len(postings[i]), i))
        chosen: set[int] = set()
        left = total
        for rank, i in enumerate(order):
            # A single name scores only where it covers the listed one, which the second part finds.
            if single or left < share * total:
                break
            reached = postings[i].keys()
            left -= words[i].weight
            if len(reached) > _PRUNE_FROM and words[i].weight < share * total:
                for j in order[rank + 1 :]:
                    chosen |= reached & postings[j].keys()
            else:
                chosen |= reached
        for word in words:
            for variant in word.variants:
                chosen.update(self._by_telling_word[variant])
        ranked: list[tuple[float, int]] = []
        initials = sum(word.weight for word in words if len(word.text) == 1) * _INITIAL
        weights = [(word.weight, posting) for word, posting in zip(words, postings, strict=True)]
        for number in chosen:
            shared = initials
            for weight, posting in weights:
                shared += weight * posting.get(number, 0.0)
            other = self._listed[number].weight
            greater, lesser = (total, other) if total > other else (other, total)
            estimate = shared * (_GREATER / lesser + _LESSER / greater)
            if estimate >= least - _ESTIMATE_SLACK:
                ranked.append((-estimate, number))
        ranked.sort()
        return [number for _, number in ranked[:MAX_SCORED]]

    def _posting(self, word: _Word) -> dict[int, float]:
        """Return the listed names that hold the word or a variant, each with its likeness."""
        posting: dict[int, float] = {}
        for variant, likeness in sorted(word.variants.items(), key=lambda item: item[1]):
            posting.update(dict.fromkeys(self._by_word[variant], likeness))
        return posting

    def _score(self, words: list[_Word], listed: _Listed, significant: int) -> tuple[float, bool]:
        """Return the likeness of the queried words to a listed name, and whether it is exact."""
        pairs: list[tuple[float, int, int]] = []
        vocabulary = self._vocabulary
        for i, word in enumerate(words):
            for j, other in enumerate(listed.words):
                likeness = word.variants.get(other, 0.0)
                if not likeness:
                    text = vocabulary.words[other]
                    short = len(text) == 1 or len(word.text) == 1
                    if short and text[0] == word.text[0] and len(text) != len(word.text):
                        likeness = _INITIAL
                if likeness:
                    pairs.append((-likeness, i, j))
        pairs.sort()
        used_i: set[int] = set()
        used_j: set[int] = set()
        ours = theirs = 0.0
        same = 0
        for negative, i, j in pairs:
            if i in used_i or j in used_j:
                continue
            used_i.add(i)
            used_j.add(j)
            ours -= negative * words[i].weight
            theirs -= negative * vocabulary.weights[listed.words[j]]
            same += negative == -1.0
        if same == len(words) == len(listed.words):
            return 1.0, True
        first = ours / sum(word.weight for word in words)
        second = theirs / listed.weight
        greater, lesser = (first, second) if first > second else (second, first)
        if min(significant, listed.significant) <= 1:
            # A single name is part of many: both names must be covered as a whole.
            return min(0.999, (greater + lesser) / 2), False
        return min(0.999, _GREATER * greater + _LESSER * lesser), False


def _queries(party: Party) -> list[tuple[str, ...]]:
    """Return the words of every name of the party, of what it looks like, and of names inside it.

    Raises:
      RtgfError: RTGF_INPUT_INVALID: the party has no name, or one with no letters or digits, or of
        which only a part would be looked at.
    """
    queries: dict[tuple[str, ...], None] = {}
    for name in party.names:
        if len(name) > names.MAX_LENGTH:
            detail = f"a name has at most {names.MAX_LENGTH} characters, this one {len(name)}"
            raise RtgfError(Code.RTGF_INPUT_INVALID, detail)
        for reading in lookalikes.readings(name):
            words = names.words(reading)
            if not words:
                detail = "the party has a name without letters or digits"
                raise RtgfError(Code.RTGF_INPUT_INVALID, detail)
            if len(words) > names.MAX_TOKENS:
                detail = f"a name has at most {names.MAX_TOKENS} words, this one {len(words)}"
                raise RtgfError(Code.RTGF_INPUT_INVALID, detail)
            queries[tuple(words)] = None
            queries |= dict.fromkeys(map(names.fold, names.parts(reading)))
    if not queries:
        raise RtgfError(Code.RTGF_INPUT_INVALID, "the party has no name")
    return list(queries)


def _tells(words: Iterable[str]) -> bool:
    return any(len(word) > 1 and names.is_significant(word) for word in words)


def _significant(words: Iterable[str]) -> int:
    return sum(1 for word in words if names.is_significant(word))


def _telling(name: _Listed, weights: list[float]) -> list[int]:
    """Return words of which a query must have one to cover the name well enough for any match."""
    share = (MIN_THRESHOLD - _LESSER) / _GREATER
    left = name.weight
    telling: list[int] = []
    for word in sorted(set(name.words), key=lambda each: (-weights[each], each)):
        if left < share * name.weight:
            break
        telling.append(word)
        left -= weights[word] * name.words.count(word)
    return telling
