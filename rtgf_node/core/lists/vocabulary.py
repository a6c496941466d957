"""The words of all listed names: how much each tells, and which words may be meant by another."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping

from rapidfuzz import process
from rapidfuzz.distance import Indel

from rtgf_node.core.lists import names

MAX_VARIANTS = 24  # listed words taken for one queried word; `mohammed` has 21 spellings
_MIN_FUZZY = 5  # letters; one edit in a shorter word makes another name of it
_CUTOFF = 0.8  # similarity of letters, the least of two words that differ in one of five
_STEEPNESS = 1.25  # how much faster than the letters the meaning is lost
_SAME_SOUND = 0.75  # what two words that sound the same share before their letters are looked at
_SOUND_CUTOFF = 0.6
_OTHER_START = 0.95  # people rarely mistake the first letter
_MIN_WEIGHT = 0.35
_WEIGHT_STEP = 0.055
_EDGE = 3  # letters of a word's start or end that one edit leaves whole


class Vocabulary:
    """Words with ids, immutable once built.

    Attributes:
      ids: the id of each word.
      words: the word of each id.
      weights: by id, in 0..1: the rarer a word is in these lists, the more it tells.
    """

    def __init__(self, counts: Mapping[str, int]) -> None:
        self.words = sorted(counts)
        self.ids = {word: number for number, word in enumerate(self.words)}
        self.weights = [weight(word, counts[word]) for word in self.words]
        self._starts: dict[str, list[str]] = defaultdict(list)
        self._ends: dict[str, list[str]] = defaultdict(list)
        self._sounds: dict[str, list[str]] = defaultdict(list)
        for word in self.words:
            heard = names.sound(word)
            if heard:
                self._sounds[heard].append(word)
            if len(word) >= _MIN_FUZZY - 1 and word.isalpha():
                self._starts[word[:_EDGE]].append(word)
                self._ends[word[-_EDGE:]].append(word)

    def variants(self, word: str) -> dict[int, float]:
        """Return the ids of the words that `word` may stand for, each with a likeness in 0..1."""
        found: dict[str, float] = {}
        if len(word) >= _MIN_FUZZY and word.isalpha() and names.is_significant(word):
            for bucket in (self._starts.get(word[:_EDGE]), self._ends.get(word[-_EDGE:])):
                if bucket:
                    self._alike(word, bucket, found)
        heard = names.sound(word)
        same_sound = list(self._sounds.get(heard, ())) if heard else []
        if heard in self.ids:
            # A consonantal script writes few vowels: its words are their own sound.
            same_sound.append(heard)
        for other in same_sound:
            letters = Indel.normalized_similarity(word, other)
            if letters >= _SOUND_CUTOFF:
                likely = _SAME_SOUND + (1.0 - _SAME_SOUND) * letters
                found[other] = max(found.get(other, 0.0), likely)
        best = sorted(found.items(), key=lambda item: (-item[1], item[0]))[:MAX_VARIANTS]
        result = {self.ids[other]: likeness for other, likeness in best}
        own = self.ids.get(word)
        if own is not None:
            result[own] = 1.0
        return result

    def weight_of(self, word: str, variants: Iterable[int]) -> float:
        """Return the weight of a queried word; of one that no list has, that of its variants."""
        own = self.ids.get(word)
        if own is not None:
            return self.weights[own]
        return max((self.weights[number] for number in variants), default=names.class_weight(word))

    @staticmethod
    def _alike(word: str, bucket: list[str], found: dict[str, float]) -> None:
        alike = process.extract(
            word,
            bucket,
            scorer=Indel.normalized_similarity,
            score_cutoff=_CUTOFF,
            limit=MAX_VARIANTS,
        )
        for other, likeness, _ in alike:
            likely = 1.0 - _STEEPNESS * (1.0 - likeness)
            if other[0] != word[0]:
                likely *= _OTHER_START
            found[other] = max(found.get(other, 0.0), likely)


def weight(word: str, count: int) -> float:
    """Return how much a word tells that occurs in `count` listed names.

    In steps of powers of two: exact arithmetic that gives the same score on every machine.
    """
    rarity = max(_MIN_WEIGHT, 1.0 - _WEIGHT_STEP * max(0, count.bit_length() - 2))
    return min(rarity, names.class_weight(word))
