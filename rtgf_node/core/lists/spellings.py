"""Which words a queried word may stand for: spellings, slips of the pen, words that sound alike.

The likeness of two words rests on nothing but their letters. So the spellings are looked for among
the words of all lists at once, and each list gets just those that it would find alone.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence

from rapidfuzz import process
from rapidfuzz.distance import Indel

from rtgf_node.core.lists import names, packed
from rtgf_node.core.lists.names import Spelt
from rtgf_node.core.lists.packed import Buffer, Packed
from rtgf_node.core.lists.vocabulary import Vocabulary

_MIN_FUZZY = 5  # letters of the longer word; one edit between shorter ones makes another name
_CUTOFF = 0.79999  # similarity of letters, just below that of words that differ in one of five
_STEEPNESS = 1.25  # how much faster than the letters the meaning is lost
_SAME_SOUND = 0.75  # what two words that sound the same share before their letters are looked at
_SOUND_CUTOFF = 0.6 - 1e-5  # that too
_SAME_SKELETON = 0.82  # what a word written without vowels shares with one of its consonants
_SKELETON_CUTOFF = 0.35
_OTHER_START = 0.95  # people rarely mistake the first letter
_EDGE = 3  # letters of a word's start or end that one edit leaves whole
_SHORT = 6  # letters; in the middle of a word no longer than this one edit touches both edges
MAX_VARIANTS = 20  # words of a list taken for one queried word
MAX_CONSONANTAL = 64  # and for one without vowels; `mhmd` has 40 spellings

# Groups of words that have something in common, by what that is.
_START, _END, _FRAME, _SOUND, _SKELETON = "<", ">", "|", "~", "-"


def packed_spellings(lists: Sequence[Vocabulary]) -> bytes:
    """Return the words of several lists, ready to be found by another spelling."""
    held: dict[str, list[int]] = defaultdict(list)
    alike: dict[str, list[str]] = defaultdict(list)
    for place, vocabulary in enumerate(lists):
        for number, (word, sounds, skeletons) in enumerate(vocabulary.heard()):
            if word not in held:
                for kind, found in ((_SOUND, sounds), (_SKELETON, skeletons)):
                    for each in found:
                        alike[kind + each].append(word)
                for each in _edges(word):
                    alike[each].append(word)
            held[word] += (place, number)
    words = sorted(held)
    places = {word: number for number, word in enumerate(words)}
    keys, order = packed.keyed(words)
    standing_starts, standing = packed.rows(held[word] for word in words)
    groups = sorted(alike)
    group_keys, group_order = packed.keyed(groups)
    group_texts, texts = packed.texts(" ".join((group, *alike[group])).encode() for group in groups)
    group_starts, numbers = packed.rows([places[word] for word in alike[group]] for group in groups)
    word_starts, joined = packed.texts(word.encode() for word in words)
    return packed.pack(
        {
            "word starts": word_starts,
            "words": joined,
            "word keys": keys,
            "word order": order,
            "standing starts": standing_starts,
            "standing": standing,
            "group keys": group_keys,
            "group order": group_order,
            "group text starts": group_texts,
            "group texts": texts,
            "group starts": group_starts,
            "groups": numbers,
        }
    )


class Spellings:
    """The words of several lists, ready to be found by another spelling. Immutable."""

    def __init__(self, lists: Sequence[str], data: Buffer) -> None:
        """Take what was packed of the lists with these names, in their order.

        Raises:
          DamagedError: as `Packed`.
        """
        self._lists = tuple(lists)
        held = Packed(data)
        self._word_starts, self._words = held.numbers("word starts"), held.octets("words")
        self._keys, self._order = held.numbers("word keys"), held.numbers("word order")
        self._standing_starts = held.numbers("standing starts")
        self._standing = held.numbers("standing")
        self._group_keys = held.numbers("group keys")
        self._group_order = held.numbers("group order")
        self._group_text_starts = held.numbers("group text starts")
        self._group_texts = held.octets("group texts")
        self._group_starts, self._groups = held.numbers("group starts"), held.numbers("groups")

    def variants(self, spelt: Spelt) -> dict[str, dict[int, float]]:
        """Return the words that a queried one may stand for, each with a likeness in 0..1.

        By list and id, for lists that have any; the likeliest, at most `MAX_VARIANTS` of a list, or
        `MAX_CONSONANTAL`.
        """
        answer: dict[str, dict[int, float]] = {}
        bare = spelt.skeletons or (names.is_consonantal(spelt.text) and names.skeletons(spelt.text))
        most = MAX_CONSONANTAL if bare else MAX_VARIANTS
        alike: dict[int, float] = {}
        for reading in (spelt.text, *spelt.others):
            self._alike(reading, alike)
        if bare:
            for skeleton in bare:
                self._compare(spelt.text, _SKELETON + skeleton, alike)
        standing, starts = self._standing, self._standing_starts
        # Numbers are in the order of the words.
        for word, likely in sorted(alike.items(), key=lambda item: (-item[1], item[0])):
            for at in range(starts[word], starts[word + 1], 2):
                name = self._lists[standing[at]]
                own = answer.get(name)
                if own is None:
                    answer[name] = {standing[at + 1]: likely}
                elif len(own) < most:
                    own[standing[at + 1]] = likely
        return answer

    def _alike(self, word: str, found: dict[int, float]) -> None:
        if names.is_significant(word):
            for group in _edges(word):
                self._compare(word, group, found)
        said = names.spoken(word)
        for heard in {names.sound(said), said} - {""}:
            self._compare(word, _SOUND + heard, found)
        heard = names.sound(said)
        # A consonantal script writes few vowels: its words are their own sound.
        if heard != word and (other := self._number(heard)) is not None:
            letters = Indel.normalized_similarity(word, heard)
            if letters >= _SOUND_CUTOFF:
                found[other] = max(found.get(other, 0.0), _like_sound(word, heard, letters))
        own = self._number(word)
        if own is not None:
            found[own] = 1.0

    def _compare(self, word: str, group: str, found: dict[int, float]) -> None:
        """Take of a group of words those whose letters are alike enough."""
        cutoff, likeness = _LIKENESS[group[0]]
        texts, starts = self._group_texts, self._group_text_starts
        for place in packed.places(self._group_keys, self._group_order, packed.key(group)):
            name, *words = str(texts[starts[place] : starts[place + 1]], "ascii").split(" ")
            if name != group:
                continue
            first = self._group_starts[place]
            for other, letters, at in process.extract(
                word,
                words,
                scorer=Indel.normalized_similarity,
                score_cutoff=cutoff,
                limit=None,
            ):
                likely = likeness(word, other, letters)
                number = self._groups[first + at]
                if likely > found.get(number, 0.0):
                    found[number] = likely

    def _number(self, word: str) -> int | None:
        for number in packed.places(self._keys, self._order, packed.key(word)):
            starts = self._word_starts
            if str(self._words[starts[number] : starts[number + 1]], "ascii") == word:
                return number
        return None


def _edges(word: str) -> list[str]:
    """Return what of a word one edit leaves whole, at one place or another."""
    if len(word) < _MIN_FUZZY - 1 or not word.isalpha():
        return []
    edges = [_START + word[:_EDGE], _END + word[-_EDGE:]]
    return [*edges, _FRAME + word[:2] + word[-2:]] if len(word) <= _SHORT else edges


def _like_letters(word: str, other: str, letters: float) -> float:
    if max(len(word), len(other)) < _MIN_FUZZY:
        return 0.0
    likely = 1.0 - _STEEPNESS * (1.0 - letters)
    return likely if other[0] == word[0] else likely * _OTHER_START


def _like_sound(_word: str, _other: str, letters: float) -> float:
    return _SAME_SOUND + (1.0 - _SAME_SOUND) * letters


def _like_skeleton(_word: str, _other: str, letters: float) -> float:
    return _SAME_SKELETON + (1.0 - _SAME_SKELETON) * letters


# By what a group has in common: the letters that must be alike, and what the likeness is then.
_LIKENESS: Mapping[str, tuple[float, Callable[[str, str, float], float]]] = {
    **dict.fromkeys((_START, _END, _FRAME), (_CUTOFF, _like_letters)),
    _SOUND: (_SOUND_CUTOFF, _like_sound),
    _SKELETON: (_SKELETON_CUTOFF, _like_skeleton),
}
