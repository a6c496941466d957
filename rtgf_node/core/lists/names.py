"""Names folded for comparison: one alphabet, one case, no marks, and what each word is worth.

Folding loses on purpose what spellings differ in: accents, scripts, apostrophes, punctuation. What
words mean stays: a legal form, a particle, a title or a patronymic tells parties apart less than a
family name does.
"""

from __future__ import annotations

import re
import unicodedata
from typing import NamedTuple

from anyascii import anyascii

from rtgf_node.core.lists import arabic, greek

MAX_TOKENS = 40  # words of one name; the longest real one has 38 that count
MAX_LENGTH = 2_000  # characters of a name that are looked at, the bound of a record's value

_APOSTROPHES = re.compile("['`\u00b4\u02b9-\u02bf\u2018\u2019\u201b\u2032\u0640]")
_WORD = re.compile(r"[a-z0-9]+")
_MIN_ARTICLE = 4  # letters; a shorter word with these first letters is a word of its own
_HAN = re.compile("[\u3400-\u9fff\uac00-\ud7af]")
_DOTTED = re.compile(r"\b(?:[A-Za-z]\.){2,}[A-Za-z]?\b|\b(?:[A-Za-z]\.){1,}[A-Za-z]\b")
_BRACKETS = re.compile(r"\(([^()]*)\)")
_SEVERAL = re.compile(r"[/;|\n]|\b(?:a\.?k\.?a|f\.?k\.?a|alias|c/o|d/b/a)\b|&", re.IGNORECASE)
_LATIN = re.compile("[A-Za-z0-9]")
_PICTURE = re.compile(":[a-z0-9_+-]+:")  # how an emoji is transliterated
_CAPITAL = re.compile(r"(?<=[a-z])(?=[A-Z])")


def _words(listed: str) -> frozenset[str]:
    return frozenset(listed.split())


LEGAL_FORMS = _words(
    """
    ab ag aktiengesellschaft aktsionernoe anonim ao as aso bhd bv cjsc co company corp
    corporation cv ead eood est fzc fzco fze fzllc gmbh inc incorporated jsc kft kg
    liability limited llc llp lp ltd ltda mbh nv oao obschestvo obshchestvo obshtestvo
    ogranichennoi ogranichennoy ogranichenoi ogranichennoj ojsc ood ooo otkrytoe
    otvetstvennostiu otvetstvennostyu otvetstvennostju oy pao pjsc plc private psc pt pte
    pty public publichnoe pvt sa sal sarl sdn sirketi sl spa sro srl stock joint ticaret uab
    zakrytoe zao
    """
)
PARTICLES = _words(
    """
    ad al an and ar as ash at az bin bint da das de del della den der des di dos du e ed el
    et for ibn in la las le les los of on s the u ud ul und ur us van von y
    """
)
TITLES = _words(
    """
    ayatollah brigadier capt captain col colonel dr gen general haj haji hajj hajji hojjat
    imam lt major maulavi maulvi mawlawi mr mrs ms mufti mullah prof professor qari shaikh
    shaykh sheik sheikh
    """
)
# A patronymic is left out of most documents outside its region.
_PATRONYMIC = re.compile(r"[a-z]{3,}(?:ovich|evich|ovych|evych|avich|ovitch|ovna|evna|ivna|auna)\Z")

_SOUNDS: tuple[tuple[re.Pattern[str], str], ...] = tuple(
    (re.compile(pattern), sound)
    for pattern, sound in (
        (r"shch|sch|tch|dzh|zh|ch|cz|dj|sh|ts|tz", "j"),
        (r"kh|gh|qh", "h"),
        (r"ph", "f"),
        (r"th", "t"),
        (r"dh", "d"),
        (r"ck|[cq]", "k"),
        (r"x", "ks"),
        (r"w", "v"),
        (r"z", "s"),
        (r"[ou]+", "u"),
        (r"[iey]+", "i"),
    )
)
_HEARD_LATER = re.compile("(?<=.)[aiu]+")
_DOUBLE = re.compile(r"(.)\1+")
_SOFT = re.compile("[cg](?=[eiy])")
_VOWELS = re.compile("[aeiou]")
_VOWELS_AND_HALF = re.compile("[aiuh]+")
_MIN_SKELETON = 2  # consonants
_MIN_SOUND = 3  # consonants; shorter skeletons are shared by unrelated names


class Spelt(NamedTuple):
    """A word of a name, and how else it may have been meant.

    Attributes:
      text: the word, in lower-case ASCII.
      others: the same word by other readings of its letters.
      skeletons: its consonants, where its script says no more.
    """

    text: str
    others: tuple[str, ...] = ()
    skeletons: tuple[str, ...] = ()


def fold(name: str) -> tuple[str, ...]:
    """Return the words of a name in lower-case ASCII, in their order."""
    return tuple(words(name))[:MAX_TOKENS]


def words(name: str) -> list[str]:
    """Return what `fold` returns, however many words there are."""
    text = _cleaned(name)
    if not text.isascii():
        text = " ".join(_romanised(word) for word in text.split())
    return _tokens(text)


def spelt(name: str) -> list[Spelt]:
    """Return the words of a name, as `words` does, each with its other readings."""
    text = _cleaned(name)
    if text.isascii():
        return [Spelt(word) for word in _tokens(text)]
    return [each for word in text.split() for each in _spelt(word)]


def _cleaned(name: str) -> str:
    return _APOSTROPHES.sub("", unicodedata.normalize("NFKC", name[:MAX_LENGTH]))


def _tokens(text: str) -> list[str]:
    return _WORD.findall(_DOTTED.sub(_undotted, text).lower())


