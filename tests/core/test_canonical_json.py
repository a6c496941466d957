"""Canonical JSON: the published vectors, the rfc8785 package as oracle, and hostile bytes."""

from __future__ import annotations

import json
import math
import struct
from enum import Enum

import orjson
import pytest
import rfc8785
from hypothesis import example, given
from hypothesis import strategies as st

from rtgf_node.core.canonical_json import (
    MAX_DEPTH,
    MAX_INTEGER,
    canonical_bytes,
    parse,
    parse_canonical,
    parse_object,
    parse_with_writer,
)
from rtgf_node.errors import Code, RtgfError

TEXTS = st.text(st.characters(codec="utf-8"))
SCALARS = (
    st.none()
    | st.booleans()
    | st.integers(-MAX_INTEGER, MAX_INTEGER)
    | st.floats(allow_nan=False, allow_infinity=False)
    | TEXTS
)
VALUES = st.recursive(
    SCALARS, lambda inner: st.lists(inner) | st.dictionaries(TEXTS, inner), max_leaves=20
)
READABLE = st.recursive(
    # Written without an exponent, these would be integers that nobody may read.
    SCALARS.filter(lambda item: type(item) is not float or not MAX_INTEGER < abs(item) < 1e21),
    lambda inner: st.lists(inner) | st.dictionaries(TEXTS, inner),
    max_leaves=20,
)


def refusal(data: bytes, **limits: int) -> RtgfError:
    with pytest.raises(RtgfError) as caught:
        parse(data, **limits)
    assert caught.value.code is Code.RTGF_JSON_INVALID
    return caught.value


@pytest.mark.parametrize("name", ["arrays", "french", "structures", "unicode", "values", "weird"])
def test_published_vectors_give_the_published_bytes(shared, name):
    folder = shared / "vectors" / "jcs-rfc8785"
    written = canonical_bytes(parse((folder / "input" / f"{name}.json").read_bytes()))
    assert written == bytes.fromhex((folder / "outhex" / f"{name}.txt").read_text())
    assert written == (folder / "output" / f"{name}.json").read_bytes()


@pytest.mark.parametrize(
    ("bits", "text"),
    [
        (0x0000000000000000, "0"),
        (0x8000000000000000, "0"),
        (0x0000000000000001, "5e-324"),
        (0x8000000000000001, "-5e-324"),
        (0x7FEFFFFFFFFFFFFF, "1.7976931348623157e+308"),
        (0xFFEFFFFFFFFFFFFF, "-1.7976931348623157e+308"),
        (0x4340000000000000, "9007199254740992"),
        (0xC340000000000000, "-9007199254740992"),
        (0x4430000000000000, "295147905179352830000"),
        (0x44B52D02C7E14AF5, "9.999999999999997e+22"),
        (0x44B52D02C7E14AF6, "1e+23"),
        (0x44B52D02C7E14AF7, "1.0000000000000001e+23"),
        (0x444B1AE4D6E2EF4E, "999999999999999700000"),
        (0x444B1AE4D6E2EF4F, "999999999999999900000"),
        (0x444B1AE4D6E2EF50, "1e+21"),
        (0x3EB0C6F7A0B5ED8C, "9.999999999999997e-7"),
        (0x3EB0C6F7A0B5ED8D, "0.000001"),
        (0x41B3DE4355555553, "333333333.3333332"),
        (0x41B3DE4355555554, "333333333.33333325"),
        (0x41B3DE4355555555, "333333333.3333333"),
        (0x41B3DE4355555556, "333333333.3333334"),
        (0x41B3DE4355555557, "333333333.33333343"),
        (0xBECBF647612F3696, "-0.0000033333333333333333"),
        (0x43143FF3C1CB0959, "1424953923781206.2"),
    ],
)
def test_numbers_of_rfc_8785_appendix_b(bits, text):
    (number,) = struct.unpack(">d", bits.to_bytes(8, "big"))
    assert canonical_bytes(number) == text.encode()


@given(VALUES)
@example({"\ue000": 1, "\U0001f600": 2, "\u00e9": 3, "e": 4})
@example({"a": [1.0, -0.0, 1e21, 1e16], "b": '\x00\x1f\x7f\u2028"\\/\b\f\n\r\t'})
def test_equals_the_reference_package(value):
    assert canonical_bytes(value) == rfc8785.dumps(value)


@given(st.floats(allow_nan=False, allow_infinity=False))
def test_every_double_is_written_as_the_reference_package_writes_it(number):
    written = canonical_bytes(number)
    assert written == rfc8785.dumps(number)
    assert float(written) == number


