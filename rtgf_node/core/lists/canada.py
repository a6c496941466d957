"""The Consolidated Canadian Autonomous Sanctions List, official XML (`data-set/record`).

Entries have no id of their own: regulation, schedule and item number together name an entry.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from xml.etree.ElementTree import Element

from rtgf_node.core.lists import countries, dates, identifiers
from rtgf_node.core.lists.record import (
    Kind,
    ReadResult,
    Record,
    UnfitError,
    Unreadable,
    make,
    result,
)
from rtgf_node.core.lists.text import single
from rtgf_node.core.lists.xml import entries, text

READER_ID = "ca-xml"
READER_VERSION = "1"
SOURCE = "ca-sema"

# `Belarusian: Руслан МАШАДЗЕЎ, Russian: Руслан МАШАДИЕВ`: the language is not part of the name.
_LANGUAGE = re.compile(r"(?:^|\s)[A-Z][a-z]+\s*:\s+")
_SEPARATOR = re.compile(r"\s*[,;]\s+|\s+or\s+|\s*/\s+")


def read(data: bytes | Mapping[str, bytes]) -> ReadResult:
    """Return the parties of the Canadian list. The file states no day of publication.

    Raises:
      RtgfError: RTGF_SANCTIONS_UNREADABLE: it is no such XML.
    """
    found: list[Record] = []
    missed: list[Unreadable] = []
    for element in entries(single(data), root="data-set", tags=frozenset({"record"})):
        if element.tag != "record":
            continue
        try:
            found.append(_record(element))
        except UnfitError as error:
            missed.append(Unreadable(f"record {len(found) + len(missed) + 1}", str(error)))
    return result(found, missed)


def _record(element: Element) -> Record:
    entity = text(element, "EntityOrShip") or text(element, "Entity")
    person = f"{text(element, 'GivenName')} {text(element, 'LastName')}".strip()
    imo = text(element, "ShipIMONumber")
    kind: Kind = "vessel" if entity and imo else "organisation" if entity else "person"
    regulation = text(element, "Country")
    # The column names the regulation, which is mostly, not always, a country's.
    country = countries.code(regulation)
    return make(
        source=SOURCE,
        source_id=_source_id(element, regulation),
        kind=kind,
        names=(entity or person,),
        aliases=_aliases(text(element, "Aliases"), kind),
        countries=(country,) if country and countries.is_code(country) else (),
        birth_dates=(
            dates.read(text(element, "DateOfBirthOrShipBuildDate")) if kind == "person" else ()
        ),
        identifiers=(identifiers.make("IMO", imo),),
        programmes=(regulation,),
    )


def _source_id(element: Element, regulation: str) -> str:
    item = text(element, "Item")
    if not item or not regulation:
        raise UnfitError("it has no item number or no regulation, so nothing names it")
    schedule = text(element, "Schedule") or "-"
    return f"{regulation.partition(' / ')[0]}/{schedule}/{item}"


def _aliases(listed: str, kind: Kind) -> list[str]:
    plain = _LANGUAGE.sub(", ", listed)
    # In an entity's name a comma may stand before its legal form, so the whole stays as well.
    parts = [part.strip(" ,;") for part in _SEPARATOR.split(plain)]
    return parts if kind == "person" else [*parts, plain.strip(" ,;")]
