"""Names that mean a listed party, and names that mean nobody, made from the real lists by rules.

Each rule is a kind of difference that screening must see through, or must not. The choice is drawn
from a seed: the same lists give the same questions. Nothing of them is kept anywhere; a question is
named by its rule and its record.
"""

# ruff: noqa: RUF001, SIM905  letters of other alphabets, and words in a row, are the point
from __future__ import annotations

import itertools
import random
import re
import unicodedata
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import NamedTuple

from msgspec import structs

from rtgf_node.core.lists import names
from rtgf_node.core.lists.record import Record
from rtgf_node.core.lists.screening import ListsIndex, Party

SEED = 20261123  # the questions that screening was tuned with
HELD_OUT = (20270101, 20270102)  # and others, that nothing was tuned with
EACH = 60  # questions by each rule
THRESHOLD = 0.85
WITHHELD = "Arabic name of a party listed in Latin letters"
FORENAMES = (
    "Anna Peter Maria John Emma Lars Sven Ingrid David Sarah Michael Jose Carlos Juan Raj "
    "Priya Ahmed Fatima Omar Aisha Chen Wei Yuki Kenji Olga Dmitri Elena Pavel Kofi Amara"
).split()
SURNAMES = (
    "Lindqvist Tan Smith Garcia Hansen Müller Schmidt Rossi Dubois Nguyen Cohen Levy Silva "
    "Patel Okafor Sorensen Yilmaz Nakamura Haddad Costa Jansen Novak Kowalski Papadopoulos "
    "Murphy Khan"
).split()
FIRMS = ("Golden Blue Star Ocean United Alpine Nordic Silver Royal Green Pacific Atlas").split()
TRADES = (
    "Trading Shipping Foods Textiles Software Logistics Consulting Bakery Motors Energy"
).split()

_WORD = re.compile(r"[A-Za-z]{3,}")
_CYRILLIC = dict(
    zip(
        ("shch zh kh ts ch sh yu ya a b v g d e z i y k l m n o p r s t u f h j w q x c").split(),
        ("щ ж х ц ч ш ю я а б в г д е з и й к л м н о п р с т у ф х й в к кс к").split(),
        strict=True,
    )
)
_GREEK = dict(
    zip(
        ("th ch kh gh ph ou sh b d g a v e z i y k l m n x o p r s t u f h j w q c").split(),
        ("θ τσ χ γ φ ου σ μπ ντ γκ α β ε ζ ι ι κ λ μ ν ξ ο π ρ σ τ ου φ χ τζ ου κ κ").split(),
        strict=True,
    )
)
_OTHER_ARABIC = str.maketrans("أإآىةکی", "ااايهكي")
_PERSIAN = re.compile("[پچژگکی]")
_ROMAN = (("kh", "h"), ("ou", "u"), ("oo", "u"), ("sh", "ch"), ("ph", "f"), ("dj", "j"),
          ("v", "w"), ("y", "i"), ("ee", "i"), ("k", "c"), ("q", "k"), ("ae", "e"))  # fmt: skip
_HAN = re.compile("[\u4e00-\u9fff]{2,4}")
_LETTERS = "abcdefghijklmnopqrstuvwxyz"


class Question(NamedTuple):
    """A party to screen, and the record that it means: none for a negative."""

    rule: str
    party: Party
    source: str = ""
    source_id: str = ""


def questions(
    lists: Mapping[str, Sequence[Record]], *, each: int = EACH, seed: int = SEED
) -> list[Question]:
    """Return `each` questions of every rule, as far as the lists have names for it."""
    found: list[Question] = []
    everyone = sorted(
        (record for held in lists.values() for record in held),
        key=lambda record: (record.source, record.source_id),
    )
    for rule, vary in sorted(_RULES.items()):
        drawn = random.Random(f"{seed} {rule}")
        kept = 0
        for record in drawn.sample(everyone, len(everyone)):
            name = _plain_name(record)
            party = vary(drawn, record, name) if name else None
            if party is not None and party.names[0] != name:
                found.append(Question(rule, party, record.source, record.source_id))
                kept += 1
                if kept == each:
                    break
    found += _negatives(everyone, each, seed)
    return found


def withheld(
    lists: Mapping[str, Sequence[Record]], asked: Iterable[Question]
) -> dict[str, list[Record]]:
    """Return the lists without the Arabic names of those who are asked for by them."""
    meant = {(each.source, each.source_id) for each in asked if each.rule == WITHHELD}

    def latin(record: Record) -> Record:
        if (record.source, record.source_id) not in meant:
            return record
        kept, other = (
            tuple(name for name in group if not _is_arabic(name))
            for group in (record.names, record.aliases)
        )
        return structs.replace(record, names=kept, aliases=other)

    return {name: [latin(record) for record in lists[name]] for name in lists}


