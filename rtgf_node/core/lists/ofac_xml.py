"""OFAC's lists as XML (`sdnList`): the SDN list and the consolidated non-SDN list."""

from __future__ import annotations

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
    refused,
    result,
)
from rtgf_node.core.lists.text import single
from rtgf_node.core.lists.xml import entries, text, texts

READER_ID = "ofac-xml"
READER_VERSION = "1"
SOURCE = "us-ofac"

_KINDS: dict[str, Kind] = {
    "individual": "person",
    "entity": "organisation",
    "vessel": "vessel",
    "aircraft": "aircraft",
}
# What OFAC files under ids although it identifies nobody.
_NO_IDS = ("website", "email", "phone", "directive", "secondary sanctions", "gender", "date")


def read(data: bytes | Mapping[str, bytes]) -> ReadResult:
    """Return the parties of an OFAC XML file.

    Raises:
      RtgfError: RTGF_SANCTIONS_UNREADABLE: it is no such XML, or it holds another number of entries
        than it states.
    """
    found: list[Record] = []
    missed: list[Unreadable] = []
    published: str | None = None
    stated = ""
    tags = frozenset({"publshInformation", "sdnEntry"})  # the publisher's own spelling
    for element in entries(single(data), root="sdnList", tags=tags):
        if element.tag == "publshInformation":
            published = dates.us_day(text(element, "Publish_Date"))
            stated = text(element, "Record_Count")
        elif element.tag == "sdnEntry":
            try:
                found.append(_record(element))
            except UnfitError as error:
                place = text(element, "uid") or f"entry {len(found) + len(missed) + 1}"
                missed.append(Unreadable(place, str(error)))
    count = len(found) + len(missed)
    if stated and stated != str(count):
        raise refused(f"the file states {stated[:20]} entries and holds {count}")
    return result(found, missed, published=published)


def _record(entry: Element) -> Record:
    places = [
        *texts(entry, "nationalityList/nationality/country"),
        *texts(entry, "citizenshipList/citizenship/country"),
        *texts(entry, "addressList/address/country"),
        *texts(entry, "vesselInfo/vesselFlag"),
    ]
    return make(
        source=SOURCE,
        source_id=text(entry, "uid"),
        kind=_KINDS.get(text(entry, "sdnType").lower(), "unknown"),
        names=(_name(entry),),
        aliases=(_name(aka) for aka in entry.findall("akaList/aka")),
        countries=(countries.code(place) for place in places),
        birth_dates=(
            day
            for item in texts(entry, "dateOfBirthList/dateOfBirthItem/dateOfBirth")
            for day in dates.read(item)
        ),
        identifiers=(_identifier(item) for item in entry.findall("idList/id")),
        programmes=texts(entry, "programList/program"),
    )


def _name(element: Element) -> str:
    return f"{text(element, 'firstName')} {text(element, 'lastName')}"


def _identifier(item: Element) -> str | None:
    words, number = text(item, "idType"), text(item, "idNumber")
    if any(word in words.lower() for word in _NO_IDS):
        return None
    if number.upper().startswith("IMO "):
        words, number = "IMO", number[4:]
    return identifiers.make(words, number)
