"""A kept list gives back exactly the records whose content digest names it."""

from __future__ import annotations

import random

import pytest

from rtgf_node.core.lists import record, record_file
from rtgf_node.errors import Code, RtgfError

RECORDS = [
    record.make(
        source="un-sc", source_id=f"Q{number}", kind="person", names=[f"Иван {number}", "O\u2028X"]
    )
    for number in range(20)
]
DIGEST = record.content_digest(RECORDS, "un-xml", "1")


def test_the_file_gives_the_records_back_whatever_their_order() -> None:
    shuffled = random.Random(1).sample(RECORDS, len(RECORDS))
    data = record_file.write(RECORDS, reader="un-xml", version="1")
    assert record_file.write(shuffled, reader="un-xml", version="1") == data
    assert sorted(record_file.read(data, DIGEST), key=lambda each: each.source_id) == sorted(
        RECORDS, key=lambda each: each.source_id
    )


def test_every_change_is_refused() -> None:
    data = record_file.write(RECORDS, reader="un-xml", version="1")
    lines = data.split(b"\n")
    for damaged in (
        b"",
        b"\n".join(lines[:-2]),
        b"\n".join([lines[0], lines[1], *lines[1:]]),
        data.replace(b'"version":"1"', b'"version":"2"'),
        data.replace(b"Q1", b"Q2", 1),
        data[:-10],
        b"{}\n" + data,
    ):
        with pytest.raises(RtgfError) as caught:
            record_file.read(damaged, DIGEST)
        assert caught.value.code is Code.RTGF_SANCTIONS_HASH_MISMATCH
