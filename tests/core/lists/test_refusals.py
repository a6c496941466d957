"""What is no list is refused whole: error pages, empty bodies, cut files, hostile XML."""

from __future__ import annotations

import gzip

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rtgf_node.core.lists.readers import READERS
from rtgf_node.core.lists.record import ReadResult
from rtgf_node.errors import Code, RtgfError

FAILURES = (
    "eu_2021-02-09_http500.html",
    "ofac_2024-05-04_empty.csv",
    "un_2021-08-26_http403.html",
    "un_2025-05-08_maintenance-redirect.html",
)
SINGLE = ("non-sdn", "un-17", "eu", "eu-csv", "uk", "hmt", "au", "ca")
READER_OF = {
    "non-sdn": "ofac-xml",
    "un-17": "un-xml",
    "eu": "eu-jsonl",
    "eu-csv": "eu-csv",
    "uk": "uk-jsonl",
    "hmt": "uk-csv",
    "au": "au-jsonl",
    "ca": "ca-xml",
}


def assert_refused(reader_id: str, data) -> RtgfError:
    with pytest.raises(RtgfError) as caught:
        READERS[reader_id].read(data)
    assert caught.value.code is Code.RTGF_SANCTIONS_UNREADABLE
    return caught.value


@pytest.mark.parametrize("file", FAILURES)
@pytest.mark.parametrize("reader_id", sorted(READERS))
def test_what_providers_really_served_in_place_of_a_list_is_refused(
    shared, reader_id, file
) -> None:
    assert_refused(reader_id, (shared / "datasets/provider-failures" / file).read_bytes())


@pytest.mark.parametrize("reader_id", sorted(READERS))
@pytest.mark.parametrize(
    "body",
    [
        b"",
        b" \r\n",
        b"\x1a",
        b'{"error":"internal"}\n',
        b"[]\n",
        b"Not Found\n",
        b"<html><body>busy</body></html>",
        gzip.compress(b"36,x\r\n", mtime=0),
        b"\x00" * 64 + b"\n",
        b"\xff\xfe<\x00",
    ],
)
def test_no_reader_takes_what_is_no_list(reader_id, body) -> None:
    assert_refused(reader_id, body)


@pytest.mark.parametrize("name", SINGLE)
@pytest.mark.parametrize("kept", [0.31, 0.9])
def test_a_file_that_is_cut_off_is_refused(lists, name, kept) -> None:
    data = lists.data(name)
    cut = int(len(data) * kept)
    while data[cut - 1] in b"\r\n":
        cut -= 1
    assert_refused(READER_OF[name], data[:cut])


@pytest.mark.parametrize("part", ["sdn", "alt", "add", "comments"])
def test_a_cut_part_refuses_the_whole_ofac_set(lists, part) -> None:
    parts = dict(lists.data("sdn-set"))
    parts[part] = parts[part][: len(parts[part]) // 2].rstrip()
    assert_refused("ofac-csv", parts)


def test_an_ofac_set_without_its_main_part_is_refused(lists) -> None:
    parts = dict(lists.data("sdn-set"))
    del parts["sdn"]
    assert "needs the part sdn" in assert_refused("ofac-csv", parts).detail


def test_an_ofac_xml_with_fewer_entries_than_it_states_is_refused(lists) -> None:
    data = lists.data("non-sdn")
    start = data.index(b"<sdnEntry>")
    end = data.index(b"</sdnEntry>") + len(b"</sdnEntry>")
    error = assert_refused("ofac-xml", data[:start] + data[end:])
    assert "states 443 entries and holds 442" in error.detail


@pytest.mark.parametrize("reader_id", ["ofac-xml", "un-xml", "eu-xml", "ca-xml"])
@pytest.mark.parametrize(
    "prolog",
    [
        b'<!DOCTYPE x [<!ENTITY a "aaaa"><!ENTITY b "&a;&a;&a;&a;">]>',
        b'<!DOCTYPE x SYSTEM "http://example.invalid/x.dtd">',
        b'<!DOCTYPE x [<!ENTITY f SYSTEM "file:///etc/passwd">]>',
    ],
)
def test_xml_with_a_dtd_is_refused(reader_id, prolog) -> None:
    """Hostile XML is refused before it can expand or fetch."""
    assert "DTD" in assert_refused(reader_id, prolog + b"<x>&b;</x>").detail


def test_deeply_nested_xml_is_refused() -> None:
    data = b"<data-set>" + b"<a>" * 100 + b"</a>" * 100 + b"</data-set>"
    assert "nested deeper" in assert_refused("ca-xml", data).detail


def test_deeply_nested_json_is_no_crash() -> None:
    data = b'{"reference":"1","names":[],"x":' + b"[" * 100_000 + b"]" * 100_000 + b"}\n"
    assert_refused("au-jsonl", data)


def test_a_refusal_names_the_line(lists) -> None:
    lines = lists.data("hmt").splitlines(keepends=True)[:40]
    error = assert_refused("uk-csv", b"".join([*lines, b'"never closed\r\n']))
    assert error.pointer == "41:1"


def test_a_format_that_changed_is_refused_although_some_rows_still_fit() -> None:
    good = b"".join(b'%d,"NAME",-0- ,"CUBA"' % n + b",-0- " * 8 + b"\r\n" for n in range(1, 11))
    changed = b"".join(b'%d,"NAME","CUBA"\r\n' % n for n in range(11, 31))
    assert "20 of 30" in assert_refused("ofac-csv", good + changed).detail


HINTS = st.sampled_from(
    [
        b"",
        b"<export>",
        b"<sdnList><sdnEntry><uid>1</uid><lastName>",
        b"<CONSOLIDATED_LIST><INDIVIDUALS><INDIVIDUAL><FIRST_NAME>",
        b"<data-set><record><LastName>",
        b'{"reference":"1","names":[{"text":"',
        b'{"id":"1","schema":"Person","properties":{"name":["',
        b'1,"N',
        b"Last Updated,13/04/2018\nName 6,Name 1\n",
        b'"Date_file;Entity_logical_id;Subject_type;Naal_wholename"\n"1;2;P;',
        b"fileGenerationDate;Entity_LogicalId;Entity_SubjectType;NameAlias_WholeName\n1;2;P;",
    ]
)
TAILS = st.sampled_from(
    [
        b"",
        b"\n",
        b'"]}}\n',
        b'"}]}\n',
        b'"\n',
        b"</FIRST_NAME></INDIVIDUAL></INDIVIDUALS></CONSOLIDATED_LIST>",
        b"</LastName></record></data-set>",
        b"</lastName></sdnEntry></sdnList>",
    ]
)


@pytest.mark.parametrize("reader_id", sorted(READERS))
@settings(max_examples=60)
@given(start=HINTS, body=st.binary(max_size=80), end=TAILS)
def test_any_bytes_give_records_or_a_refusal(reader_id, start, body, end) -> None:
    """No input makes a reader fail in any other way."""
    refusal, result = None, None
    try:
        result = READERS[reader_id].read(start + body + end)
    except RtgfError as error:
        refusal = error.code
    assert refusal is Code.RTGF_SANCTIONS_UNREADABLE or (
        isinstance(result, ReadResult) and result.records
    )