def _spelt(word: str) -> list[Spelt]:
    tokens = _tokens(_romanised(word))
    if greek.is_greek(word):
        readings = [_tokens(_plain(reading)) for reading in greek.foreign(word)]
        if all(len(reading) == len(tokens) for reading in readings):
            return [
                Spelt(token, tuple(each for each in dict.fromkeys(others) if each != token))
                for token, *others in zip(tokens, *readings, strict=True)
            ]
    if len(tokens) > 0 and arabic.is_arabic(word):
        article, noun = _parted(arabic.one_spelling(word))
        if len(tokens) == 1 + bool(article):
            *before, token = tokens
            return [*map(Spelt, before), Spelt(token, (), arabic.skeletons(noun))]
    return [Spelt(token) for token in tokens]


def forms(name: str) -> tuple[tuple[str, ...], ...]:
    """Return the words of a listed name, and of what stands inside and outside its brackets.

    Publishers put abbreviations, notes and the name in its own script into brackets. What is inside
    counts as a name only in another script; what is outside only if two words are left.
    """
    found = [fold(name)]
    if _BRACKETS.search(name):
        outside = fold(_BRACKETS.sub(" ", name))
        if sum(map(is_significant, outside)) > 1:
            found.append(outside)
        for inside in _BRACKETS.findall(name):
            script = inside.rpartition(":")[2]
            if not _LATIN.search(script):
                found.append(fold(script))
    return tuple(folded for folded in dict.fromkeys(found) if folded)


def parts(name: str) -> tuple[str, ...]:
    """Return the full names in what may be several names in one, such as of a joint account.

    None of what is one name. A part of fewer than two names is left out: it is more likely a part
    of the one name.
    """
    found = _SEVERAL.split(name)
    if len(found) == 1:
        return ()
    return tuple(part for part in found if sum(map(is_significant, words(part))) > 1)


def sound(said: str) -> str:
    """Return the consonants one hears of a spoken word; an empty text if they are too few to tell.

    `mohammed`, `muhammad` and the transliterated Arabic `mhmd` sound the same.
    """
    heard = _HEARD_LATER.sub("", said)
    return heard if len(heard) >= _MIN_SOUND else ""


def spoken(token: str) -> str:
    """Return how a word is said, its vowels included; an empty text for a very short one.

    `willy` and `willi`, `kiva` and `kiwa` are said alike.
    """
    if len(token) < _MIN_SOUND or not token.isalpha():
        return ""
    # A transliterated consonantal script doubles no letter, so two equal ones are two consonants.
    heard = _DOUBLE.sub(r"\1", token) if _VOWELS.search(token) else token
    for pattern, replacement in _SOUNDS:
        heard = pattern.sub(replacement, heard)
    return heard


def skeletons(token: str) -> frozenset[str]:
    """Return the consonants of a word, as a script without vowels leaves them.

    `hsyn`, `hussein` and `hossein` have them in common. A w is a vowel or a v, an h is often part
    of another letter; a word of fewer than two consonants has no skeleton.
    """
    found = set()
    token = token.replace("gh", "g").replace("kh", "k")
    # What one writes th and dh, another who says it otherwise writes s and z.
    other = token.replace("th", "s").replace("dh", "z")
    # In French and English, c and g before e, i and y are said as s and j.
    ways = {each for way in (token, other) for each in (way, _SOFT.sub(_softened, way))}
    for said in {spoken(each) for way in ways for each in (way, way.replace("w", "u"))}:
        bare = _VOWELS_AND_HALF.sub("", said)
        if len(bare) >= _MIN_SKELETON:
            found.add(bare)
    return frozenset(found)


def _softened(letter: re.Match[str]) -> str:
    return "s" if letter[0] == "c" else "j"


def is_consonantal(token: str) -> bool:
    """Say whether no vowel is written after the first letter, as in words of Arabic letters."""
    return len(token) > _MIN_SKELETON and not _VOWELS.search(token, 1)


def class_weight(token: str) -> float:
    """Return how much a word can tell at most, by what kind of word it is."""
    if token in LEGAL_FORMS:
        return 0.1
    if token in PARTICLES or token in TITLES:
        return 0.15
    if len(token) == 1:
        return 0.3
    if _PATRONYMIC.match(token):
        return 0.4
    return 1.0


def is_significant(token: str) -> bool:
    """Say whether the word is a name or an initial, rather than a form, a particle or a title."""
    return token not in LEGAL_FORMS and token not in PARTICLES and token not in TITLES


def _romanised(word: str) -> str:
    if word.isascii():
        return word
    if arabic.is_arabic(word):
        article, noun = _parted(arabic.one_spelling(word))
        return f"{article} {_plain(noun)}"
    if greek.is_greek(word):
        word = greek.own(word)
    plain = _plain(word)
    return _CAPITAL.sub(" ", plain) if _HAN.search(word) else plain


def _parted(word: str) -> tuple[str, str]:
    """Return the article and the noun of an Arabic word, which writes them as one."""
    if len(word) > _MIN_ARTICLE and word.startswith(arabic.ARTICLE):
        return "al", word.removeprefix(arabic.ARTICLE)
    return "", word


def _plain(word: str) -> str:
    letters = "".join(_spelled(letter) for letter in word)
    return letters.replace("`", "").replace("'", "")


def _spelled(letter: str) -> str:
    """Return a letter in ASCII; what is invisible or a picture spells nothing."""
    if unicodedata.category(letter) == "Cf":
        return ""
    spelled = anyascii(letter)
    return "" if _PICTURE.fullmatch(spelled) else spelled


def _undotted(match: re.Match[str]) -> str:
    letters = match[0].replace(".", "")
    return letters if letters.lower() in LEGAL_FORMS else " ".join(letters) + " "
