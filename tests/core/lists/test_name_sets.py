"""What is left out before names are compared word by word changes no answer."""

# ruff: noqa: SIM905  words read best in a row
from __future__ import annotations

import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rtgf_node.core.lists import likeness, listed_names, name_sets, question
from rtgf_node.core.lists.record import Record
from rtgf_node.core.lists.screening import NameIndex, Party
from rtgf_node.core.lists.spellings import Spellings, packed_spellings

WORDS = (
    "mohammed muhammad mhmd ali aly karim kareem belkacem dourado nystrom nistrom halvard "
    "ltd trading company al van hossein hsyn ivanovich zeferino zara bertram j k m a b z"
).split()
NAMES = st.lists(st.sampled_from([*WORDS, "kar", "osborne"]), min_size=1, max_size=6).map(" ".join)


@pytest.fixture(scope="module")
def listed() -> listed_names.ListedNames:
    """Names with words of all kinds: most of the words are common, some are rare."""
    drawn = random.Random(7)
    records = [
        Record(
            "list",
            str(number),
            "person",
            (
                " ".join(
                    [*drawn.choices(WORDS, k=drawn.randint(1, 5)), *(["osborne"] * (number == 9))]
                ),
            ),
        )
        for number in range(500)
    ]
    return NameIndex.build(records).listed


@given(NAMES, st.floats(0.7, 1))
def test_no_name_that_scores_is_left_out(listed, name, least) -> None:
    spellings = Spellings([""], packed_spellings([listed.vocabulary]))
    (query,) = question.of(Party((name,)))
    words = [
        listed.sets.word(spelt.text, spellings.variants(spelt).get("", {})) for spelt in query.spelt
    ]
    asked = [word.asked for word in words]
    total = sum(word.weight for word in asked)
    scored = {
        each: likeness.score(asked, total, query.significant, each, listed.vocabulary)
        for each in map(listed._name, range(listed.count))
    }
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(listed_names, "MAX_SCORED", listed.count)
        found = {each.listed for each in listed.find(query, words, least)}
    assert found >= {each for each, (score, _) in scored.items() if score >= least}


def test_some_words_are_common_and_some_are_not(listed) -> None:
    common = listed.sets._common
    ids = {word: listed.vocabulary.id_of(word) for word in ("karim", "k", "osborne")}
    assert [bool(common[number]) for number in ids.values()] == [True, True, False]
    assert name_sets._COMMON > 1


def best(listed: str, asked: str, threshold: float) -> float:
    index = NameIndex.build([Record("list", "1", "person", (listed,))])
    matches = index.screen(Party((asked,)), threshold=threshold)
    return matches[0].score if matches else 0.0


@pytest.mark.parametrize(
    ("name", "asked"),
    [
        ("Karim B. Dourado Something", "Karim Belkacem Dourado"),
        ("Karim Belkacem Dourado", "Karim B. Dourado Something"),
        ("Karim B. D. Nystrom Other", "Karim Belkacem Dourado Nystrom"),
    ],
)
def test_an_initial_beside_another_word_hides_nobody(name, asked) -> None:
    assert best(name, asked, 0.85) > 0.85


def test_initials_before_a_name_do_not_push_it_out() -> None:
    """Hundreds of names could be meant by them, and none is."""
    drawn = random.Random(7)
    crowd = [
        Record("list", str(number), "person", (" ".join(f"{letter}{ending}" for letter in "mras"),))
        for number in range(600)
        for ending in ["".join(drawn.choices("bcdfgklpt", k=5))]
    ]
    index = NameIndex.build([*crowd, Record("list", "meant", "person", ("Karim Dourado",))])
    matches = index.screen(Party(("M. R. A. S. M. R. A. S. Karim Dourado",)), threshold=0.7)
    assert matches[0].source_id == "meant"


def test_an_equal_name_reaches_the_greatest_threshold() -> None:
    assert best("Karim Belkacem Dourado", "Dourado, Karim BELKACEM", 1.0) == 1.0
    assert best("Karim Belkacem Dourado", "Karim Belkacem Dourado Jr", 1.0) == 0.0
