"""The words of one list: each with an id, and how much it tells."""

from __future__ import annotations

import itertools
from array import array
from collections.abc import Iterator, Mapping

from rtgf_node.core.lists import names, packed
from rtgf_node.core.lists.packed import F64, U8, Packed

_MIN_WEIGHT = 0.35
_WEIGHT_STEP = 0.055
LETTERS = "abcdefghijklmnopqrstuvwxyz0123456789"
_LONG = 255  # letters, or more


def packed_words(counts: Mapping[str, int]) -> dict[str, bytes | array[int] | array[float]]:
    """Return the words that occur so often, to be packed; ids follow the order of the words."""
    words = sorted(counts)
    starts, joined = packed.texts(word.encode() for word in words)
    keys, order = packed.keyed(words)
    weights = [weight(word, counts[word]) for word in words]
    steps = sorted(set(weights))
    place = {step: number for number, step in enumerate(steps)}
    heard = (" ".join(_sounds(word)).encode() for word in words)
    bare = (" ".join(sorted(names.skeletons(word))).encode() for word in words)
    sound_starts, sounds = packed.texts(heard)
    skeleton_starts, skeletons = packed.texts(bare)
    return {
        "word starts": starts,
        "words": joined,
        "word keys": keys,
        "word order": order,
        "initials": bytes(ord(word[0]) for word in words),
        "lengths": array(U8, (min(len(word), _LONG) for word in words)),
        "weight steps": array(F64, steps),
        "weights": array(U8, (place[each] for each in weights)),
        "sound starts": sound_starts,
        "sounds": sounds,
        "skeleton starts": skeleton_starts,
        "skeletons": skeletons,
    }


class Vocabulary:
    """Words with ids, immutable.

    Attributes:
      weights: by id, in 0..1: the rarer a word is in this list, the more it tells.
      initials: by id, the code of the first letter.
      lengths: by id, the letters of the word.
      letters: the id of each word that is a single letter or digit.
    """

    def __init__(self, held: Packed) -> None:
        self._held = held
        self._starts, self._words = held.numbers("word starts"), held.octets("words")
        self._keys, self._order = held.numbers("word keys"), held.numbers("word order")
        steps = list(held.fractions("weight steps"))
        # As a list of few different numbers, which is small and read fastest.
        self.weights: list[float] = [steps[each] for each in held.octets("weights")]
        self.initials = held.octets("initials")
        self.lengths = held.octets("lengths")
        found = ((letter, self.id_of(letter)) for letter in LETTERS)
        self.letters = {letter: number for letter, number in found if number is not None}

    def __len__(self) -> int:
        return len(self.weights)

    def text(self, number: int) -> str:
        """Return the word with this id."""
        return str(self._words[self._starts[number] : self._starts[number + 1]], "ascii")

    def id_of(self, word: str) -> int | None:
        """Return the id of a word, if the list has it."""
        for number in packed.places(self._keys, self._order, packed.key(word)):
            if self.text(number) == word:
                return number
        return None

    def heard(self) -> Iterator[tuple[str, list[str], list[str]]]:
        """Yield each word in the order of the ids, how it may be said, and its skeletons."""
        held = self._held
        columns = [
            _texts(held, starts, joined)
            for starts, joined in (
                ("word starts", "words"),
                ("sound starts", "sounds"),
                ("skeleton starts", "skeletons"),
            )
        ]
        for word, sounds, skeletons in zip(*columns, strict=True):
            yield word, sounds.split(), skeletons.split()

    def weight_of(self, word: str, variants: Mapping[int, float]) -> float:
        """Return the weight of a queried word; of one that the list lacks, that of its variants.

        `variants` has the likeliest first, and the word itself if the list has it.
        """
        for number, likely in variants.items():
            if likely < 1.0:
                break
            if self.text(number) == word:
                return self.weights[number]
        if not variants:
            return names.class_weight(word)
        return max([self.weights[number] for number in variants])


def _texts(held: Packed, starts: str, joined: str) -> Iterator[str]:
    text, places = str(held.octets(joined), "ascii"), held.numbers(starts).tolist()
    for first, last in itertools.pairwise(places):
        yield text[first:last]


def _sounds(word: str) -> list[str]:
    said = names.spoken(word)
    return sorted({names.sound(said), said} - {""})


def weight(word: str, count: int) -> float:
    """Return how much a word tells that occurs in `count` listed names.

    In steps of powers of two: exact arithmetic that gives the same score on every machine.
    """
    rarity = max(_MIN_WEIGHT, 1.0 - _WEIGHT_STEP * max(0, count.bit_length() - 2))
    return min(rarity, names.class_weight(word))
