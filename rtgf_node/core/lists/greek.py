"""Words in Greek letters, with the sounds in Latin ones that Greek spells with several.

Greek has no letters for many sounds of other languages: one for s and sh, one for h and kh, two for
ch, and the same for u and w, for i and y. So a foreign name in Greek letters is read several ways.
"""

from __future__ import annotations

import re
import unicodedata
from typing import TypeAlias

_Rules: TypeAlias = tuple[tuple[re.Pattern[str], str], ...]

_LETTER = re.compile("[\u0370-\u03ff\u1f00-\u1fff]")
_TONOS = "\u0301"
_VOWEL = "[\u03b1\u03b5\u03b7\u03b9\u03bf\u03c5\u03c9]"
_OU = "\u03bf\u03c5"


def _rules(*pairs: tuple[str, str]) -> _Rules:
    return tuple((re.compile(pattern), latin) for pattern, latin in pairs)


_NT = "\u03bd\u03c4"
_STOPS = (("\u03bc\u03c0", "b"), (_NT, "d"), ("\u03b3\u03ba", "g"), ("\u03c4\u03b6", "j"))
_OWN = _rules(*_STOPS, (_OU, "u"), ("\u03c7", "kh"))
_FOREIGN = _rules(
    (f"{_NT}\u03b6", "nj"),
    (f"{_NT}\u03c3", "nch"),
    *_STOPS,
    ("\u03c4\u03c3", "ch"),
    (f"\u03b9(?={_VOWEL})", "y"),
    (f"{_OU}(?={_VOWEL})|(?<={_VOWEL}){_OU}", "w"),
    (_OU, "u"),
    ("\u03c7", "h"),
)
# With the other choice of each that has two.
_OTHER = (
    (*_FOREIGN, *_rules(("[\u03c3\u03c2]", "sh"), ("\u03b3", "gh"))),
    (*_rules((f"(?<=.){_NT}", "nt")), *_FOREIGN),
)


def is_greek(word: str) -> bool:
    """Say whether a letter of the word is a Greek one."""
    return _LETTER.search(word) is not None


def own(word: str) -> str:
    """Return the word as a Greek one is read."""
    return _read(word, _OWN)


def foreign(word: str) -> tuple[str, ...]:
    """Return the word as a foreign one may be meant, the likeliest first."""
    return tuple(_read(word, rules) for rules in (_FOREIGN, *_OTHER))


def _read(word: str, rules: _Rules) -> str:
    plain = unicodedata.normalize("NFD", word.lower()).replace(_TONOS, "")
    plain = unicodedata.normalize("NFC", plain)
    for pattern, latin in rules:
        plain = pattern.sub(latin, plain)
    return plain
