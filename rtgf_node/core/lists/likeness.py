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

_NOTHING = (0.0, 0.0)
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


class Names(NamedTuple):
    """The same of all names of a list, by number, where they are looked through."""

    starts: memoryview[int]
    words: memoryview[int]
    weights: memoryview[float]
    significant: memoryview[int]
    containable: memoryview[int]


def listed(
    record: int, alias: bool, ids: tuple[int, ...], words: tuple[str, ...], weights: Sequence[float]
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
    lengths, initials = vocabulary.lengths, vocabulary.initials
    for i, word in enumerate(asked):
        variants, initial, single = word.variants, ord(word.text[0]), len(word.text) == 1
        for j, other in enumerate(listed.words):
            if other in variants:
                pairs.append((-variants[other], i, j))
            elif (lengths[other] == 1) != single and initials[other] == initial:
                pairs.append((-INITIAL, i, j))
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
    found = _together(
        ours / total,
        theirs / listed.weight,
        min(significant, listed.significant),
        containable=listed.containable,
    )
    return found, False


def promising(
    asked: list[Asked],
    query: Query,
    numbers: Iterable[int],
    everyone: Names,
    vocabulary: Vocabulary,
    least: float,
) -> list[tuple[float, int]]:
    """Return which of these numbers of names may score `least`, after what they score at most.

    That needs no pairing of words. The first has the greatest bound, which is negative for order.
    """
    most = _most(asked, vocabulary)
    total = sum(word.weight for word in asked)
    # A score needs one of the two names covered to this share.
    share = (least - LESSER) / GREATER - _ROUNDING
    needed = share * total
    initials: dict[int, tuple[float, float]] = {}
    for each in asked:
        if len(each.text) == 1:
            more = initials.get(ord(each.text), _NOTHING)
            initials[ord(each.text)] = (more[0] + INITIAL * each.weight, more[1] + INITIAL)
    firsts = vocabulary.initials
    starts, words, weights = everyone.starts, everyone.words, everyone.weights
    found: list[tuple[float, int]] = []
    for number in numbers:
        ours = theirs = 0.0
        own = words[starts[number] : starts[number + 1]]
        for word in own:
            if word in most:
                more = most[word]
                ours += more[0]
                theirs += more[1]
            elif initials and firsts[word] in initials:
                more = initials[firsts[word]]
                ours += more[0]
                theirs += more[1] * vocabulary.weights[word]
        weight = weights[number]
        if ours < needed and theirs < share * weight:
            continue
        bound = _together(
            min(1.0, ours / total),
            min(1.0, theirs / weight),
            min(query.significant, everyone.significant[number]),
            containable=bool(everyone.containable[number]),
        )
        if bound + _ROUNDING >= least:
            found.append((-bound, number))
    found.sort()
    return found


def _most(asked: list[Asked], vocabulary: Vocabulary) -> dict[int, tuple[float, float]]:
    """Return of each listed word the most it may add to what is found of query and listed name."""
    likeliest: dict[int, float] = {}
    ours: dict[int, float] = {}
    for word in asked:
        weight = word.weight
        variants = word.variants
        if len(word.text) > 1 and (initial := vocabulary.letters.get(word.text[0])) is not None:
            variants = {initial: INITIAL, **variants}
        for variant, likely in variants.items():
            if variant in ours:
                ours[variant] = max(ours[variant], likely * weight)
                likeliest[variant] = max(likeliest[variant], likely)
            else:
                ours[variant] = likely * weight
                likeliest[variant] = likely
    weights = vocabulary.weights
    return {word: (ours[word], likely * weights[word]) for word, likely in likeliest.items()}


def _together(first: float, second: float, significant: int, *, containable: bool) -> float:
    """Return the score of a query covered to `first` by a listed name covered to `second`.

    `significant` is how many words of the one that has fewer are a name or an initial.
    """
    greater, lesser = (first, second) if first > second else (second, first)
    if significant <= 1:
        # A single name is part of many: both names must be covered as a whole.
        return min(NEARLY, (greater + lesser) / 2)
    found = GREATER * greater + LESSER * lesser
    if containable and second >= _CONTAINED_LIKENESS:
        found = max(found, CONTAINED)
    return min(NEARLY, found)
