r"""The EU consolidated list of financial sanctions, official CSV exports of both generations.

Rows are `;`-separated, several a party. In copies that went through a spreadsheet each whole row is
quoted once more, commas have become tabs, and line breaks are written as `\n`.
"""

from __future__ import annotations

import csv
from collections.abc import Iterable, Iterator, Mapping

from rtgf_node.core.lists import countries, dates, identifiers
from rtgf_node.core.lists.eu_xml import KINDS, SOURCE, source_id
from rtgf_node.core.lists.record import (
    ReadResult,
    Record,
    UnfitError,
    Unreadable,
    make,
    refused,
    result,
)
from rtgf_node.core.lists.text import of_table, rows, single

READER_ID = "eu-csv"
READER_VERSION = "1"

# Member -> the columns that hold it, in the export of today and in the one until 2018.
_COLUMNS: dict[str, tuple[str, ...]] = {
    "published": ("filegenerationdate", "date_filexxxx", "date_file"),
    "logical_id": ("entity_logicalid", "entity_logical_id"),
    "reference": ("entity_eu_referencenumber", "eu_ref_num"),
    "kind": ("entity_subjecttype_classificationcode", "entity_subjecttype", "subject_type"),
    "programme": ("entity_regulation_programme", "programme"),
    "whole_name": ("namealias_wholename", "naal_wholename"),
    "first_name": ("namealias_firstname", "naal_firstname"),
    "middle_name": ("namealias_middlename", "naal_middlename"),
    "last_name": ("namealias_lastname", "naal_lastname"),
    "citizenship": ("citizenship_countryiso2code", "citi_country"),
    "address_country": ("address_countryiso2code", "addr_country"),
    "birth_date": ("birthdate_birthdate", "birt_date"),
    "birth_year": ("birthdate_year",),
    "number": ("identification_number", "iden_number"),
    "number_type": ("identification_typecode", "identification_typedescription"),
}
_NEEDED = ("logical_id", "whole_name", "kind")


def read(data: bytes | Mapping[str, bytes]) -> ReadResult:
    """Return the parties of the EU list.

    Raises:
      RtgfError: RTGF_SANCTIONS_UNREADABLE: it is no such table, or cut off.
    """
    table = _table(of_table(single(data)))
    _, header = next(table, (0, []))
    columns = _columns(header)
    missed: list[Unreadable] = []
    parties: dict[str, list[dict[str, str]]] = {}
    for line, row in table:
        if len(row) != len(header):
            reason = f"it has {len(row)} columns, not {len(header)}"
            missed.append(Unreadable(f"line {line}", reason))
            continue
        cells = {member: row[index].strip() for member, index in columns.items()}
        key = cells["logical_id"]
        if not (key.isascii() and key.isdigit()):
            missed.append(Unreadable(f"line {line}", "its logical id is no number"))
            continue
        parties.setdefault(key, []).append(cells)
    found: list[Record] = []
    published: set[str] = set()
    for key, group in parties.items():
        published.update(filter(None, (dates.day(cells.get("published")) for cells in group)))
        try:
            found.append(_record(key, group))
        except UnfitError as error:
            missed.append(Unreadable(f"logical id {key}", str(error)))
    return result(found, missed, published=max(published, default=None))


def _table(text: str) -> Iterator[tuple[int, list[str]]]:
    first = text.split("\n", maxsplit=1)[0].rstrip("\r")
    if not (first.startswith('"') and first.endswith('"') and '";' not in first):
        yield from rows(text, delimiter=";")
        return
    for number, line in enumerate(text.splitlines(), 1):
        if not line.strip():
            continue
        if not (line.startswith('"') and line.endswith('"') and len(line) > 1):
            raise refused(f"line {number} is not quoted as the others are", pointer=f"{number}:1")
        inner = line[1:-1].rstrip("\t").replace('""', '"')
        inner = inner.replace("\t", ",").replace("\\n", " ")
        # One line at a time: a stray quote in a name must not swallow the rows after it.
        yield number, next(csv.reader([inner], delimiter=";"), [])


def _columns(header: list[str]) -> dict[str, int]:
    lowered = [cell.strip().casefold() for cell in header]
    found = {
        member: next(lowered.index(name) for name in names if name in lowered)
        for member, names in _COLUMNS.items()
        if any(name in lowered for name in names)
    }
    absent = [_COLUMNS[member][0] for member in _NEEDED if member not in found]
    if absent:
        raise refused(f"the first line is no header of this list: it lacks {absent}", pointer="1:1")
    return found


def _record(key: str, group: list[dict[str, str]]) -> Record:
    return make(
        source=SOURCE,
        source_id=source_id(next(iter(_all(group, "reference")), None), key),
        kind=KINDS.get(next(iter(_all(group, "kind")), "").lower(), "unknown"),
        names=(_whole_name(cells) for cells in group),
        countries=(
            countries.code(place)
            for place in (*_all(group, "citizenship"), *_all(group, "address_country"))
        ),
        birth_dates=(
            day
            for cells in group
            for day in dates.read(cells.get("birth_date") or cells.get("birth_year"))
        ),
        identifiers=(_identifier(cells) for cells in group),
        programmes=_all(group, "programme"),
    )


def _all(group: Iterable[dict[str, str]], member: str) -> list[str]:
    return [cells[member] for cells in group if cells.get(member)]


def _whole_name(cells: dict[str, str]) -> str:
    parts = (cells.get(part, "") for part in ("first_name", "middle_name", "last_name"))
    return cells["whole_name"] or " ".join(parts)


def _identifier(cells: dict[str, str]) -> str | None:
    text = cells.get("number", "")
    # The older export writes `AD001095 (passport-National passport) ((passport))`.
    number, bracket, words = text.partition(" (")
    return identifiers.make(cells.get("number_type") or (words if bracket else ""), number)
