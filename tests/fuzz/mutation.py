"""Real documents, damaged: what a careless publisher, a bad line or an attacker would send.

Every choice is asked of the `chance` that is handed in, so the same choices give the same bytes.
"""

from __future__ import annotations

import json
import random
from collections.abc import Callable
from typing import Any

MAX_BYTES = 200_000
"""Bytes of one input: more than any seed, and enough for what grows faster than its input."""

_MAX_EDITS = 4

WORDS: tuple[bytes, ...] = (
    *(b"", b"\x00", b"\xff", b"\xef\xbb\xbf", b"\r", b"\n\n", b"\r\n", b" ", b"\t", b"\x1f\x8b"),
    *("\u2028\u202e\u00a0 ²٣٤ İßﬁ 𝟘𐐀 e\u0301 \ufeff".encode(), b"\xed\xa0\x80", b"\xc0\xaf"),
    *(b"null", b"true", b"-0", b"-1", b"1e999", b"1e20", b"0.1e-400", b"9" * 400, b"9" * 5_000),
    *(
        b"NaN",
        b"0x10",
        b"[" * 3_000,
        b'{"a":' * 3_000,
        b'{"a":1,"a":2}',
        b'"\\ud800"',
        b"a" * 9_000,
    ),
    *(b"2026-02-30", b"0000-00-00", b"9999-12-31T23:59:60Z", b"P" + b"9" * 40 + b"Y", b"P1Y2D"),
    *(
        b"EU\n",
        b"GB",
        b"../",
        b"x" + b"9" * 30,
        b".p/256",
        b"\xe2\x80\x94 a b",
        b"=",
        b"+",
        b";" * 600,
    ),
    *(
        b'"' * 3,
        b"<!DOCTYPE a>",
        b"<a>" * 600,
        b"]]>",
        b"&#0;",
        b"&lt;" * 600,
        b"<!--",
        b"xmlns:a=''",
    ),
    *(
        b"Transfer-Encoding: chunked\r\n",
        b"Content-Length: 5\r\n",
        b"Host: a\r\n",
        b"\r\n\r\n",
        b"%00",
    ),
    *(b"ffffffffffffffffff\r\n", b"Connection: upgrade\r\nUpgrade: a\r\n", b"HTTP/2.0"),
)
"""What parsers trip over."""

_DEEP: Any = "core"
for _ in range(300):
    _DEEP = [_DEEP]

VALUES: tuple[Any, ...] = (
    *(None, True, False, 0, -1, 1.5, -0.0, 1e20, 1e308, 2**53, -(2**53), 2**63, 2**64, 10**400),
    *(
        "",
        " ",
        "\x00",
        "\ud800",
        "\u202e",
        "İ",
        "²",
        "٣",
        "a" * 5_000,
        "9" * 5_000,
        "9" * 34,
        "1e3",
    ),
    *(
        "EU",
        "EU-SG",
        "EU-EU",
        "2026-02-30",
        "0001-01-01T00:00:00Z",
        "9999-12-31T23:59:59Z",
        "P9999Y",
    ),
    *([], {}, [[]], {"": {}}, _DEEP, {"value": "1", "currency": "EUR"}, {"var": "amount.value"}),
    *({"op": "AND", "args": []}, {"op": "NOW", "args": []}, {"list": [1, "a"]}, {"decimal": "1e5"}),
    *({"duration": "P5Y"}, {"money": {"value": "1" * 35, "currency": "EUR"}}, {"a/b~c`": 1}),
)
"""What documents trip over."""


def mutate(data: bytes, other: bytes, chance: random.Random) -> bytes:
    """Return `data` after a few changes; `other` is a second document to take pieces from."""
    for _ in range(chance.randint(1, _MAX_EDITS)):
        data = chance.choice(_EDITS)(data, other, chance)[:MAX_BYTES]
    return data


def _place(data: bytes, chance: random.Random) -> int:
    return chance.randint(0, len(data))


def _flip(data: bytes, _: bytes, chance: random.Random) -> bytes:
    if not data:
        return data
    changed = bytearray(data)
    changed[chance.randrange(len(data))] ^= 1 << chance.randrange(8)
    return bytes(changed)


