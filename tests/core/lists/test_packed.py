"""An index as bytes: the same for the same lists, whole or refused, asked without being copied."""

from __future__ import annotations

import mmap
from array import array

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rtgf_node.core.lists import packed
from rtgf_node.core.lists.packed import F64, U8, U32, U64, DamagedError, Packed
from rtgf_node.core.lists.record import Record
from rtgf_node.core.lists.screening import ListsIndex, NameIndex, Party

SECTIONS = {
    "octets": b"abc",
    "small": array(U8, (1, 255)),
    "numbers": array(U32, (0, 2**32 - 1)),
    "large": array(U64, (2**64 - 1,)),
    "fractions": array(F64, (0.1, -2.5)),
    "none": b"",
}
NAMES = st.text("abk \u0430\u0643", min_size=1, max_size=12).filter(str.strip)
RECORDS = st.lists(
    st.builds(
        Record,
        source=st.just("one"),
        source_id=st.integers(0, 99).map(str),
        kind=st.just("person"),
        names=st.tuples(NAMES),
    ),
    max_size=8,
    unique_by=lambda record: record.source_id,
)


def test_what_was_packed_is_read_again() -> None:
    held = Packed(packed.pack(SECTIONS))
    assert bytes(held.octets("octets")) == b"abc"
    assert list(held.numbers("small")) == [1, 255]
    assert list(held.numbers("numbers")) == [0, 2**32 - 1]
    assert list(held.numbers("large")) == [2**64 - 1]
    assert list(held.fractions("fractions")) == [0.1, -2.5]
    assert len(held.octets("none")) == 0


@given(st.data())
def test_no_changed_octet_is_read(data) -> None:
    whole = bytearray(packed.pack(SECTIONS))
    at = data.draw(st.integers(0, len(whole) - 1))
    whole[at] ^= data.draw(st.integers(1, 255))
    with pytest.raises(DamagedError):
        Packed(bytes(whole))
    with pytest.raises(DamagedError):
        Packed(bytes(whole[:at]))


def test_another_byte_order_is_refused(monkeypatch) -> None:
    monkeypatch.setattr(packed.sys, "byteorder", "big")
    foreign = packed.pack(SECTIONS)
    monkeypatch.undo()
    with pytest.raises(DamagedError, match="byte order"):
        Packed(foreign)


@given(RECORDS, st.randoms(use_true_random=False))
def test_the_order_of_records_changes_no_byte(records, shuffled) -> None:
    turned = list(records)
    shuffled.shuffle(turned)
    assert NameIndex.packed(records) == NameIndex.packed(turned)


def test_a_mapped_index_answers_as_one_in_memory(lists, tmp_path) -> None:
    built = {name: NameIndex.build(lists.parsed(name).records) for name in ("un-19", "ca")}

    def mapped(name: str, data: bytes) -> memoryview:
        path = tmp_path / name
        path.write_bytes(data)
        with path.open("rb") as file:
            return memoryview(mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ))

    opened = {
        name: NameIndex(mapped(name, NameIndex.packed(lists.parsed(name).records)))
        for name in built
    }
    joined = ListsIndex(opened, mapped("joined", ListsIndex.packed(opened)))
    expected = ListsIndex(built)
    for record in lists.parsed("un-19").records[::40]:
        party = Party((record.names[0][:60],), birth_dates=record.birth_dates[:1])
        answer = joined.screen(party, built, threshold=0.8)
        assert answer == expected.screen(party, built, threshold=0.8)
        assert answer["un-19"]
