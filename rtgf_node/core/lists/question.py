"""What is asked of a list: the words of a party's names, and of the names inside them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

from msgspec import Struct

from rtgf_node.core.lists import lookalikes, names, packed
from rtgf_node.core.lists.names import Spelt
from rtgf_node.errors import Code, RtgfError

MAX_PARTY_NAMES = 32  # names and aliases of one party that are screened
MAX_WORDS = 1024  # of all names together, in each reading; more would hold others up
MAX_READINGS = 2  # of one name: as its letters are, and as they look
MAX_QUERIES = MAX_PARTY_NAMES * MAX_READINGS * (1 + names.MAX_TOKENS // 2)  # a part has two words


class Party(Struct, frozen=True, forbid_unknown_fields=True):
    """Who is screened. Birth dates are ISO 8601, whole or partial; countries are alpha-2."""

    names: tuple[str, ...]
    birth_dates: tuple[str, ...] = ()
    countries: tuple[str, ...] = ()


class Query(NamedTuple):
    """One name that is asked for.

    Attributes:
      spelt: its words, as `names.spelt` returns them.
      run_together: the name as one word, from whichever of its words it starts, with its key.
      significant: how many words are a name or an initial.
    """

    spelt: tuple[Spelt, ...]
    run_together: Mapping[str, int]
    significant: int


def of(party: Party) -> list[Query]:
    """Return every name of the party, what it looks like, and the names inside it.

    Raises:
      RtgfError: RTGF_INPUT_INVALID: the party has no name, too many, too many words in them, or a
        name with no letters or digits, or of which only a part would be looked at.
    """
    if len(party.names) > MAX_PARTY_NAMES:
        detail = f"a party has at most {MAX_PARTY_NAMES} names, this one {len(party.names)}"
        raise RtgfError(Code.RTGF_INPUT_INVALID, detail)
    found: dict[tuple[Spelt, ...], None] = {}
    counted = 0
    for name in party.names:
        if len(name) > names.MAX_LENGTH:
            detail = f"a name has at most {names.MAX_LENGTH} characters, this one {len(name)}"
            raise RtgfError(Code.RTGF_INPUT_INVALID, detail)
        for reading in lookalikes.readings(name):
            words = names.spelt(reading)
            if not words:
                detail = "the party has a name without letters or digits"
                raise RtgfError(Code.RTGF_INPUT_INVALID, detail)
            if len(words) > names.MAX_TOKENS:
                detail = f"a name has at most {names.MAX_TOKENS} words, this one {len(words)}"
                raise RtgfError(Code.RTGF_INPUT_INVALID, detail)
            counted += len(words)
            if counted > MAX_WORDS:
                detail = f"the names of a party have at most {MAX_WORDS} words together"
                raise RtgfError(Code.RTGF_INPUT_INVALID, detail)
            found[tuple(words)] = None
            found |= dict.fromkeys(
                tuple(names.spelt(part)[: names.MAX_TOKENS]) for part in names.parts(reading)
            )
    if not found:
        raise RtgfError(Code.RTGF_INPUT_INVALID, "the party has no name")
    return [_query(spelt) for spelt in found]


def _query(spelt: tuple[Spelt, ...]) -> Query:
    words = [each.text for each in spelt]
    turned = ("".join((*words[i:], *words[:i])) for i in range(len(words)))
    return Query(
        spelt,
        {joined: packed.key(joined) for joined in turned},
        sum(1 for word in words if names.is_significant(word)),
    )


def tells(query: Query) -> bool:
    """Say whether there is a word that can tell one party from another."""
    return any(len(word.text) > 1 and names.is_significant(word.text) for word in query.spelt)