def _cut(data: bytes, _: bytes, chance: random.Random) -> bytes:
    return data[: _place(data, chance)]


def _leave_out(data: bytes, _: bytes, chance: random.Random) -> bytes:
    begin, end = sorted((_place(data, chance), _place(data, chance)))
    return data[:begin] + data[end:]


def _repeat(data: bytes, _: bytes, chance: random.Random) -> bytes:
    begin = _place(data, chance)
    end = begin + chance.randint(1, 200)
    return data[:end] + data[begin:end] * chance.choice([1, 1, 2, 400]) + data[end:]


def _splice(data: bytes, other: bytes, chance: random.Random) -> bytes:
    return data[: _place(data, chance)] + other[_place(other, chance) :]


def _insert(data: bytes, _: bytes, chance: random.Random) -> bytes:
    at = _place(data, chance)
    return data[:at] + chance.choice(WORDS) + data[at + chance.choice([0, 0, 1, 8]) :]


def _change_member(data: bytes, other: bytes, chance: random.Random) -> bytes:
    """Change one value of a JSON document, wherever it stands."""
    try:
        tree = json.loads(data)
        holder, key = _somewhere(tree, chance)
        if holder is None:
            return json.dumps(chance.choice(VALUES)).encode()
        _CHANGES[chance.randrange(len(_CHANGES))](holder, key, other, chance)
        return json.dumps(tree, ensure_ascii=chance.random() < 0.5).encode(errors="surrogatepass")
    except (ValueError, RecursionError):
        return _insert(data, other, chance)


def _somewhere(tree: Any, chance: random.Random) -> tuple[Any, Any]:
    """Return an array or object of the tree and a key in it; None where there is none."""
    holder, key, here = None, None, tree
    while isinstance(here, dict | list) and here and (holder is None or chance.random() < 0.8):
        holder = here
        key = chance.choice(list(here)) if isinstance(here, dict) else chance.randrange(len(here))
        here = holder[key]
    return holder, key


def _replace(holder: Any, key: Any, _: bytes, chance: random.Random) -> None:
    holder[key] = chance.choice(VALUES)


def _delete(holder: Any, key: Any, _: bytes, __: random.Random) -> None:
    del holder[key]


def _nest(holder: Any, key: Any, _: bytes, chance: random.Random) -> None:
    for _ in range(chance.choice([1, 31, 64, 500])):
        holder[key] = [holder[key]] if chance.random() < 0.5 else {"a": holder[key]}


def _swell(holder: Any, key: Any, _: bytes, chance: random.Random) -> None:
    held, times = holder[key], chance.choice([2, 100, 5_000])
    if isinstance(held, str):
        holder[key] = held * times
    elif isinstance(held, list):
        holder[key] = (held * times)[:5_000]
    elif isinstance(held, dict):
        holder[key] = {**held, **{f"{name}{n}": held[name] for name in held for n in range(3)}}
    elif isinstance(held, int):
        holder[key] = held + 10**times


def _rename(holder: Any, key: Any, _: bytes, chance: random.Random) -> None:
    if isinstance(holder, dict):
        name = chance.choice(["", f"{key}x", "`", "\ud800", "__class__", "a" * 3_000])
        holder[name] = holder.pop(key)


def _transplant(holder: Any, key: Any, other: bytes, chance: random.Random) -> None:
    """Put a value of the other document here."""
    theirs, place = _somewhere(json.loads(other), chance)
    if theirs is not None:
        holder[key] = theirs[place]


_CHANGES: tuple[Callable[[Any, Any, bytes, random.Random], None], ...] = (
    _replace,
    _replace,
    _replace,
    _delete,
    _nest,
    _swell,
    _rename,
    _transplant,
    _transplant,
)
_EDITS: tuple[Callable[[bytes, bytes, random.Random], bytes], ...] = (
    _flip,
    _cut,
    _leave_out,
    _repeat,
    _splice,
    _insert,
    _insert,
    _change_member,
    _change_member,
    _change_member,
    _change_member,
    _change_member,
)
