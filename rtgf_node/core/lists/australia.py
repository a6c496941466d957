"""The Australian consolidated list of DFAT as JSON lines."""

from __future__ import annotations

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

READER_ID = "au-jsonl"
READER_VERSION = "1"
SOURCE = "au-dfat"

_KINDS: dict[str, Kind] = {
    "person": "person",
    "organization": "organisation",
    "vessel": "vessel",
    "aircraft": "aircraft",
}


class _Name(Struct, frozen=True):
    text: str | None = None
    name_type: str = ""


class _Born(Struct, frozen=True):
    raw_value: str | None = None
    year: int | None = None
    month: int | None = None
    day: int | None = None
    circa: bool = False
    year_range_from: int | None = None
    year_range_to: int | None = None


class _Sanction(Struct, frozen=True):
    committees: str | None = None


class _Reference(Struct, frozen=True):
    reference: str
    names: list[_Name]
    entity_type: str = ""
    citizenships: list[str] = []
    dates_of_birth: list[_Born] = []
    imo_number: str | None = None
    previous_names: list[str] = []
    sanction: _Sanction = _Sanction()


def read(data: bytes | Mapping[str, bytes]) -> ReadResult:
    """Return the references of the list. The file states no day of publication.

    Raises:
      RtgfError: RTGF_SANCTIONS_UNREADABLE: it is no such file, or cut off.
    """
    found: list[Record] = []
    missed: list[Unreadable] = []
    for place, reference in jsonl.parties(data, _Reference):
        if isinstance(reference, Unreadable):
            missed.append(reference)
            continue
        try:
            found.append(_record(reference))
        except UnfitError as error:
            missed.append(Unreadable(place, str(error)))
    return result(found, missed)


def _record(reference: _Reference) -> Record:
    # An original script is the name itself in other letters.
    names = [name.text for name in reference.names if name.name_type != "Alias"]
    aliases = [name.text for name in reference.names if name.name_type == "Alias"]
    return make(
        source=SOURCE,
        source_id=reference.reference,
        kind=_KINDS.get(reference.entity_type, "unknown"),
        names=names,
        aliases=(*aliases, *reference.previous_names),
        countries=(countries.code(place) for place in reference.citizenships),
        birth_dates=(day for born in reference.dates_of_birth for day in _born(born)),
        identifiers=(identifiers.make("IMO", reference.imo_number),),
        programmes=(reference.sanction.committees,),
    )


def _born(born: _Born) -> Iterator[str]:
    if born.year_range_from and born.year_range_to:
        ends = (dates.calendar(born.year_range_from), dates.calendar(born.year_range_to))
        yield from dates.between(*ends)
        return
    known = dates.calendar(born.year, born.month, born.day)
    for day in (known,) if known else dates.read(born.raw_value):
        yield (dates.about(day) or day) if born.circa else day
