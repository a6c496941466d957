"""A JSON Pointer leads to the very text of the value, and to the place where people look for it."""

from __future__ import annotations

import json
from collections.abc import Iterator

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rtgf_node.core.location import Position, positions, spans
from rtgf_node.core.shapes import pointer

TEXTS = st.text(alphabet=st.characters(exclude_categories=["Cs"]), max_size=8)
DOCUMENTS = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | TEXTS,
    lambda inner: (
        st.lists(inner, max_size=4)
        | st.dictionaries(TEXTS | st.sampled_from(["a/b", "~", '"', "\\", "{", "1"]), inner)
    ),
    max_leaves=20,
)


def every_place(value: object, *steps: str | int) -> Iterator[tuple[str, object]]:
    yield pointer(*steps), value
    inside = value.items() if isinstance(value, dict) else ()
    inside = enumerate(value) if isinstance(value, list) else inside
    for step, inner in inside:
        yield from every_place(inner, *steps, step)


@given(DOCUMENTS, st.sampled_from([None, 1, "\t"]), st.booleans())
def test_every_pointer_of_any_document_leads_to_the_text_of_its_value(value, indent, ascii_only):
    text = json.dumps(value, indent=indent, ensure_ascii=ascii_only)
    places = dict(every_place(value))
    found = spans(text, places)
    assert found.keys() == places.keys()
    for place, expected in places.items():
        start, end, name = found[place]
        assert json.loads(text[start:end]) == expected
        if name is not None:
            key, _ = json.JSONDecoder().raw_decode(text, name)
            assert place.endswith(pointer(key))


@given(DOCUMENTS)
def test_only_what_is_asked_for_is_kept(value):
    text = json.dumps(value)
    for place, _ in every_place(value):
        assert list(spans(text, {place})) == [place]
    assert spans(text, {"/not/there", ""}).keys() == {""}


@pytest.mark.parametrize(
    ("place", "line", "column"),
    [
        ("", 1, 1),
        ("/ü", 2, 3),
        ("/ü/1", 4, 5),
        ("/ü/2", 2, 3),  # not there: the list that it is missing from
        ("/next/deeper/still", 5, 6),
        ("3:7", 3, 7),
    ],
)
def test_a_position_counts_lines_and_characters_from_one(place, line, column):
    text = '{\n  "ü": [\n    "é",\n    2],\n     "next": {"deeper": 1}\n}\n'
    if place == "/next/deeper/still":
        column = text.splitlines()[4].index('"deeper"') + 1
    assert positions(text, {place}) == {place: Position(line, column)}


def test_of_a_member_given_twice_the_last_is_found():
    assert positions('{"a": 1,\n "a": 2}', {"/a"})["/a"] == (2, 2)
