"""A party of a context as screening sees it: its names, and what else may tell it from another.

What a caller says besides the names may clear a name that is merely like a listed one. So only a
birth date and a country that can be read are evidence; others change nothing.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Final

from rtgf_node.core import identifiers
from rtgf_node.core.canonical_json import JsonValue
from rtgf_node.core.lists import countries, dates
from rtgf_node.core.lists.screening import Party
from rtgf_node.errors import RtgfError

_DATE: Final = re.compile(r"([0-9]{4})(?:-([0-9]{2}))?(?:-([0-9]{2}))?")


def party_of(document: JsonValue) -> Party:
    """Return the screening view of a party of the context.

    Its members `name`, `aliases`, `date_of_birth` and `country` count.

    Raises:
      TypeError: it is not an object with a name.
    """
    if not isinstance(document, dict) or not isinstance(document.get("name"), str):
        raise TypeError("a party needs a name")
    aliases = document.get("aliases", [])
    if not isinstance(aliases, list) or not all(isinstance(alias, str) for alias in aliases):
        raise TypeError("aliases must be a list of names")
    return Party(
        names=(str(document["name"]), *(str(alias) for alias in aliases)),
        birth_dates=_birth_dates(_text(document, "date_of_birth")),
        countries=_countries(_text(document, "country")),
    )


def _text(document: Mapping[str, JsonValue], member: str) -> str:
    value = document.get(member)
    if value is None:
        return ""
    if not isinstance(value, str):
        raise TypeError(f"{member} must be text")
    return value.strip()


def _birth_dates(text: str) -> tuple[str, ...]:
    """Return the date, whole or partial, in ISO 8601; none where it is not one."""
    match = _DATE.fullmatch(text)
    known = match and dates.calendar(*(int(part or 0) for part in match.groups()))
    return (known,) if known else ()


def _countries(text: str) -> tuple[str, ...]:
    """Return the code of a country, given by its code or its name; none where it is not one."""
    try:
        return (identifiers.jurisdiction(countries.code(text) or ""),)
    except RtgfError:
        return ()
