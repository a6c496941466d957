"""FollowTheMoney entities as OpenSanctions publishes them, JSON lines, plain and nested.

Beside parties such a file holds sanctions, documents, addresses and relations as entities of their
own. Sanctions and documents are joined to the party they name; the rest is no listing.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Mapping

from msgspec import Struct

from rtgf_node.core.lists import countries, dates, identifiers, jsonl
from rtgf_node.core.lists.record import (
    Kind,
    ReadResult,
    Record,
    UnfitError,
    Unreadable,
    make,
    result,
)

READER_ID = "ftm-jsonl"
READER_VERSION = "1"
SOURCE = "opensanctions"

_KINDS: dict[str, Kind] = {
    "Person": "person",
    "Organization": "organisation",
    "Company": "organisation",
    "LegalEntity": "unknown",
    "PublicBody": "organisation",
    "Vessel": "vessel",
    "Airplane": "aircraft",
}
_NAMES = ("name",)
_ALIASES = ("alias", "weakAlias", "previousName", "abbreviation")
_COUNTRIES = ("nationality", "citizenship", "country", "jurisdiction", "flag", "mainCountry")
_PROGRAMMES = ("program", "programId")
_NUMBERS = {
    "passportNumber": "passport",
    "idNumber": "national id",
    "taxNumber": "tax",
    "innCode": "tax",
    "vatCode": "tax",
    "registrationNumber": "registration",
    "ogrnCode": "registration",
    "leiCode": "lei",
    "swiftBic": "swift",
    "imoNumber": "imo",
    "mmsi": "mmsi",
    "serialNumber": "serial",
}
# Entity -> the property that names the party it belongs to.
_SATELLITES = {"Sanction": "entity", "Passport": "holder", "Identification": "holder"}


class _Entity(Struct, frozen=True):
    id: str
    schema: str
    properties: dict[str, list[str | dict[str, object]]]
    target: bool | None = None


def read(data: bytes | Mapping[str, bytes]) -> ReadResult:
    """Return the parties of the file. The file states no day of publication.

    Raises:
      RtgfError: RTGF_SANCTIONS_UNREADABLE: it is no such file, or cut off.
    """
    parties: list[tuple[str, _Entity]] = []
    satellites: dict[str, list[_Entity]] = defaultdict(list)
    missed: list[Unreadable] = []
    for place, entity in jsonl.parties(data, _Entity):
        if isinstance(entity, Unreadable):
            missed.append(entity)
        elif entity.schema in _SATELLITES:
            for holder in _texts(entity, _SATELLITES[entity.schema]):
                satellites[holder].append(entity)
        elif entity.schema in _KINDS and entity.target is not False:
            parties.append((place, entity))
    found: list[Record] = []
    for place, party in parties:
        try:
            found.append(_record(party, satellites.get(party.id, [])))
        except UnfitError as error:
            missed.append(Unreadable(place, str(error)))
    return result(found, missed)


def _record(party: _Entity, satellites: list[_Entity]) -> Record:
    around = [*satellites, *_nested(party)]
    return make(
        source=SOURCE,
        source_id=party.id,
        kind=_KINDS[party.schema],
        names=_texts(party, *_NAMES),
        aliases=_texts(party, *_ALIASES),
        countries=map(countries.code, _texts(party, *_COUNTRIES)),
        birth_dates=(day for text in _texts(party, "birthDate") for day in dates.read(text)),
        identifiers=(
            *(
                identifiers.make(words, number)
                for name, words in _NUMBERS.items()
                for number in _texts(party, name)
            ),
            *(
                identifiers.make(" ".join((each.schema, *_texts(each, "type"))), number)
                for each in around
                if each.schema != "Sanction"
                for number in _texts(each, "number")
            ),
        ),
        programmes=(
            *_texts(party, *_PROGRAMMES),
            *(
                text
                for each in around
                if each.schema == "Sanction"
                for text in _texts(each, *_PROGRAMMES)
            ),
        ),
    )


def _texts(entity: _Entity, *names: str) -> list[str]:
    values = (value for name in names for value in entity.properties.get(name, ()))
    return [value for value in values if isinstance(value, str)]


def _nested(party: _Entity) -> Iterator[_Entity]:
    """Yield the sanctions and documents that the nested form keeps inside the party."""
    for values in party.properties.values():
        for value in values:
            if not isinstance(value, dict) or value.get("schema") not in _SATELLITES:
                continue
            properties = value.get("properties")
            if isinstance(properties, dict):
                plain: dict[str, list[str | dict[str, object]]] = {
                    str(name): [text for text in texts if isinstance(text, str)]
                    for name, texts in properties.items()
                    if isinstance(texts, list)
                }
                yield _Entity(str(value.get("id")), str(value["schema"]), plain)
