"""Screening finds whom a list means, in whatever spelling, and leaves lawful people alone."""

from __future__ import annotations

import itertools

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec import structs

from rtgf_node.core.lists import names
from rtgf_node.core.lists.record import Record
from rtgf_node.core.lists.screening import MAX_MATCHES, MAX_PARTY_NAMES, NameIndex, Party
from rtgf_node.errors import Code, RtgfError

PUTIN = {"EU.7510.16", "RUS0251", "6678"}


def found(index: NameIndex, *name: str, threshold: float = 0.9) -> set[str]:
    return {match.source_id for match in index.screen(Party(name), threshold=threshold)}


@pytest.mark.parametrize(
    "name",
    [
        "Vladimir Vladimirovich Putin",
        "PUTIN, Vladimir",
        "putin vladimir vladimirovich",
        "V. V. Putin",
        "V.V. Putin",
        "Vladimr Putin",
        "Wladimir Putin",
        "Владимир Владимирович Путин",
        "ПУТИН Владимир",
        "Владимир Путин",
    ],
)
def test_one_listed_person_is_found_under_many_spellings(all_names, name) -> None:
    assert PUTIN & found(all_names, name)


@pytest.mark.parametrize(
    ("name", "source_id"),
    [
        ("محمد طاهر أنوري", "TAi.005"),
        ("Anwari Muhammad Taher", "TAi.005"),
        ("Mohamad Taher Anwari", "TAi.005"),
        ("Aero Caribbean Airlines", "36"),
        ("AEROCARIBBEAN AIRLINES LTD", "36"),
        ("Aliaksandr Lukashenka", "GHR0050"),
        ("Alexandre Loukachenko", "GHR0050"),
        ("Sergei Lavrov", "RUS0252"),
        ("Ramzan Kadirov", "2961"),
        ("P.J.S.C. Sberbank", "6771"),
    ],
)
def test_scripts_spellings_and_legal_forms_are_seen_through(all_names, name, source_id) -> None:
    assert source_id in found(all_names, name)


@pytest.mark.parametrize(
    "name",
    [
        "Anna Lindqvist",
        "Mei Tan",
        "John Smith",
        "Peter Müller",
        "Maria Garcia",
        "David Cohen",
        "Emma Watson",
        "Hans Schmidt",
        "Nguyen Van Anh",
        "Giulia Rossi",
        "Jean Dubois",
        "Priya Sharma",
        "Acme Trading Company Limited",
        "Global Shipping Ltd",
    ],
)
def test_lawful_names_do_not_match(all_names, name) -> None:
    assert all_names.screen(Party((name,)), threshold=0.9) == ()


def test_few_of_a_thousand_common_names_match(all_names) -> None:
    first = "Anna Peter Maria John Emma Lars Sven Ingrid David Sarah Michael Jose Carlos Juan Raj"
    last = "Lindqvist Tan Smith Garcia Hansen Müller Schmidt Rossi Dubois Nguyen Cohen Levy Silva"
    pairs = [f"{a} {b}" for a, b in itertools.product(first.split(), last.split())]
    hits = [name for name in pairs if found(all_names, name, threshold=0.92)]
    assert len(hits) <= len(pairs) // 100


def test_listed_names_are_found_again_as_they_stand(all_names, lists) -> None:
    for source in ("un-19", "eu", "uk", "au", "ca", "sdn-2024-05"):
        for record in lists.parsed(source).records[::97]:
            party = Party((record.names[0],))
            if not names.fold(record.names[0]):
                continue
            matches = all_names.screen(party, threshold=0.9)
            assert matches[0].score == 1.0
            assert matches[0].exact


def test_listed_names_are_found_with_their_words_swapped(all_names, lists) -> None:
    for record in lists.parsed("eu").records[::151]:
        words = record.names[-1].split()
        turned = " ".join(words[1:] + words[:1])
        assert (
            record.source_id
            in {match.source_id for match in all_names.screen(Party((turned,)), threshold=0.9)}
            or len(all_names.screen(Party((turned,)), threshold=0.9)) == MAX_MATCHES
        )


def test_matches_are_ordered_rounded_bounded_and_name_no_one(all_names) -> None:
    matches = all_names.screen(Party(("Mohammed Ali", "Ali Hassan")), threshold=0.7)
    assert len(matches) == MAX_MATCHES
    assert list(matches) == sorted(matches, key=lambda m: (-m.score, m.source, m.source_id))
    assert all(round(match.score, 4) == match.score for match in matches)
    assert matches[0].__struct_fields__ == ("score", "source", "source_id", "matched_on", "exact")


def test_the_index_does_not_depend_on_the_order_of_records(lists) -> None:
    records = lists.parsed("un-19").records
    forward, backward = NameIndex.build(records), NameIndex.build(reversed(records))
    for record in records[::40]:
        party = Party((record.names[0],))
        assert forward.screen(party, threshold=0.8) == backward.screen(party, threshold=0.8)


# A list of one's own, where every number can be followed by hand.


def person(source_id: str, *listed: str, **more) -> Record:
    return Record("list", source_id, "person", listed, **more)


