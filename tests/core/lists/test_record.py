"""Records have one form, and their set has one digest, whatever the order."""

from __future__ import annotations

import hashlib
import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rtgf_node.core.lists import dates
from rtgf_node.core.lists.countries import code, several
from rtgf_node.core.lists.record import (
    MAX_TEXT,
    Record,
    UnfitError,
    clean,
    content_digest,
    digest,
    make,
    result,
)

TEXT = st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=12)
RECORDS = st.builds(
    lambda source_id, names, aliases: Record("list", source_id, "person", names, aliases),
    st.from_regex(r"[A-Z]{1,3}[0-9]{1,4}", fullmatch=True),
    st.lists(TEXT, min_size=1, max_size=3).map(tuple),
    st.lists(TEXT, max_size=3).map(tuple),
)


@given(st.lists(RECORDS, max_size=12).flatmap(lambda r: st.tuples(st.just(r), st.permutations(r))))
def test_the_content_digest_does_not_depend_on_the_order(pair) -> None:
    records, shuffled = pair
    assert content_digest(records, "r", "1") == content_digest(shuffled, "r", "1")


@given(st.lists(RECORDS, min_size=1, max_size=6))
def test_the_content_digest_depends_on_records_and_reader(records) -> None:
    base = content_digest(records, "r", "1")
    assert base != content_digest(records[1:], "r", "1")
    assert base != content_digest(records, "r", "2")
    assert base != content_digest(records, "s", "1")


def test_the_content_digest_is_what_it_says() -> None:
    record = Record("l", "1", "person", ("A",))
    members = {
        "aliases": [],
        "birth_dates": [],
        "countries": [],
        "identifiers": [],
        "kind": "person",
        "names": ["A"],
        "programmes": [],
        "source": "l",
        "source_id": "1",
    }

    def sha(value) -> str:
        text = json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=False)
        return "sha256:" + hashlib.sha256(text.encode()).hexdigest()

    assert digest(record) == sha(members)
    expected = sha({"reader": "r", "version": "1", "records": [sha(members)]})
    assert content_digest([record], "r", "1") == expected


@given(st.lists(TEXT, min_size=1, max_size=6), st.randoms(use_true_random=False))
def test_a_record_is_the_same_in_whatever_order_its_names_come(names, random) -> None:
    def build(values):
        try:
            return make(source="l", source_id="1", kind="person", names=values)
        except UnfitError:
            return None

    shuffled = list(names)
    random.shuffle(shuffled)
    assert build(names) == build([*shuffled, shuffled[0]])


@given(TEXT)
def test_cleaning_twice_is_cleaning_once(text) -> None:
    assert clean(clean(text)) == clean(text)


def test_values_are_nfc_and_single_spaced() -> None:
    record = make(
        source="l",
        source_id=" 1 ",
        kind="person",
        names=["Jose\u0301  \u200bDoe\n", "José Doe", None, ""],
        aliases=["José Doe", "JD"],
    )
    assert record.names == ("José Doe",)
    assert record.aliases == ("JD",)
    assert record.source_id == "1"


@pytest.mark.parametrize(
    ("source_id", "names", "reason"),
    [
        ("", ["A"], "no id"),
        ("1", ["  "], "no name"),
        ("1", ["A" * (MAX_TEXT + 1)], "longer than"),
        ("1", [f"N{n}" for n in range(2_001)], "more than"),
    ],
)
def test_an_unfit_record_says_why(source_id, names, reason) -> None:
    with pytest.raises(UnfitError, match=reason):
        make(source="l", source_id=source_id, kind="person", names=names)


def test_a_party_with_aliases_only_keeps_them_as_names() -> None:
    record = make(source="l", source_id="1", kind="person", names=[], aliases=["B", "A"])
    assert (record.names, record.aliases) == (("A", "B"), ())


def test_results_are_sorted_by_id() -> None:
    records = [Record("l", str(n), "person", ("A",)) for n in (3, 1, 2)]
    assert [each.source_id for each in result(records).records] == ["1", "2", "3"]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("10 Aug 1948", ("1948-08-10",)),
        ("1962", ("1962",)),
        ("circa 1961", ("1961~",)),
        ("Sep 1978", ("1978-09",)),
        ("00/00/1980", ("1980",)),
        ("00/09/1980", ("1980-09",)),
        ("1958 to 1963", ("1958/1963",)),
        ("circa 1979-1982", ("1979/1982",)),
        ("1955-01-02 or 1956-02-03", ("1955-01-02", "1956-02-03")),
        ("2021-02-30", ()),
        ("31 Sep 1970", ()),
        ("born in the early 1970s", ()),
        ("", ()),
    ],
)
def test_birth_dates_become_edtf(text, expected) -> None:
    assert dates.read(text) == expected


@given(st.text(max_size=40))
def test_no_text_breaks_the_date_reader(text) -> None:
    for each in dates.read(text):
        assert each[:4].isdigit()


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("Belarus / Bélarus", "BY"),
        ("Korea, North", "KP"),
        ("Afghanistan (since 2009)", "AF"),
        ("IRQ", "IQ"),
        ("uk", "GB"),
        ("KOREA, DEMOCRATIC PEOPLE'S REPUBLIC OF", "KP"),
        ("00", None),
        ("", None),
        ("Atlantis", "Atlantis"),
    ],
)
def test_countries_become_codes_where_they_are_known(text, expected) -> None:
    assert code(text) == expected


def test_numbered_countries_are_parted() -> None:
    assert several("(1)-(2) Tunisia (3) Libya (4) Algeria") == ("TN", "LY", "DZ")
    assert several("1) Saudi Arabia 2) Qatar") == ("SA", "QA")