@given(READABLE)
def test_canonical_text_is_read_back_and_is_its_own_canonical_text(value):
    """RTGF-CT-30: canonicalised twice, identical."""
    written = canonical_bytes(value)
    assert parse(written) == value
    assert parse_canonical(written) == value
    assert canonical_bytes(parse(written)) == written


@given(READABLE, st.randoms(use_true_random=False))
def test_neither_key_order_nor_layout_changes_the_canonical_text(value, order):
    """RTGF-CT-30: what a document says decides its bytes, not how it was written."""

    def shuffled(item):
        if isinstance(item, dict):
            members = list(item.items())
            order.shuffle(members)
            return {key: shuffled(inner) for key, inner in members}
        return [shuffled(inner) for inner in item] if isinstance(item, list) else item

    text = json.dumps(
        shuffled(value), indent=order.choice([None, 1]), ensure_ascii=order.choice([True, False])
    )
    assert canonical_bytes(parse(text.encode())) == canonical_bytes(value)


@pytest.mark.parametrize(
    ("text", "pointer"),
    [
        (b'{"a":1,"a":1}', "/a"),
        (b'{"a":{"x/y":[0,{"~":1,"~":2}]}}', "/a/x~1y/1/~0"),
        (b'{"a":1,"\\u0061":2}', "/a"),
        (b'{"a":{"a":1,"b":9007199254740992},"a":1}', "/a"),
        (b"[1,9007199254740992]", "/1"),
        (b"-9007199254740992", ""),
        (b'{"n":18446744073709551616}', "/n"),
        (b"18446744073709552000", ""),
        (b"[" + b"9" * 300 + b"]", "/0"),
    ],
)
def test_values_with_two_meanings_are_refused_with_their_place(text, pointer):
    assert refusal(text).pointer == pointer


@pytest.mark.parametrize(
    "text",
    [
        b"",
        b" ",
        b"\xef\xbb\xbf{}",
        b"\xff\xfe{\x00}\x00",
        b'"\xed\xa0\x80"',
        b'"\xc0\xaf"',
        b'"\\ud800"',
        b'"\\udc00\\ud800"',
        b"NaN",
        b"[Infinity]",
        b"-Infinity",
        b"1E400",
        b"[-1e999]",
        b"[" + b"9" * 5000 + b"]",
        b"01",
        b"+1",
        b"1.",
        b".5",
        b"0x10",
        b"[1,]",
        b'{"a":1,}',
        b"{a:1}",
        b"'a'",
        b'"\x01"',
        b'"\t"',
        b"1 2",
        b"//x\n1",
        b"\x00",
        b"nul",
    ],
)
def test_text_that_is_not_json_is_refused_with_line_and_column(text):
    line, _, column = refusal(text).pointer.partition(":")
    assert int(line) == 1
    assert int(column) >= 1


def test_the_place_of_a_syntax_error_counts_lines():
    assert refusal(b'{\n  "a": 1,\n  "b": oops\n}').pointer.startswith("3:")


def test_integers_up_to_the_limit_are_kept_exactly():
    assert parse(b"[9007199254740991,-9007199254740991,-0]") == [MAX_INTEGER, -MAX_INTEGER, 0]


@pytest.mark.parametrize("opening", [b"[", b'{"a":'])
def test_nesting_is_accepted_up_to_the_limit_and_refused_above(opening):
    closing = b"]" if opening == b"[" else b"}"
    for inner in (b"1", opening[:1] + closing):
        depth = MAX_DEPTH - (inner != b"1")
        at_limit = opening * depth + inner + closing * depth
        assert canonical_bytes(parse(at_limit)) == at_limit
        assert parse_canonical(at_limit) == parse(at_limit)
        beyond = opening + at_limit + closing
        assert refusal(beyond).pointer == f"1:{len(opening) * MAX_DEPTH + 1}"


@pytest.mark.parametrize("depth", [900, 1000, 1024, 1025, 5000, 200_000])
@pytest.mark.parametrize("frame", [b"%s%s%s", b'{"a":%s1%s,"a":1%s}', b'{"a":%s"x%s"%s'])
def test_no_depth_overflows_anything(depth, frame):
    for opening, closing in ((b"[", b"]"), (b'{"k":', b"}")):
        refusal(frame % (opening * depth, closing * depth, b""))


def test_brackets_inside_strings_are_not_nesting():
    text = json.dumps({"a": "[" * 500, 'q"\\': '\\"[{' * 100, "b": [1.5]}).encode()
    assert parse(text)["a"] == "[" * 500


def test_the_depth_limit_can_be_lowered():
    assert parse(b"[[1.0]]", max_depth=2) == [[1.0]]
    refusal(b"[[[1.0]]]", max_depth=2)


def test_a_document_is_an_object():
    assert parse_object(b'{"a": 1}') == {"a": 1}
    for other in (b"[]", b"1", b"null", b'"{}"'):
        with pytest.raises(RtgfError, match="not a JSON object"):
            parse_object(other)


