"""Seal a token whose longest members have been written before, so that none is written twice."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Final, NamedTuple

from rtgf_node.core import canonical_json, digests
from rtgf_node.core.canonical_json import JsonValue

_HASH: Final = "canonical_hash"


class Sealed(NamedTuple):
    """An unsigned token with its `canonical_hash`, and its canonical text."""

    document: dict[str, JsonValue]
    text: bytes


def sealed(
    document: dict[str, JsonValue], texts: Mapping[str, bytes] = MappingProxyType({})
) -> Sealed:
    """Return the token with its `canonical_hash`, as `tokens.seal` does, and its canonical text.

    Args:
      document: the token, neither sealed nor signed.
      texts: the canonical text of some of its members.
    """
    before = _runs({name: value for name, value in document.items() if name < _HASH}, texts)
    after = _runs({name: value for name, value in document.items() if name > _HASH}, texts)
    computed = digests.sha512(_object([*before, *after]))
    stated = _inside({_HASH: computed})
    return Sealed({**document, _HASH: computed}, _object([*before, stated, *after]))


def _runs(members: dict[str, JsonValue], texts: Mapping[str, bytes]) -> list[bytes]:
    """Return the text of some members in their order, cut where one has a text already.

    A token's members have names in ASCII, which Python orders as RFC 8785 does.
    """
    found: list[bytes] = []
    run: dict[str, JsonValue] = {}
    for name in sorted(members):
        if name in texts:
            found += [_inside(run), b'"%b":%b' % (name.encode("ascii"), texts[name])]
            run = {}
        else:
            run[name] = members[name]
    return [each for each in (*found, _inside(run)) if each]


def _inside(members: dict[str, JsonValue]) -> bytes:
    return canonical_json.canonical_bytes(members)[1:-1]


def _object(runs: list[bytes]) -> bytes:
    return b"{" + b",".join(runs) + b"}"
