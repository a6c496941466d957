"""The EU consolidated list of financial sanctions, official XML (`xmlFullSanctionsList_1_1`)."""

from __future__ import annotations

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
from rtgf_node.core.lists.xml import entries

READER_ID = "eu-xml"
READER_VERSION = "1"
SOURCE = "eu-fsf"

KINDS: dict[str, Kind] = {
    "person": "person",
    "p": "person",
    "enterprise": "organisation",
    "e": "organisation",
}


def read(data: bytes | Mapping[str, bytes]) -> ReadResult:
    """Return the parties of the EU list.

    Raises:
      RtgfError: RTGF_SANCTIONS_UNREADABLE: it is no such XML.
    """
    found: list[Record] = []
    missed: list[Unreadable] = []
    published: str | None = None
    for element in entries(single(data), root="export", tags=frozenset({"sanctionEntity"})):
        if element.tag == "export":
            published = dates.day(element.get("generationDate"))
            continue
        try:
            found.append(_record(element))
        except UnfitError as error:
            place = element.get("logicalId") or f"entity {len(found) + len(missed) + 1}"
            missed.append(Unreadable(place, str(error)))
    return result(found, missed, published=published)


def source_id(reference: str | None, logical_id: str | None) -> str:
    """Return the EU reference number, the id in the law; else the database's logical id."""
    return reference or (f"logical-id:{logical_id}" if logical_id else "")


def _record(entity: Element) -> Record:
    subject = entity.find("subjectType")
    kind: Kind = "unknown"
    if subject is not None:
        kind = KINDS.get((subject.get("code") or "").lower(), "unknown")
    names: list[str | None] = []
    aliases: list[str | None] = []
    for alias in entity.findall("nameAlias"):
        # The EU marks no name as the first: every strong one is a name of the party.
        strong = alias.get("strong", "true") == "true"
        (names if strong else aliases).append(_whole_name(alias))
    places = [
        element.get("countryIso2Code")
        for tag in ("citizenship", "address")
        for element in entity.findall(tag)
    ]
    return make(
        source=SOURCE,
        source_id=source_id(entity.get("euReferenceNumber"), entity.get("logicalId")),
        kind=kind,
        names=names,
        aliases=aliases,
        countries=(countries.code(place) for place in places),
        birth_dates=(day for born in entity.findall("birthdate") for day in _born(born)),
        identifiers=(
            identifiers.make(item.get("identificationTypeCode"), item.get("number"))
            for item in entity.findall("identification")
        ),
        programmes=(item.get("programme") for item in entity.findall("regulation")),
    )


def _whole_name(alias: Element) -> str:
    parts = (alias.get(part) or "" for part in ("firstName", "middleName", "lastName"))
    return alias.get("wholeName") or " ".join(parts)


def _born(born: Element) -> Iterator[str]:
    if (born.get("calendarType") or "GREGORIAN") != "GREGORIAN":
        return  # another calendar's year would contradict a right date
    span = (_year(born, "yearRangeFrom"), _year(born, "yearRangeTo"))
    if all(span):
        yield from dates.between(*span)
        return
    for day in dates.read(born.get("birthdate") or born.get("year")):
        yield (dates.about(day) or day) if born.get("circa") == "true" else day


def _year(born: Element, name: str) -> str | None:
    known = dates.read(born.get(name))
    return known[0] if known else None
