"""Which words a queried word may stand for: spellings, slips of the pen, words that sound alike.

The likeness of two words rests on nothing but their letters. So the spellings are looked for among
the words of all lists at once, and each list gets just those that it would find alone.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping

from rapidfuzz import process
from rapidfuzz.distance import Indel

from rtgf_node.core.lists import names
from rtgf_node.core.lists.vocabulary import Vocabulary

_MIN_FUZZY = 5  # letters of the longer word; one edit between shorter ones makes another name
_CUTOFF = 0.8  # similarity of letters, the least of two words that differ in one of five
_STEEPNESS = 1.25  # how much faster than the letters the meaning is lost
_SAME_SOUND = 0.75  # what two words that sound the same share before their letters are looked at
_SOUND_CUTOFF = 0.6
_SAME_SKELETON = 0.82  # what a word written without vowels shares with one of its consonants
_SKELETON_CUTOFF = 0.35
_OTHER_START = 0.95  # people rarely mistake the first letter
_EDGE = 3  # letters of a word's start or end that one edit leaves whole
_SHORT = 6  # letters; in the middle of a word no longer than this one edit touches both edges
MAX_VARIANTS = 20  # words of a list taken for one queried word
MAX_CONSONANTAL = 64  # and for one without vowels; `mhmd` has 40 spellings


class Spellings:
    """The words of several lists, ready to be found by another spelling. Immutable once built."""

    def __init__(self, lists: Mapping[str, Vocabulary]) -> None:
        """Take the words of each list."""
        self._words: dict[str, list[tuple[str, int]]] = defaultdict(list)
        self._starts: dict[str, list[str]] = defaultdict(list)
        self._ends: dict[str, list[str]] = defaultdict(list)
        self._frames: dict[str, list[str]] = defaultdict(list)
        self._sounds: dict[str, list[str]] = defaultdict(list)
        self._skeletons: dict[str, list[str]] = defaultdict(list)
        for name, vocabulary in lists.items():
            for number, word in enumerate(vocabulary.words):
                if word not in self._words:
                    self._add(word, vocabulary.sounds[number], vocabulary.skeletons[number])
                self._words[word].append((name, number))

    def _add(self, word: str, sounds: Iterable[str], skeletons: Iterable[str]) -> None:
        for heard in sounds:
            self._sounds[heard].append(word)
        for bare in skeletons:
            self._skeletons[bare].append(word)
        if len(word) >= _MIN_FUZZY - 1 and word.isalpha():
            self._starts[word[:_EDGE]].append(word)
            self._ends[word[-_EDGE:]].append(word)
            if len(word) <= _SHORT:
                self._frames[_frame(word)].append(word)

    def variants(self, word: str) -> dict[str, dict[int, float]]:
        """Return the words that `word` may stand for, each with a likeness in 0..1.

        By list and id, for lists that have any; the likeliest, at most `MAX_VARIANTS` of a list, or
        `MAX_CONSONANTAL`.
        """
        answer: dict[str, dict[int, float]] = {}
        most = MAX_CONSONANTAL if names.is_consonantal(word) else MAX_VARIANTS
        ranked = sorted(self._spelt(word).items(), key=lambda item: (-item[1], item[0]))
        for other, likely in ranked:
            for name, number in self._words[other]:
                own = answer.get(name)
                if own is None:
                    answer[name] = {number: likely}
                elif len(own) < most:
                    own[number] = likely
        return answer

    def _spelt(self, word: str) -> dict[str, float]:
        found: dict[str, float] = {}
        if len(word) >= _MIN_FUZZY - 1 and word.isalpha() and names.is_significant(word):
            for bucket in (self._starts.get(word[:_EDGE]), self._ends.get(word[-_EDGE:])):
                if bucket:
                    _alike(word, bucket, found)
            if len(word) <= _SHORT and (framed := self._frames.get(_frame(word))):
                _alike(word, framed, found)
        said = names.spoken(word)
        heard = names.sound(said)
        same_sound = {*self._sounds.get(heard, ()), *self._sounds.get(said, ())}
        if heard in self._words:
            # A consonantal script writes few vowels: its words are their own sound.
            same_sound.add(heard)
        for other in same_sound:
            letters = Indel.normalized_similarity(word, other)
            if letters >= _SOUND_CUTOFF:
                likely = _SAME_SOUND + (1.0 - _SAME_SOUND) * letters
                found[other] = max(found.get(other, 0.0), likely)
        if names.is_consonantal(word):
            for bare in names.skeletons(word):
                for other, letters, _ in process.extract(
                    word,
                    self._skeletons.get(bare, ()),
                    scorer=Indel.normalized_similarity,
                    score_cutoff=_SKELETON_CUTOFF,
                    limit=None,
                ):
                    likely = _SAME_SKELETON + (1.0 - _SAME_SKELETON) * letters
                    found[other] = max(found.get(other, 0.0), likely)
        if word in self._words:
            found[word] = 1.0
        return found


def _frame(word: str) -> str:
    return word[:2] + word[-2:]


def _alike(word: str, bucket: list[str], found: dict[str, float]) -> None:
    for other, letters, _ in process.extract(
        word, bucket, scorer=Indel.normalized_similarity, score_cutoff=_CUTOFF, limit=None
    ):
        if max(len(word), len(other)) < _MIN_FUZZY:
            continue
        likely = 1.0 - _STEEPNESS * (1.0 - letters)
        if other[0] != word[0]:
            likely *= _OTHER_START
        found[other] = max(found.get(other, 0.0), likely)
