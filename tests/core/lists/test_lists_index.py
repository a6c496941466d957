"""Several lists screened together answer as each would alone, and whatever is asked of them."""

# ruff: noqa: SIM905  words read best in a row
from __future__ import annotations

from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rtgf_node.core.lists import (
    likeness,
    listed_names,
    names,
    question,
    screening,
    spellings,
)
from rtgf_node.core.lists.listed_names import ListedNames
from rtgf_node.core.lists.record import Record
from rtgf_node.core.lists.screening import ListsIndex, NameIndex, Party
from rtgf_node.core.lists.spellings import Spellings
from rtgf_node.errors import Code, RtgfError

WORDS = st.sampled_from(
    (
        "mohammed muhammad mhmd ali aly karim kareem belkacem dourado nystrom nistrom halvard "
        "ltd trading company al van hossein hsyn j k"
    ).split()
)
NAMES = st.lists(WORDS, min_size=1, max_size=5).map(" ".join)
RECORDS = st.lists(
    st.builds(
        Record,
        source=st.sampled_from(["one", "two"]),
        source_id=st.integers(0, 99).map(str),
        kind=st.just("person"),
        names=st.tuples(NAMES),
        aliases=st.one_of(st.just(()), st.tuples(NAMES)),
        birth_dates=st.sampled_from([(), ("1970",), ("1981-04-02",)]),
    ),
    max_size=12,
    unique_by=lambda record: (record.source, record.source_id),
)
PARTIES = st.builds(
    Party, names=st.tuples(NAMES), birth_dates=st.sampled_from([(), ("1970",), ("1990-01-02",)])
)


def answer(ask):
    """Return what is found, or the code of the refusal."""
    try:
        return ask()
    except RtgfError as error:
        return error.code


@given(st.dictionaries(st.sampled_from("abc"), RECORDS, min_size=1), PARTIES, st.floats(0.7, 1))
def test_each_list_answers_as_its_own_index(held, party, threshold) -> None:
    indexes = {name: NameIndex.build(records) for name, records in held.items()}
    together = ListsIndex(indexes)
    for name, index in indexes.items():
        alone = answer(lambda index=index: index.screen(party, threshold=threshold))
        found = answer(lambda name=name: together.screen(party, [name], threshold=threshold)[name])
        assert found == alone


@given(RECORDS, st.randoms(use_true_random=False), PARTIES)
def test_the_order_of_records_and_lists_changes_nothing(records, shuffled, party) -> None:
    turned = list(records)
    shuffled.shuffle(turned)
    one = ListsIndex({"a": NameIndex.build(records), "b": NameIndex.build(turned)})
    other = ListsIndex({"b": NameIndex.build(records), "a": NameIndex.build(turned)})
    first = answer(lambda: one.screen(party, ["a", "b"], threshold=0.8))
    assert first == answer(lambda: other.screen(party, ["a", "b"], threshold=0.8))
    if isinstance(first, dict):
        assert first["a"] == first["b"]


def test_real_lists_together_answer_as_each_alone(lists) -> None:
    names = ("un-19", "au", "ca")
    indexes = {name: NameIndex.build(lists.parsed(name).records) for name in names}
    together = ListsIndex(indexes)
    for record in lists.parsed("eu").records[::60]:
        party = Party((record.names[0],), birth_dates=record.birth_dates[:1])
        found = answer(lambda party=party: together.screen(party, names, threshold=0.8))
        alone = answer(
            lambda party=party: {
                name: index.screen(party, threshold=0.8) for name, index in indexes.items()
            }
        )
        assert found == alone


def test_a_list_that_is_not_held_is_not_passed_over() -> None:
    held = ListsIndex({"a": NameIndex.build([])})
    with pytest.raises(KeyError):
        held.screen(Party(("Jane Doe",)), ["b"], threshold=0.9)
    held.forget("a")
    with pytest.raises(KeyError):
        held.screen(Party(("Jane Doe",)), ["a"], threshold=0.9)


def test_extra_words_make_nobody_else_of_a_full_listed_name() -> None:
    listed = Record("list", "1", "person", ("Karim Belkacem Dourado",))
    short = Record("list", "2", "person", ("Halvard Nystrom",))
    index = NameIndex.build([listed, short])
    around = "Estate and family of the late {} through some bank in a far away town"
    for name in ("Karim Belkacem Dourado", "Dourado Karim Belkacem", "Halvard Nystrom"):
        (match,) = index.screen(Party((around.format(name),)), threshold=0.92)
        assert match.score == 0.93
    # A part of the name does not count as the name.
    assert index.screen(Party((around.format("Karim Dourado"),)), threshold=0.9) == ()


