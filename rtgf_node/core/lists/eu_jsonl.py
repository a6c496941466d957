"""The EU consolidated list of financial sanctions as JSON lines with the official field names."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from msgspec import Struct

from rtgf_node.core.lists import countries, dates, identifiers, jsonl
from rtgf_node.core.lists.eu_xml import KINDS, SOURCE, source_id
from rtgf_node.core.lists.record import (
    ReadResult,
    Record,
    UnfitError,
    Unreadable,
    make,
    result,
)

READER_ID = "eu-jsonl"
READER_VERSION = "1"


class _Name(Struct, frozen=True):
    whole_name: str | None = None
    first_name: str | None = None
    middle_name: str | None = None
    last_name: str | None = None
    strong: bool = True


class _Born(Struct, frozen=True):
    birthdate: str | None = None
    calendar_type: str | None = None
    circa: bool = False
    year: int | None = None
    month_of_year: int | None = None
    day_of_month: int | None = None
    year_range_from: int | None = None
    year_range_to: int | None = None


class _Place(Struct, frozen=True):
    country_iso2_code: str | None = None


class _Number(Struct, frozen=True):
    number: str | None = None
    identification_type_code: str | None = None


class _Regulation(Struct, frozen=True):
    programme: str | None = None


class _Subject(Struct, frozen=True):
    code: str | None = None


class _Entity(Struct, frozen=True):
    name_aliases: list[_Name]
    eu_reference_number: str | None = None
    logical_id: str | None = None
    subject_type: _Subject | None = None
    birthdates: list[_Born] = []
    citizenships: list[_Place] = []
    addresses: list[_Place] = []
    identifications: list[_Number] = []
    regulations: list[_Regulation] = []


def read(data: bytes | Mapping[str, bytes]) -> ReadResult:
    """Return the parties of the EU list. The file states no day of publication.

    Raises:
      RtgfError: RTGF_SANCTIONS_UNREADABLE: it is no such file, or cut off.
    """
    found: list[Record] = []
    missed: list[Unreadable] = []
    for place, entity in jsonl.parties(data, _Entity):
        if isinstance(entity, Unreadable):
            missed.append(entity)
            continue
        try:
            found.append(_record(entity))
        except UnfitError as error:
            missed.append(Unreadable(place, str(error)))
    return result(found, missed)


def _record(entity: _Entity) -> Record:
    code = entity.subject_type.code if entity.subject_type else None
    return make(
        source=SOURCE,
        source_id=source_id(entity.eu_reference_number, entity.logical_id),
        kind=KINDS.get((code or "").lower(), "unknown"),
        names=(_whole_name(name) for name in entity.name_aliases if name.strong),
        aliases=(_whole_name(name) for name in entity.name_aliases if not name.strong),
        countries=(
            countries.code(place.country_iso2_code)
            for place in (*entity.citizenships, *entity.addresses)
        ),
        birth_dates=(day for born in entity.birthdates for day in _born(born)),
        identifiers=(
            identifiers.make(item.identification_type_code, item.number)
            for item in entity.identifications
        ),
        programmes=(regulation.programme for regulation in entity.regulations),
    )


def _whole_name(name: _Name) -> str:
    parts = (name.first_name, name.middle_name, name.last_name)
    return name.whole_name or " ".join(part for part in parts if part)


def _born(born: _Born) -> Iterator[str]:
    if (born.calendar_type or "GREGORIAN") != "GREGORIAN":
        return  # another calendar's year would contradict a right date
    if born.year_range_from and born.year_range_to:
        ends = (dates.calendar(born.year_range_from), dates.calendar(born.year_range_to))
        yield from dates.between(*ends)
        return
    known = dates.calendar(born.year, born.month_of_year, born.day_of_month)
    for day in dates.read(born.birthdate) or ((known,) if known else ()):
        yield (dates.about(day) or day) if born.circa else day
