"""The United Nations Security Council consolidated list, official XML.

Its quote style and the order of its records change from day to day although nothing is listed or
delisted; names come in up to four parts and in their original script.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
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
from rtgf_node.core.lists.xml import entries, text, texts

READER_ID = "un-xml"
READER_VERSION = "1"
SOURCE = "un-sc"

_KINDS: dict[str, Kind] = {"INDIVIDUAL": "person", "ENTITY": "organisation"}
_NAME_PARTS = ("FIRST_NAME", "SECOND_NAME", "THIRD_NAME", "FOURTH_NAME")
# Some aliases hold several names in one value, each behind its own marker.
_MARKER = re.compile(r"(?:^|[\s,;(])(?:[af]\.?k\.?a\.?:?|[a-z]\)|\([a-z]\))\s+", re.IGNORECASE)


def read(data: bytes | Mapping[str, bytes]) -> ReadResult:
    """Return the parties of a UN consolidated list.

    Raises:
      RtgfError: RTGF_SANCTIONS_UNREADABLE: it is no such XML.
    """
    found: list[Record] = []
    missed: list[Unreadable] = []
    published: str | None = None
    for element in entries(single(data), root="CONSOLIDATED_LIST", tags=frozenset(_KINDS)):
        if element.tag == "CONSOLIDATED_LIST":
            published = dates.day(element.get("dateGenerated"))
            continue
        try:
            found.append(_record(element))
        except UnfitError as error:
            place = text(element, "DATAID") or f"record {len(found) + len(missed) + 1}"
            missed.append(Unreadable(place, str(error)))
    return result(found, missed, published=published)


def _record(element: Element) -> Record:
    kind = element.tag
    places = [
        *texts(element, "NATIONALITY/VALUE"),
        *texts(element, f"{kind}_ADDRESS/COUNTRY"),
    ]
    alias_path = f"{kind}_ALIAS"
    return make(
        source=SOURCE,
        source_id=text(element, "REFERENCE_NUMBER") or text(element, "DATAID"),
        kind=_KINDS[kind],
        names=(
            " ".join(text(element, part) for part in _NAME_PARTS),
            text(element, "NAME_ORIGINAL_SCRIPT"),
        ),
        aliases=(
            part
            for alias in texts(element, f"{alias_path}/ALIAS_NAME")
            for part in _MARKER.split(alias)
        ),
        countries=(countries.code(place) for place in places),
        birth_dates=(
            *(day for born in element.findall(f"{kind}_DATE_OF_BIRTH") for day in _born(born)),
            *(
                day
                for born in texts(element, f"{alias_path}/DATE_OF_BIRTH")
                for day in dates.read(born)
            ),
        ),
        identifiers=(
            identifiers.make(
                f"{text(document, 'TYPE_OF_DOCUMENT')} {text(document, 'TYPE_OF_DOCUMENT2')}",
                text(document, "NUMBER"),
            )
            for document in element.findall(f"{kind}_DOCUMENT")
        ),
        programmes=(text(element, "UN_LIST_TYPE"),),
    )


def _born(element: Element) -> Iterator[str]:
    years = [dates.read(text(element, tag)) for tag in ("FROM_YEAR", "TO_YEAR")]
    if all(years):
        yield from dates.between(years[0][0], years[1][0])
        return
    stated = text(element, "DATE") or text(element, "YEAR")
    for day in dates.read(stated):
        approximate = text(element, "TYPE_OF_DATE").upper() == "APPROXIMATELY"
        yield (dates.about(day) or day) if approximate else day