HOSTILE = {
    "many letters": "a" * 10_000,
    "many words": "mohammed " * 3_000,
    "many marks": "a" + "\u0301" * 1_900,
    "many invisible characters": "\u200b" * 1_999 + "a",
    "right to left": "\u202e" + "karim" * 10,
    "isolates": "\u2067karim dourado\u2069 ltd",
    "mixed alphabets": "k\u0430rim d\u043eur\u03b1do",
    "one of every script": "karim \u0643\u0631\u064a\u0645 \u041a\u0430\u0440 \u5361\u91cc",
    "lone surrogate": "karim \ud800 dourado",
    "the longest words": " ".join(["x" * 48] * 40),
    "forty common words": " ".join(["mohammed", "ali", "ahmed", "hassan"] * 10),
    "ligatures that grow": "\ufdfa" * 100,
    "nothing but separators": "/" * 1_999,
    "names in names": "a b/" * 499,
}


@pytest.mark.parametrize("kind", HOSTILE)
def test_hostile_names_are_answered_or_refused(all_names, kind) -> None:
    party = Party((HOSTILE[kind],) * 2)
    found = answer(lambda: all_names.screen(party, threshold=0.85))
    assert isinstance(found, tuple) or found is Code.RTGF_INPUT_INVALID


BOUNDED = {
    "common words": " ".join(["mohammed", "ali", "ahmed", "hassan", "trading"] * 8),
    "words without vowels": " ".join(["mhmd", "hsyn", "krym", "ldyn", "rhmn"] * 8),
    "initials": " ".join("abcdefghijklmnopqrstuvwxyz"),
    "names in names": "/".join(["mohammed ali"] * 10 + ["ahmed hassan"] * 10),
    "names that mix alphabets": "/".join(["moh\u0430mmed ali", "ahmed h\u0430ssan"] * 10),
}


@pytest.mark.parametrize("kind", BOUNDED)
def test_what_a_party_costs_is_bounded_in_operations(lists, monkeypatch, kind) -> None:
    """Counted, for a clock says nothing that holds on another machine."""
    held = {name: NameIndex.build(lists.parsed(name).records) for name in ("eu", "uk", "au")}
    index = ListsIndex(held)
    counted: Counter[str] = Counter()
    score, spelt, find = likeness.score, Spellings.variants, ListedNames.find

    def scored(*arguments):
        counted["scored"] += 1
        return score(*arguments)

    def looked_up(self, word):
        found = spelt(self, word)
        counted["looked up"] += 1
        counted["variants"] = max(counted["variants"], *map(len, found.values()), 0)
        return found

    def asked(self, query, words, least):
        counted["asked"] += 1
        counted["words"] = max(counted["words"], len(words))
        return find(self, query, words, least)

    monkeypatch.setattr(listed_names, "MAX_SCORED", 3)  # so few that every kind would exceed it
    monkeypatch.setattr(likeness, "score", scored)
    monkeypatch.setattr(Spellings, "variants", looked_up)
    monkeypatch.setattr(ListedNames, "find", asked)
    # Every name but a little different, so that no two are one query.
    party = Party(tuple(BOUNDED[kind][: -number or None] for number in range(8)))
    answer(lambda: index.screen(party, held, threshold=0.7))
    assert counted["asked"] <= question.MAX_QUERIES * len(held)
    assert counted["words"] <= names.MAX_TOKENS
    assert counted["scored"] <= 3 * counted["asked"]
    different = {word for query in question.of(party) for word in query.spelt}
    assert counted["looked up"] <= len(different)
    assert counted["variants"] <= spellings.MAX_CONSONANTAL
    assert counted["asked"] > 0


def test_what_is_remembered_is_bounded_and_changes_no_answer(monkeypatch) -> None:
    monkeypatch.setattr(screening, "MAX_REMEMBERED", 3)
    index = ListsIndex({"a": NameIndex.build([Record("one", "1", "person", ("Karim Dourado",))])})
    party = Party(("Kareem Dourado",))
    first = index.screen(party, ["a"], threshold=0.8)
    assert first["a"]
    for number in range(20):
        index.screen(
            Party((f"Halvard Nystrom{'abcdefghijklmnopqrst'[number]}",)), ["a"], threshold=1
        )
    assert index._word.cache_info().currsize == 3
    assert index.screen(party, ["a"], threshold=0.8) == first