def measured(asked: Iterable[Question], index: ListsIndex, *, threshold: float) -> Figures:
    """Return how many questions were answered rightly."""
    figures = Figures(defaultdict(int), defaultdict(int))
    for question in asked:
        answer = index.screen(question.party, index.lists, threshold=threshold)
        matches = [match for found in answer.values() for match in found]
        meant = (question.source, question.source_id)
        hit = any((match.source, match.source_id) == meant for match in matches)
        figures.asked[question.rule] += 1
        figures.found[question.rule] += hit if question.source_id else bool(matches)
    return figures


class Figures(NamedTuple):
    """By rule: how many were asked, and for how many a listed party was found."""

    asked: dict[str, int]
    found: dict[str, int]

    @property
    def positives(self) -> int:
        """How many questions mean a listed party."""
        return sum(count for rule, count in self.asked.items() if rule in _RULES)

    @property
    def negatives(self) -> int:
        """How many mean nobody who is listed."""
        return sum(self.asked.values()) - self.positives

    @property
    def recall(self) -> float:
        """The share of the positives for which the right record was found."""
        return self._right / self.positives

    @property
    def precision(self) -> float:
        """The share of the right ones among all for which anything was found."""
        return self._right / (self._right + sum(self.found.values()) - self._right)

    @property
    def _right(self) -> int:
        return sum(count for rule, count in self.found.items() if rule in _RULES)


def _plain_name(record: Record) -> str | None:
    """Return a primary Latin name of two to five words, two of them of three letters or more."""
    for name in record.names:
        if name.isascii() and "(" not in name:
            words = name.replace(",", " ").split()
            if 2 <= len(words) <= 5 and len(_WORD.findall(name)) >= 2:
                return " ".join(words)
    return None


def _respelled(name: str, table: Mapping[str, str]) -> str:
    keys = sorted(table, key=lambda key: (-len(key), key))
    pattern = re.compile("|".join(keys))
    return pattern.sub(lambda match: table[match[0]], name.lower())


def _cyrillic(drawn: random.Random, record: Record, name: str) -> Party | None:
    if record.kind != "person" or not {"RU", "BY", "UA"} & set(record.countries):
        return None
    return Party((_respelled(name, _CYRILLIC).title(),))


def _greek(drawn: random.Random, record: Record, name: str) -> Party | None:
    return Party((_respelled(name, _GREEK).title(),)) if record.kind == "person" else None


def _is_arabic(text: str) -> bool:
    return any("\u0627" <= letter <= "\u064a" for letter in text)


def _arabic(drawn: random.Random, record: Record, name: str) -> Party | None:
    """Ask for the one Arabic name that the list has, and that is withheld from the index.

    Not for one in Persian letters; nor where the list gives several, each of another Latin name.
    """
    arabic = [each for each in record.names if _is_arabic(each)]
    for each in arabic:
        if record.kind == "person" and len(arabic) == 1 and not _PERSIAN.search(each):
            words = [word for word in names.fold(each) if names.is_significant(word)]
            latin = [word for word in names.fold(name) if names.is_significant(word)]
            if 2 <= len(words) == len(latin) and min(map(len, words)) > 2:
                return Party((each,))
    return None


def _arabic_spelling(drawn: random.Random, record: Record, name: str) -> Party | None:
    """Write a listed Arabic name as it is written elsewhere: hamza, ya and ta marbuta, marks."""
    for each in record.names:
        if _is_arabic(each) and len(each.split()) > 1:
            varied = each.translate(_OTHER_ARABIC)
            return Party((varied,)) if varied != each else None
    return None


def _chinese(drawn: random.Random, record: Record, name: str) -> Party | None:
    for each in (*record.names, *record.aliases):
        if _HAN.fullmatch(each):
            family, *given = names.fold(each)
            return Party((f"{''.join(given)} {family}".title(),)) if given else None
    return None


def _accents_added(drawn: random.Random, record: Record, name: str) -> Party | None:
    marks = "\u0300\u0301\u0302\u0303\u0308\u030c"
    marked = "".join(
        letter + drawn.choice(marks) if letter in "aeiouAEIOUnsc" else letter for letter in name
    )
    return Party((unicodedata.normalize("NFC", marked),))


def _accents_dropped(drawn: random.Random, record: Record, name: str) -> Party | None:
    for each in (*record.names, *record.aliases):
        plain = unicodedata.normalize("NFD", each).encode("ascii", "ignore").decode()
        if len(plain) == len(each) and plain != each and len(_WORD.findall(plain)) >= 2:
            return Party((plain,))
    return None


def _order(drawn: random.Random, record: Record, name: str) -> Party | None:
    words = name.split()
    return Party((f"{words[-1].upper()}, {' '.join(words[:-1])}",))


def _initials(drawn: random.Random, record: Record, name: str) -> Party | None:
    first, *others = name.split()
    if record.kind != "person" or not names.is_significant(first.lower()) or len(first) < 3:
        return None
    return Party((f"{first[0]}. {' '.join(others)}",))


