"""Names in other letters: one spelling of each, and every way to read it."""

# ruff: noqa: RUF001  letters of other alphabets are the point
from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rtgf_node.core.lists import arabic, names
from rtgf_node.core.lists.record import Record
from rtgf_node.core.lists.screening import NameIndex, Party

LETTERS = st.characters(
    codec="utf-8",
    categories=("L", "Mn", "Nd", "Zs", "Po", "Pd"),
    max_codepoint=0x9FFF,
)


@given(st.text(LETTERS, max_size=40))
def test_a_name_has_the_same_words_with_and_without_their_readings(name) -> None:
    assert [each.text for each in names.spelt(name)] == names.words(name)


@pytest.mark.parametrize(
    ("asked", "listed"),
    [
        ("Ουαλι Σαουκατ", "Wali Shawkat"),
        ("Ερικ Τσαν", "Eric Chan"),
        ("Αντονιο Σαντινο", "Antonio Santino"),
        ("Κώστας Τσίπρας", "Kostas Tsipras"),
        ("يحيي الحاكم", "يحيى الحاکم"),
        ("آدم خان", "ادم خان"),
        ("فاطمه حسن", "فاطمة حسن"),
        ("طارق عزيز", "Tariq Aziz"),
        ("فضل رحيم", "Fazal Rahim"),
        ("زهير المتصدق", "Zuhair el Motassadeq"),
        ("عبدالله عبدالله", "Abdullah Abdullah"),
    ],
)
def test_a_name_in_other_letters_is_found(asked, listed) -> None:
    index = NameIndex.build([Record("list", "1", "person", (listed,))])
    assert index.screen(Party((asked,)), threshold=0.85), names.spelt(asked)


@pytest.mark.parametrize(
    ("asked", "listed"),
    [("Pavem Kanishchev", "Pavel Kanishchev"), ("Jessu Penuelas", "Jesus Penuelas")],
)
def test_one_letter_of_five_may_be_wrong(asked, listed) -> None:
    index = NameIndex.build([Record("list", "1", "person", (listed,))])
    assert index.screen(Party((asked,)), threshold=0.85)


def test_a_word_of_arabic_letters_has_few_readings() -> None:
    assert arabic.skeletons("عزيز") == ("ss",)
    assert set(arabic.skeletons("فضل")) == {"fdl", "fsl"}
    assert arabic.skeletons("هدى") == ()
    assert len(arabic.skeletons("ذ" * 30)) <= 16
