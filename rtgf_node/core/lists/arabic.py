"""Words in Arabic letters: one spelling of each, and the consonants that Latin letters keep.

Arabic writes consonants and long vowels. Who writes such a name in Latin letters chooses the short
vowels, and between several letters for some consonants, so the consonants are what to go by.
"""

from __future__ import annotations

import itertools
import re

ARTICLE = "\u0627\u0644"  # alif, lam
_MAX_WAYS = 8  # to read the consonants of one word

_LETTER = re.compile("[\u0620-\u064a\u066e-\u06d3\u06d5]")
_MARKS = re.compile("[\u0610-\u061a\u064b-\u065f\u0670\u06d6-\u06ed]")
# Hamza and its seats, ya and ta marbuta are left out or exchanged as people type; Persian and Urdu
# keyboards have letters of their own for kaf, ya and ha.
_ONE_SPELLING = str.maketrans(
    "\u0622\u0623\u0625\u0671\u0624\u0626\u0649\u0629\u06a9\u06cc\u06d0\u06be\u06c1\u06c0\u06d5",
    "\u0627\u0627\u0627\u0627\u0648\u064a\u064a\u0647\u0643\u064a\u064a\u0647\u0647\u0647\u0647",
)
_DOUBLE = re.compile(r"(.)\1+")
# By letter, how `names.skeletons` knows what it is written with; what is a vowel, or as faint as
# one, has no place in it.
_CONSONANTS = {
    "\u0628": "b",
    "\u062a": "t",
    "\u062b": "ts",
    "\u062c": "jg",
    "\u062e": "k",
    "\u062f": "d",
    "\u0630": "ds",
    "\u0631": "r",
    "\u0632": "s",
    "\u0633": "s",
    "\u0634": "j",
    "\u0635": "s",
    "\u0636": "ds",
    "\u0637": "t",
    "\u0638": "sd",
    "\u063a": "g",
    "\u0641": "f",
    "\u0642": "kg",
    "\u0643": "k",
    "\u0644": "l",
    "\u0645": "m",
    "\u0646": "n",
    "\u067e": "p",
    "\u0686": "j",
    "\u0698": "j",
    "\u06af": "g",
    "\u067c": "t",
    "\u0689": "d",
    "\u0693": "r",
    "\u069a": "jk",
    "\u0681": "s",
    "\u06a4": "v",
}


def is_arabic(word: str) -> bool:
    """Say whether a letter of the word is an Arabic one."""
    return _LETTER.search(word) is not None


def one_spelling(word: str) -> str:
    """Return the word without vowel marks, and with one letter for each that people exchange."""
    return _MARKS.sub("", word).translate(_ONE_SPELLING)


def skeletons(word: str) -> tuple[str, ...]:
    """Return the consonants of a word in its one spelling, as Latin letters may give them.

    None of a word with fewer than two.
    """
    heard = [_CONSONANTS[letter] for letter in word if letter in _CONSONANTS]
    if len(heard) < 2:
        return ()
    ways = ["".join(way) for way in itertools.islice(itertools.product(*heard), _MAX_WAYS)]
    # Two equal letters are two consonants with a vowel between, or one that is doubled.
    doubled = (_DOUBLE.sub(r"\1", way) for way in ways)
    return tuple(way for way in dict.fromkeys((*ways, *doubled)) if len(way) > 1)
