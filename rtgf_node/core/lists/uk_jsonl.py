"""The UK Sanctions List as JSON lines with the official field names."""

from __future__ import annotations

import re
from collections.abc import Mapping

from msgspec import Struct

from rtgf_node.core.lists import countries, jsonl
from rtgf_node.core.lists.record import (
    ReadResult,
    Record,
    UnfitError,
    Unreadable,
    make,
    result,
)
from rtgf_node.core.lists.uk_csv import KINDS, SOURCE

READER_ID = "uk-jsonl"
READER_VERSION = "1"

_PRIMARY = frozenset({"primary name", "primary name variation"})
_IMO = re.compile(r"\bIMO(?: number)?:? ?([0-9]{7})\b", re.IGNORECASE)


class _Name(Struct, frozen=True):
    name_type: str = ""
    name1: str | None = None
    name2: str | None = None
    name3: str | None = None
    name4: str | None = None
    name5: str | None = None
    name6: str | None = None


class _Names(Struct, frozen=True):
    names: list[_Name]


class _Script(Struct, frozen=True):
    name_non_latin_script: str | None = None


class _Scripts(Struct, frozen=True):
    names: list[_Script] = []


class _Address(Struct, frozen=True):
    address_country: str | None = None


class _Addresses(Struct, frozen=True):
    addresses: list[_Address] = []


class _Designation(Struct, frozen=True):
    unique_id: str
    names: _Names
    individual_entity_ship: str = ""
    non_latin_names: _Scripts = _Scripts()
    addresses: _Addresses = _Addresses()
    regime_name: str | None = None
    other_information: str | None = None


def read(data: bytes | Mapping[str, bytes]) -> ReadResult:
    """Return the designations of the list. The file states no day of publication.

    Raises:
      RtgfError: RTGF_SANCTIONS_UNREADABLE: it is no such file, or cut off.
    """
    found: list[Record] = []
    missed: list[Unreadable] = []
    for place, designation in jsonl.parties(data, _Designation):
        if isinstance(designation, Unreadable):
            missed.append(designation)
            continue
        try:
            found.append(_record(designation))
        except UnfitError as error:
            missed.append(Unreadable(place, str(error)))
    return result(found, missed)


def _record(designation: _Designation) -> Record:
    kind = KINDS.get(designation.individual_entity_ship.lower(), "unknown")
    primary: list[str | None] = []
    others: list[str | None] = []
    for name in designation.names.names:
        parts = (name.name1, name.name2, name.name3, name.name4, name.name5, name.name6)
        whole = " ".join(part for part in parts if part)
        (primary if name.name_type.lower() in _PRIMARY else others).append(whole)
    primary.extend(script.name_non_latin_script for script in designation.non_latin_names.names)
    return make(
        source=SOURCE,
        source_id=designation.unique_id,
        kind=kind,
        names=primary,
        aliases=others,
        countries=(
            countries.code(address.address_country) for address in designation.addresses.addresses
        ),
        identifiers=(
            f"imo:{imo}"
            for imo in _IMO.findall(designation.other_information or "")
            if kind == "vessel"
        ),
        programmes=(designation.regime_name,),
    )