@pytest.fixture
def small() -> NameIndex:
    return NameIndex.build(
        [
            person("1", "Karim Belkacem Dourado", birth_dates=("1970-03-05",), countries=("DZ",)),
            person("2", "Halvard Nystrom", birth_dates=("1961~",), aliases=("Red Fox",)),
            person("3", "Orlanda Vizcarra", birth_dates=("1958/1963",)),
            person("4", "Zeferino"),
            person("5", "Ltd", aliases=("1234",)),
        ]
    )


def best(index: NameIndex, *name: str, **evidence) -> float:
    matches = index.screen(Party(name, **evidence), threshold=0.7)
    return matches[0].score if matches else 0.0


def test_size_counts_parties(small) -> None:
    assert small.size == 5
    assert small.name_count == 7


def test_an_equal_name_is_exact_whatever_order_case_and_accents(small) -> None:
    (match,) = small.screen(Party(("DOURADO, Kárim  Belkacem",)), threshold=0.9)
    assert (match.score, match.exact, match.matched_on) == (1.0, True, "name")


def test_an_alias_is_worth_a_little_less(small) -> None:
    (match,) = small.screen(Party(("red fox",)), threshold=0.9)
    assert (match.score, match.exact, match.matched_on) == (0.98, True, "alias")


def test_a_missing_middle_name_costs_less_than_a_missing_half(small) -> None:
    assert best(small, "Karim Dourado") > 0.9
    assert best(small, "Dourado") < 0.8
    assert best(small, "Zeferino Almeida") < 0.8


def test_initials_stand_for_names(small) -> None:
    assert best(small, "H. Nystrom") > 0.85
    assert best(small, "K. B. Dourado") > 0.85
    assert best(small, "B. Nystrom") < best(small, "H. Nystrom")


def test_one_typing_error_is_forgiven_two_words_of_them_less(small) -> None:
    assert best(small, "Halvard Nystrm") > 0.9
    assert best(small, "Halvrd Nystrm") < best(small, "Halvard Nystrm")


def test_an_agreeing_birth_date_raises_a_near_name(small) -> None:
    plain = best(small, "Karim Dourado")
    assert best(small, "Karim Dourado", birth_dates=("1970-03-05",)) > plain
    assert best(small, "Karim Dourado", birth_dates=("1970",)) > plain


def test_a_contradicting_birth_date_lowers_and_never_clears_an_equal_name(small) -> None:
    plain = best(small, "Karim Dourado")
    assert best(small, "Karim Dourado", birth_dates=("1981-01-20",)) < plain
    assert best(small, "Karim Belkacem Dourado", birth_dates=("1981-01-20",)) == 0.92


@pytest.mark.parametrize(
    "name", ["K. B. Dourado and Sons", "Mr Karim Belkacem Dourado", "KarimBelkacem Dourado"]
)
def test_what_a_caller_says_of_a_party_clears_no_name_that_is_the_listed_one(name) -> None:
    listed = person("1", "Karim Belkacem Dourado", birth_dates=("1970-03-05",), countries=("DZ",))
    also = structs.replace(listed, source_id="2", names=("X Y",), aliases=("K B Dourado and Sons",))
    index = NameIndex.build([listed, also])
    assert best(index, name, birth_dates=("1981-01-20",), countries=("SE",)) >= 0.92


@pytest.mark.parametrize(
    "name",
    [
        "Ze\u200bfe\u00adri\u2060no",  # invisible characters
        "\ufeffZe\u200dfe\u034frino\ufe0f",
        "Z\u0336e\u0336f\u0336e\u0336r\u0336i\u0336n\u0336o",  # struck through
        "\uff3a\uff45\uff46\uff45\uff52\uff49\uff4e\uff4f",  # full width
        "\U0001d419\U0001d41e\U0001d41f\U0001d41erino",  # mathematical letters
        "Zef\u0435rin\u043e",  # Cyrillic letters that look Latin
        "\u0396eferin\u03bf",  # Greek ones
        "Z\U0001f600eferino",  # a picture in between
        "Ze\U000e0061ferino",  # an invisible tag
        "Ze ferino",
        "Z.e.f.e.r.i.n.o",
    ],
)
def test_characters_that_people_do_not_see_hide_nobody(small, name) -> None:
    assert best(small, name) >= 0.98


@pytest.mark.parametrize(
    ("shown", "source_id"),
    [
        ("Vladimi\u0433 \u0420utin", "RUS0251"),  # written as it looks, not as it sounds
        ("Se\u0433gei Lav\u0433\u043ev", "RUS0252"),
    ],
)
def test_letters_of_another_alphabet_are_also_read_as_they_look(all_names, shown, source_id):
    assert source_id in found(all_names, shown, threshold=0.92)


@pytest.mark.parametrize("between", [" / ", "; ", " a.k.a. ", " AKA ", " c/o ", " & ", " alias "])
def test_a_listed_name_behind_another_one_is_found(small, between) -> None:
    assert best(small, f"Jane Ordinary{between}Orlanda Vizcarra") == 1.0


