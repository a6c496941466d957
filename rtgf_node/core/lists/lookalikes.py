"""Letters of one alphabet that stand in for another's: a name that looks Latin and is not.

The Cyrillic Es looks like a Latin `C` and transliterates to `S`, so that a name with some letters
exchanged reads the same to people and folds to another name. Whoever mixes alphabets is therefore
read twice: as the letters are, and as they look.
"""

from __future__ import annotations

import re
import unicodedata

from rtgf_node.errors import Code, RtgfError

_CYRILLIC_GREEK = re.compile("[\u0370-\u03ff\u0400-\u052f\u1f00-\u1fff]")
_LATIN = re.compile("[A-Za-z\u00c0-\u024f\u1e00-\u1eff]")
# An override shows letters in another order than they stand in; no name needs one.
_OVERRIDES = re.compile("[\u202d\u202e]")
# Scripts with letters that look Latin. Beside Latin ones in a word they are no spelling of a name;
# Han, Kana and Hangul are not among them, for company names do mix those.
_DECEPTIVE = frozenset({"ARMENIAN", "CANADIAN", "CHEROKEE", "COPTIC", "DESERET", "LISU", "OSAGE"})
_AS_THEY_LOOK = str.maketrans(
    "АВЕКМНОРСТУХІЅЈԚԜҮавекмнорстухіѕјһԁԛԝүѵӏьгп"
    "ΑΒΕΖΗΙΚΜΝΟΡΤΥΧαγεηικνορτυχωϲϳμ",
    "ABEKMHOPCTYXISJQWYabekmhopctyxisjhdqwyvlbrn"
    "ABEZHIKMNOPTYXayenikvoptuxwcju",
)  # fmt: skip


def readings(name: str) -> tuple[str, ...]:
    """Return the name, and how it looks where it mixes Latin with Cyrillic or Greek letters.

    Raises:
      RtgfError: RTGF_INPUT_INVALID if the name turns its letters around or mixes Latin ones with
        those of a script that has no place beside them.
    """
    if name.isascii():
        return (name,)
    name = unicodedata.normalize("NFKC", name)
    if _OVERRIDES.search(name):
        raise RtgfError(
            Code.RTGF_INPUT_INVALID, "the name turns its letters around; write them in their order"
        )
    for word in name.split():
        if _LATIN.search(word) and any(_script(letter) in _DECEPTIVE for letter in word):
            raise RtgfError(
                Code.RTGF_INPUT_INVALID, "a word of the name mixes alphabets; write it in one"
            )
    if _LATIN.search(name) and _CYRILLIC_GREEK.search(name):
        return (name, name.translate(_AS_THEY_LOOK))
    return (name,)


def _script(letter: str) -> str:
    return "" if letter.isascii() else unicodedata.name(letter, "").partition(" ")[0]