def test_a_document_over_its_size_limit_is_refused():
    assert parse(b'"abc"', max_bytes=5) == "abc"
    assert "at most 4" in refusal(b'"abc"', max_bytes=4).detail


@given(st.binary(max_size=200) | st.text(alphabet='[]{}",:\\ue0159-+.Ntrfalsn ').map(str.encode))
def test_whatever_bytes_come_only_a_clear_refusal_or_an_exact_value(data):
    try:
        value = parse(data)
    except RtgfError:
        assert refusal(data).pointer is not None
    else:
        assert canonical_bytes(value) == rfc8785.dumps(orjson.loads(data))


@given(VALUES)
def test_only_canonical_text_passes_as_canonical(value):
    written = canonical_bytes(value)
    for altered in (b" " + written, written + b"\n"):
        with pytest.raises(RtgfError):
            parse_canonical(altered)


@given(st.dictionaries(TEXTS, READABLE), st.booleans())
@example({"\ue000": 1, "\U00010000": 2}, False)
@example({"a": {"b": 1e20 * 10}}, False)
def test_the_writer_of_what_was_read_writes_every_part_canonically(value, is_ascii):
    text = json.dumps(value, ensure_ascii=is_ascii).encode()
    read, write = parse_with_writer(text)
    assert read == value
    for part in (read, *read.values()):
        assert write(part) == canonical_bytes(part)


@pytest.mark.parametrize("text", [b'{"b":1,"a":2}', b"1.0", b"1e2", b'"\\u0061"', b"-0", b"[1, 2]"])
def test_json_that_is_not_canonical_is_refused_where_signed_text_is_due(text):
    parse(text)
    with pytest.raises(RtgfError, match="not in canonical form"):
        parse_canonical(text)


def test_canonical_text_with_fractions_is_canonical():
    assert parse_canonical(b'{"a":0.5,"b":1e+30}') == {"a": 0.5, "b": 1e30}


class Colour(Enum):
    RED = "red"


@pytest.mark.parametrize(
    ("value", "pointer"),
    [
        (math.nan, ""),
        ([math.inf], "/0"),
        ({"a": [-math.inf]}, "/a/0"),
        (MAX_INTEGER + 1, ""),
        ({"n": -(2**70)}, "/n"),
        ("\ud800", ""),
        ({"a": ["x\udfff"]}, "/a/0"),
        ({"\ud800": 1}, ""),
        ({1: 2}, ""),
        ({"a": {None: 2}}, "/a"),
        (b"bytes", ""),
        ({"s": {1, 2}}, "/s"),
        ({"c": Colour.RED}, "/c"),
        (object(), ""),
    ],
)
def test_what_canonical_json_cannot_say_is_not_written(value, pointer):
    with pytest.raises(RtgfError) as caught:
        canonical_bytes(value)
    assert caught.value.code is Code.RTGF_JSON_INVALID
    assert caught.value.pointer == pointer


def test_values_that_contain_themselves_are_not_written():
    loop: list[object] = []
    loop += [loop, loop]
    with pytest.raises(RtgfError, match="nested deeper"):
        canonical_bytes(loop)


def test_bool_is_not_a_number_and_tuples_are_arrays():
    assert canonical_bytes([True, 1, False, 0]) == b"[true,1,false,0]"
    assert canonical_bytes({"t": (1, 2.0)}) == b'{"t":[1,2]}'


@given(
    st.recursive(
        st.one_of(st.none(), st.integers(-5, 5), st.text(alphabet='a:{"[\\é', max_size=3)),
        lambda inner: (
            st.lists(inner, max_size=3)
            | st.lists(st.tuples(st.sampled_from(["a", "b:", "é"]), inner), max_size=3).map(tuple)
        ),
        max_leaves=8,
    )
)
def test_a_key_that_occurs_twice_is_never_overlooked(tree):
    """Tuples of pairs are objects, in which a key may come again."""

    def text(value) -> str:
        if isinstance(value, tuple):
            return "{ " + ",".join(f"{json.dumps(k)}: {text(v)}" for k, v in value) + "}"
        if isinstance(value, list):
            return "[" + ",".join(map(text, value)) + "]"
        return json.dumps(value, ensure_ascii=False)

    def doubled(value) -> bool:
        if isinstance(value, tuple):
            keys = [key for key, _ in value]
            return len(set(keys)) < len(keys) or any(doubled(inner) for _, inner in value)
        return isinstance(value, list) and any(map(doubled, value))

    data = text(tree).encode()
    if doubled(tree):
        with pytest.raises(RtgfError):
            parse(data)
    else:
        assert parse(data) == json.loads(data)
