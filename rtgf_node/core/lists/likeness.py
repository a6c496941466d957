"""How alike are a queried and a listed name: the one place where a score is made.

The score rests on how much of each is found in the other, every word weighted by how much it tells.
A name that is part of a longer one keeps most of the score; one shared word of two does not make a
match. A listed name that stands whole in the query keeps `CONTAINED`, however many words are added.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import NamedTuple

from rtgf_node.core.lists import names
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
    asked: list[Asked], total: float, significant: int, listed: Listed, vocabulary: Vocabulary
) -> tuple[float, bool]:
    """Return the likeness in 0..1 of the queried words to a listed name, and whether it is exact.

    Words are paired one to one, the likeliest first. `total` is what the queried words weigh, and
    `significant` how many of them are a name or an initial.
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
    found = _together(
        ours / total,
        theirs / listed.weight,
        min(significant, listed.significant),
        containable=listed.containable,
    )
    return found, False


def promising(
    asked: list[Asked],
    total: float,
    significant: int,
    numbers: Iterable[int],
    everyone: Names,
    vocabulary: Vocabulary,
    least: float,
) -> list[tuple[float, int]]:
    """Return which of these numbers of names may score `least`, after what they `score` at most.

    That needs no pairing of words. The first has the greatest bound, which is negative for order.
    """
    most = _most(asked, vocabulary)
    # A score needs one of the two names covered to this share.
    share = (least - LESSER) / GREATER - _ROUNDING
    needed = share * total
    initials = {ord(each.text): INITIAL * each.weight for each in asked if len(each.text) == 1}
    firsts = vocabulary.initials
    for word, (mine, its) in most.items() if initials else ():
        if firsts[word] in initials:
            own_initial = INITIAL * vocabulary.weights[word]
            most[word] = max(mine, initials[firsts[word]]), max(its, own_initial)
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
                ours += initials[firsts[word]]
                theirs += INITIAL * vocabulary.weights[word]
        weight = weights[number]
        if ours < needed and theirs < share * weight:
            continue
        bound = _together(
            ours / total if ours < total else 1.0,
            theirs / weight if theirs < weight else 1.0,
            min(significant, everyone.significant[number]),
            containable=bool(everyone.containable[number]),
        )
        if bound + _ROUNDING >= least:
            found.append((-bound, number))
    found.sort()
    return found


def _most(asked: list[Asked], vocabulary: Vocabulary) -> dict[int, tuple[float, float]]:
    """Return of each listed word the most it may add to what is found of query and listed name."""
    weights = vocabulary.weights
    most: dict[int, tuple[float, float]] = {}
    for word in asked:
        weight = word.weight
        variants = word.variants
        if len(word.text) > 1 and (initial := vocabulary.letters.get(word.text[0])) is not None:
            variants = {initial: INITIAL, **variants}
        for variant, likely in variants.items():
            more = (likely * weight, likely * weights[variant])
            if variant in most:
                known = most[variant]
                more = (max(known[0], more[0]), max(known[1], more[1]))
            most[variant] = more
    return most


def _together(first: float, second: float, significant: int, *, containable: bool) -> float:
    """Return the score of a query covered to `first` by a listed name covered to `second`.

    `significant` is how many words of the one that has fewer are a name or an initial.
    """
    if significant <= 1:
        # A single name is part of many: both names must be covered as a whole.
        found = (first + second) / 2
    elif first > second:
        found = GREATER * first + LESSER * second
    else:
        found = GREATER * second + LESSER * first
    if containable and found < CONTAINED and second >= _CONTAINED_LIKENESS and significant > 1:
        return CONTAINED
    return min(NEARLY, found)