def _edited(name: str, drawn: random.Random, edit: Callable[[str, int], str]) -> Party | None:
    words = name.split()
    long = [i for i, word in enumerate(words) if len(word) >= 5 and word.isalpha()]
    if not long:
        return None
    i = drawn.choice(long)
    words[i] = edit(words[i], drawn.randrange(1, len(words[i])))
    return Party((" ".join(words),))


def _typo(drawn: random.Random, record: Record, name: str) -> Party | None:
    letter, kind = drawn.choice(_LETTERS), drawn.randrange(4)

    def edit(word: str, at: int) -> str:
        if kind == 0:
            return word[:at] + word[at + 1 :]
        if kind == 1:
            return word[:at] + letter + word[at:]
        if kind == 2:
            return word[:at] + letter + word[at + 1 :]
        return word[: at - 1] + word[at] + word[at - 1] + word[at + 1 :]

    return _edited(name, drawn, edit)


def _doubled(drawn: random.Random, record: Record, name: str) -> Party | None:
    return _edited(name, drawn, lambda word, at: word[:at] + word[at - 1] + word[at:])


def _spacing(drawn: random.Random, record: Record, name: str) -> Party | None:
    words = name.split()
    i = drawn.randrange(len(words) - 1)
    between = drawn.choice(("", "-", " - ", "   "))
    return Party((" ".join([*words[:i], f"{words[i]}{between}{words[i + 1]}", *words[i + 2 :]]),))


def _forms(drawn: random.Random, record: Record, name: str) -> Party | None:
    if record.kind == "person":
        return Party((f"{drawn.choice(('Mr', 'Dr.', 'Gen.', 'Prof', 'Sheikh'))} {name}",))
    if record.kind == "organisation":
        return Party((f"{name} {drawn.choice(('Ltd', 'LLC', 'Co.', 'GmbH', 'S.A.'))}",))
    return None


def _spelling(drawn: random.Random, record: Record, name: str) -> Party | None:
    if record.kind != "person":
        return None
    for old, new in drawn.sample(_ROMAN, len(_ROMAN)):
        if old in name.lower():
            return Party((name.lower().replace(old, new, 1),))
    return None


def _born(drawn: random.Random, record: Record, name: str) -> Party | None:
    years = [birth[:4] for birth in record.birth_dates if re.fullmatch("[0-9-]{4,10}", birth)]
    near = _typo(drawn, record, name)
    return Party(near.names, birth_dates=(years[0],)) if years and near else None


def _embedded(drawn: random.Random, record: Record, name: str) -> Party | None:
    if len([word for word in name.split() if names.is_significant(word.lower())]) < 3:
        return None
    before, after = drawn.choice(
        (("Account of ", ""), ("Family of the late ", ""), ("", " Dubai Branch Office"),
         ("Estate of ", " in liquidation"), ("Payment to ", " via Zurich"))
    )  # fmt: skip
    return Party((f"{before}{name}{after}",))


_RULES: dict[str, Callable[[random.Random, Record, str], Party | None]] = {
    "accents added": _accents_added,
    "accents dropped": _accents_dropped,
    "another spelling": _spelling,
    WITHHELD: _arabic,
    "Arabic spelling": _arabic_spelling,
    "Chinese name in pinyin": _chinese,
    "Cyrillic letters": _cyrillic,
    "a doubled letter": _doubled,
    "first name as initial": _initials,
    "Greek letters": _greek,
    "one typing error": _typo,
    "one typing error, year of birth": _born,
    "order of words": _order,
    "other words around": _embedded,
    "spaces and hyphens": _spacing,
    "titles and legal forms": _forms,
}


def _negatives(everyone: Sequence[Record], each: int, seed: int) -> Iterator[Question]:
    """Yield names of nobody who is listed, three times as many by each rule."""
    folded = [
        frozenset(names.fold(name)) for record in everyone for name in record.names + record.aliases
    ]
    holding: dict[str, set[int]] = defaultdict(set)
    for number, words in enumerate(folded):
        for word in words:
            holding[word].add(number)

    def listed(name: str) -> bool:
        sets = [holding.get(word, set()) for word in names.fold(name)]
        return bool(set.intersection(*sets))

    people = [
        (first, last)
        for record in everyone
        if record.kind == "person" and (name := _plain_name(record))
        for first, last in [(name.split()[0], name.split()[-1])]
        if min(len(first), len(last)) >= 4
    ]
    for rule, make in (
        ("common names", lambda d: f"{d.choice(FORENAMES)} {d.choice(SURNAMES)}"),
        ("words of two listed names", lambda d: f"{d.choice(people)[0]} {d.choice(people)[1]}"),
        ("a listed and a common word", lambda d: f"{d.choice(FORENAMES)} {d.choice(people)[1]}"),
        (
            "ordinary firms",
            lambda d: f"{d.choice(FIRMS)} {d.choice(SURNAMES)} {d.choice(TRADES)} Ltd",
        ),
    ):
        drawn = random.Random(f"{seed} {rule}")
        unlisted = (name for _ in itertools.count() if not listed(name := make(drawn)))
        for name in itertools.islice(unlisted, 3 * each):
            yield Question(rule, Party((name,)))
