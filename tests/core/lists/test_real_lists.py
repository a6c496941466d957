"""Every real list is read whole: each record the publisher counts, and nothing else."""

from __future__ import annotations

import re

import pytest

from rtgf_node.core.lists.readers import READERS
from rtgf_node.core.lists.record import Record, content_digest

COUNTS = {
    "sdn-2021": 9083,
    "sdn-2024-04": 14668,
    "sdn-2024-05": 14973,
    "sdn-set": 8976,
    "non-sdn": 443,
    "un-17": 877,
    "un-18": 877,
    "un-19": 877,
    "eu": 5860,
    "eu-csv": 93,
    "uk": 6349,
    "hmt": 2106,
    "au": 3856,
    "ca": 4759,
}
PUBLISHED = {
    "non-sdn": "2025-03-28",
    "un-17": "2025-06-16",
    "un-18": "2025-06-17",
    "un-19": "2025-06-18",
    "eu-csv": "2018-07-04",
    "hmt": "2018-04-13",
}


def counted_otherwise(name: str, data) -> int:
    """Count the publisher's records without a parser."""
    if name.startswith("sdn"):
        return len(re.findall(rb"(?m)^[0-9]+,", data["sdn"]))
    if name.startswith("un-"):
        return data.count(b"<INDIVIDUAL>") + data.count(b"<ENTITY>")
    if name == "non-sdn":
        return data.count(b"<sdnEntry>")
    if name == "ca":
        return data.count(b"<record>")
    if name == "eu-csv":
        return len(set(re.findall(rb'(?m)^"[0-9/]{10};([0-9]+);[PE];', data)))
    if name == "hmt":
        return len(set(re.findall(rb"(?m),([0-9]+)\r?$", data)))
    return data.count(b"\n")


@pytest.mark.parametrize("name", COUNTS)
def test_every_record_of_a_real_list_is_read(lists, name) -> None:
    result = lists.parsed(name)
    assert len(result.records) == COUNTS[name] == counted_otherwise(name, lists.data(name))
    assert result.unreadable == ()
    assert result.published == PUBLISHED.get(name)
    ids = {record.source_id for record in result.records}
    assert len(ids) == len(result.records), "every record has an id of its own"


def by_id(lists, name: str, source_id: str) -> Record:
    return next(each for each in lists.parsed(name).records if each.source_id == source_id)


def test_three_days_of_un_files_have_three_byte_streams_and_one_content(lists) -> None:
    days = ("un-17", "un-18", "un-19")
    assert len({bytes(lists.data(day)) for day in days}) == 3
    digests = {content_digest(lists.parsed(day).records, "un-xml", "1") for day in days}
    assert len(digests) == 1


def test_two_versions_of_a_list_have_two_contents(lists) -> None:
    first, second = (lists.parsed(name).records for name in ("sdn-2024-04", "sdn-2024-05"))
    assert content_digest(first, "ofac-csv", "1") != content_digest(second, "ofac-csv", "1")


def test_ofac_free_text_is_understood(lists) -> None:
    record = by_id(lists, "sdn-2024-04", "48784")
    assert record.kind == "person"
    assert record.birth_dates == ("1963-12-01",)
    assert record.countries == ("IR",)
    assert record.programmes == ("IFSR", "NPWMD")
    assert record.identifiers == ("national-id:0053643232", "passport:V54707341")


def test_ofac_parts_are_joined_by_entity_number(lists) -> None:
    bank = by_id(lists, "sdn-set", "306")
    assert bank.aliases == ("BNC", "NATIONAL BANK OF CUBA")
    assert {"CH", "ES"} <= set(bank.countries)
    assert bank.kind == "organisation"


def test_ofac_remarks_go_on_in_the_comments(lists) -> None:
    record = by_id(lists, "sdn-set", "29703")
    assert "passport:4005504207" in record.identifiers


def test_un_names_have_parts_scripts_and_approximate_dates(lists) -> None:
    record = by_id(lists, "un-17", "TAi.005")
    assert record.names == ("MUHAMMAD TAHER ANWARI", "محمد طاهر أنوري")
    assert record.birth_dates == ("1961~",)
    assert record.countries == ("AF",)
    assert "Haji Mudir" in record.aliases


def test_hmt_rows_of_a_group_are_one_record_with_partial_dates(lists) -> None:
    record = by_id(lists, "hmt", "13349")
    assert {"1980", "1981"} <= set(record.birth_dates)
    assert {"SA", "QA"} <= set(record.countries)
    assert "passport:592667" in record.identifiers


def test_eu_rows_of_an_entity_are_one_record(lists) -> None:
    record = by_id(lists, "eu-csv", "EU.36.64")
    assert record.names == ("Robert Gabriel Mugabe",)
    assert record.birth_dates == ("1924-02-21",)
    assert record.identifiers == ("passport:AD001095",)
    assert record.programmes == ("ZWE",)


def test_eu_csv_that_is_not_utf8_keeps_its_accents(lists) -> None:
    assert "Qoussaï Saddam Hussein Al-Tikriti" in by_id(lists, "eu-csv", "EU.39.56").names


def test_canadian_records_have_ids_made_of_their_place_in_the_law(lists) -> None:
    record = by_id(lists, "ca", "Belarus/1, Part 1/8")
    assert record.names == ("Aleksandr Grigoryevich Lukashenko",)
    assert record.countries == ("BY",)
    assert record.birth_dates == ("1954-08-30",)


@pytest.mark.parametrize("name", sorted(COUNTS))
def test_most_countries_are_understood(lists, name) -> None:
    values = [place for record in lists.parsed(name).records for place in record.countries]
    known = sum(1 for place in values if len(place) == 2)
    assert known >= 0.95 * len(values)


def test_every_reader_has_its_id_and_a_version() -> None:
    expected = "ofac-csv ofac-xml un-xml eu-csv eu-xml eu-jsonl uk-csv uk-jsonl ca-xml ftm-jsonl"
    assert set(READERS) == {*expected.split(), "au-jsonl"}
    assert all(key == reader.id and reader.version for key, reader in READERS.items())
