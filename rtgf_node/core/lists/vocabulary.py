"""The words of one list: each with an id, and how much it tells."""

from __future__ import annotations

from collections.abc import Collection, Mapping

from rtgf_node.core.lists import names

_MIN_WEIGHT = 0.35
_WEIGHT_STEP = 0.055


class Vocabulary:
    """Words with ids, immutable once built.

    Attributes:
      ids: the id of each word.
      words: the word of each id.
      sounds: by id, how the word is said, with and without its vowels.
      skeletons: by id, its consonants.
      weights: by id, in 0..1: the rarer a word is in this list, the more it tells.
    """

    def __init__(self, counts: Mapping[str, int]) -> None:
        self.words = sorted(counts)
        self.ids = {word: number for number, word in enumerate(self.words)}
        spoken = map(names.spoken, self.words)
        self.sounds = [{names.sound(said), said} - {""} for said in spoken]
        self.skeletons = [names.skeletons(word) for word in self.words]
        self.weights = [weight(word, counts[word]) for word in self.words]

    def weight_of(self, word: str, variants: Collection[int]) -> float:
        """Return the weight of a queried word; of one that the list lacks, that of its variants."""
        own = self.ids.get(word)
        if own is not None:
            return self.weights[own]
        if not variants:
            return names.class_weight(word)
        return max([self.weights[number] for number in variants])


def weight(word: str, count: int) -> float:
    """Return how much a word tells that occurs in `count` listed names.

    In steps of powers of two: exact arithmetic that gives the same score on every machine.
    """
    rarity = max(_MIN_WEIGHT, 1.0 - _WEIGHT_STEP * max(0, count.bit_length() - 2))
    return min(rarity, names.class_weight(word))