def test_missing_evidence_changes_nothing(small) -> None:
    assert best(small, "Zeferino", birth_dates=("1981-01-20",), countries=("FR",)) == 1.0


def test_approximate_dates_and_ranges_are_read_as_such(small) -> None:
    near = best(small, "Halvard Nystrm")
    assert best(small, "Halvard Nystrm", birth_dates=("1963-02-02",)) > near
    assert best(small, "Halvard Nystrm", birth_dates=("1970-02-02",)) < near
    near = best(small, "Orlanda Vizcara")
    assert best(small, "Orlanda Vizcara", birth_dates=("1960-02-02",)) > near
    assert best(small, "Orlanda Vizcara", birth_dates=("1949-02-02",)) < near


def test_countries_speak_for_or_against_a_near_name(small) -> None:
    plain = best(small, "Karim Dourado")
    assert best(small, "Karim Dourado", countries=("DZ",)) > plain
    assert best(small, "Karim Dourado", countries=("SE",)) < plain
    assert best(small, "Karim Belkacem Dourado", countries=("SE",)) == 1.0


def test_every_name_of_the_party_is_screened(small) -> None:
    assert best(small, "Someone Else", "Zeferino") == 1.0


@pytest.mark.parametrize(
    ("name", "threshold"),
    [
        (("...",), 0.9),
        (("...", "Jane Doe"), 0.9),
        (("Jane Doe", "-"), 0.9),
        (("\U0001f600 \U0001f1fa",), 0.9),
        (("Mr",), 0.9),
        (("A. B. Ltd",), 0.9),
        (("\u200b\u2060",), 0.9),
        (("\u202eorefeZ",), 0.9),
        (("\u13c3eferino",), 0.9),
        (("Jane " * 41,), 0.9),
        (("J" * 2001,), 0.9),
        ((), 0.9),
        (("A",) * (MAX_PARTY_NAMES + 1), 0.9),
        (tuple("Jane " * 39 + f"Doe{number}" for number in range(26)), 0.9),
        (("A",), float("nan")),
        (("A",), 1.01),
        (("A",), -0.1),
    ],
)
def test_what_cannot_be_screened_is_refused_and_not_passed(small, name, threshold) -> None:
    with pytest.raises(RtgfError) as caught:
        small.screen(Party(name), threshold=threshold)
    assert caught.value.code is Code.RTGF_INPUT_INVALID


@given(st.text(max_size=60), st.floats(0, 1))
@settings(max_examples=200)
def test_any_text_gives_matches_or_a_refusal(text, threshold) -> None:
    index = NameIndex.build([person("1", "Karim Belkacem"), person("2", "Ольга Vizcarra")])
    refusal, matches = None, ()
    try:
        matches = index.screen(Party((text,)), threshold=threshold)
    except RtgfError as error:
        refusal = error.code
    assert refusal in {None, Code.RTGF_INPUT_INVALID}
    assert names.fold(text) or refusal is not None
    assert all(threshold <= match.score <= 1.0 for match in matches)


@given(st.lists(st.text("abcdefghij", min_size=2, max_size=8), min_size=1, max_size=5))
def test_a_listed_name_is_always_found_under_any_order_of_its_words(words) -> None:
    index = NameIndex.build([person("1", " ".join(words)), person("2", "Unrelated Person")])
    matches = index.screen(Party((" ".join(reversed(words)),)), threshold=0.9)
    assert matches[0].source_id == "1"
    assert matches[0].exact


def test_brackets_hide_no_name() -> None:
    index = NameIndex.build(
        [
            person("1", "Ibrahim Hassan Tali (original script: Ибрагим Таланов)"),
            person("2", "Kampar Guard Brigade (unit 08802)"),
        ]
    )
    assert best(index, "Ibrahim Hassan Tali") == 1.0
    assert best(index, "Ибрагим Таланов") == 1.0
    assert best(index, "Kampar Guard Brigade") == 1.0
    assert best(index, "08802") < 0.8


def test_an_empty_list_matches_no_one() -> None:
    index = NameIndex.build([])
    assert index.size == 0
    assert index.screen(Party(("Jane Doe",)), threshold=0.8) == ()


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("AL-QAHTANI, Nu'man", ("al", "qahtani", "numan")),
        ("Müller & Söhne", ("muller", "sohne")),
        ("J.S.C. Rosneft", ("jsc", "rosneft")),
        ("V.V. Putin", ("v", "v", "putin")),
        ("القذافي", ("al", "qdhfy")),
        ("Путин", ("putin",)),
        ("习近平", ("xi", "jin", "ping")),
        ("\uff26\uff35\uff2c\uff2c", ("full",)),
        ("...", ()),
    ],
)
def test_names_fold_to_words(name, expected) -> None:
    assert names.fold(name) == expected


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("mohammed", "muhammad"),
        ("mohamed", "mhmd"),
        ("youssef", "yusuf"),
        ("aleksandr", "alexander"[:8] + "r"),
        ("taher", "tahir"),
    ],
)
def test_spellings_of_one_name_sound_the_same(one, other) -> None:
    heard = [names.sound(names.spoken(word)) for word in (one, other)]
    assert heard[0] == heard[1] != ""
