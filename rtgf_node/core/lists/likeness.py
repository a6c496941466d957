"""How alike are a queried and a listed name: the one place where a score is made.

The score rests on how much of each is found in the other, every word weighted by how much it tells.
A name that is part of a longer one keeps most of the score; one shared word of two does not make a
match. A listed name that stands whole in the query keeps `CONTAINED`, however many words are added.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import NamedTuple

from rtgf_node.core.lists import names
from rtgf_node.core.lists.question import Query
from rtgf_node.core.lists.vocabulary import Vocabulary

GREATER = 0.77  # share of the score that the better covered of the two names decides
LESSER = 1.0 - GREATER
INITIAL = 0.8  # likeness of an initial to a name that starts with it
NEARLY = 0.999  # what names that are not the same score at most

# Extra words (`account of`, a branch, a place) make nobody else of a name that is there in full.
CONTAINED = 0.93  # above the threshold that most clauses state
_CONTAINED_WORDS = 2  # names and initials that the listed name must have
_CONTAINED_WEIGHT = 1.6  # and what they must tell: two rare words, three of middling rarity
_CONTAINED_LIKENESS = 0.999  # its words must all be there as they are

_ROUNDING = 1e-9  # sums in another order differ by less


class Asked(NamedTuple):
    """One queried word: its weight and the listed words it may stand for."""

    text: str
    weight: float
    variants: dict[int, float]


class Listed(NamedTuple):
    """One listed name: its record, its words as ids, and what they weigh together."""

    record: int
    alias: bool
    words: tuple[int, ...]
    weight: float
    significant: int
    containable: bool


def listed(
    record: int, alias: bool, ids: tuple[int, ...], words: tuple[str, ...], weights: list[float]
) -> Listed:
    """Return the listed name of these words."""
    weight = sum(weights[word] for word in ids)
    telling = [weights[i] for i, word in zip(ids, words, strict=True) if names.is_significant(word)]
    containable = len(telling) >= _CONTAINED_WORDS and sum(telling) >= _CONTAINED_WEIGHT
    return Listed(record, alias, ids, weight, len(telling), containable)


def score(
    asked: list[Asked], significant: int, listed: Listed, vocabulary: Vocabulary
) -> tuple[float, bool]:
    """Return the likeness in 0..1 of the queried words to a listed name, and whether it is exact.

    Words are paired one to one, the likeliest first. `significant` is how many queried words are a
    name or an initial.
    """
    pairs: list[tuple[float, int, int]] = []
    for i, word in enumerate(asked):
        for j, other in enumerate(listed.words):
            likely = word.variants.get(other, 0.0)
            if not likely:
                text = vocabulary.words[other]
                short = len(text) == 1 or len(word.text) == 1
                if short and text[0] == word.text[0] and len(text) != len(word.text):
                    likely = INITIAL
            if likely:
                pairs.append((-likely, i, j))
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
        ours -= negative * asked[i].weight
        theirs -= negative * vocabulary.weights[listed.words[j]]
        same += negative == -1.0
    if same == len(asked) == len(listed.words):
        return 1.0, True
    total = sum(word.weight for word in asked)
    return _together(ours / total, theirs / listed.weight, listed, significant), False


def promising(
    asked: list[Asked],
    query: Query,
    numbers: Iterable[int],
    everyone: Sequence[Listed],
    vocabulary: Vocabulary,
    least: float,
) -> list[tuple[float, int]]:
    """Return which of these numbers of names may score `least`, after what they score at most.

    That needs no pairing of words. The first has the greatest bound, which is negative for order.
    """
    most_ours, most_theirs = _most(asked, vocabulary)
    total = sum(word.weight for word in asked)
    # A score needs one of the two names covered to this share.
    share = (least - LESSER) / GREATER - _ROUNDING
    needed = share * total
    initials = [word for word in asked if len(word.text) == 1]
    found: list[tuple[float, int]] = []
    for number in numbers:
        listed = everyone[number]
        ours = theirs = 0.0
        for word in listed.words:
            if word in most_ours:
                ours += most_ours[word]
                theirs += most_theirs[word]
        for initial in initials:
            for word in listed.words:
                if vocabulary.words[word][0] == initial.text and word not in most_ours:
                    ours += INITIAL * initial.weight
                    theirs += INITIAL * vocabulary.weights[word]
        if ours < needed and theirs < share * listed.weight:
            continue
        first, second = min(1.0, ours / total), min(1.0, theirs / listed.weight)
        bound = _together(first, second, listed, query.significant)
        if bound + _ROUNDING >= least:
            found.append((-bound, number))
    found.sort()
    return found


def _most(asked: list[Asked], vocabulary: Vocabulary) -> tuple[dict[int, float], dict[int, float]]:
    """Return of each listed word the most it may add to what is found of query and listed name."""
    ours: dict[int, float] = {}
    likeliest: dict[int, float] = {}
    for word in asked:
        weight = word.weight
        variants = word.variants
        if len(word.text) > 1 and (initial := vocabulary.ids.get(word.text[0])) is not None:
            variants = {initial: INITIAL, **variants}
        for variant, likely in variants.items():
            if variant in ours:
                ours[variant] = max(ours[variant], likely * weight)
                likeliest[variant] = max(likeliest[variant], likely)
            else:
                ours[variant] = likely * weight
                likeliest[variant] = likely
    weights = vocabulary.weights
    return ours, {word: likely * weights[word] for word, likely in likeliest.items()}


def _together(first: float, second: float, listed: Listed, significant: int) -> float:
    """Return the score of a query covered to `first` by a listed name covered to `second`."""
    greater, lesser = (first, second) if first > second else (second, first)
    if min(significant, listed.significant) <= 1:
        # A single name is part of many: both names must be covered as a whole.
        return min(NEARLY, (greater + lesser) / 2)
    found = GREATER * greater + LESSER * lesser
    if second >= _CONTAINED_LIKENESS and listed.containable:
        found = max(found, CONTAINED)
    return min(NEARLY, found)
