"""HM Treasury's consolidated list of financial sanctions targets, official CSV.

A line `Last Updated,<date>` stands before the header; a target has one row a name, joined by its
group id; unknown parts of a birth date are zeros; fields hold several numbered values.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping

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
from rtgf_node.core.lists.text import of_table, rows, single

READER_ID = "uk-csv"
READER_VERSION = "1"
SOURCE = "uk-sanctions"

KINDS: dict[str, Kind] = {"individual": "person", "entity": "organisation", "ship": "vessel"}
_NAMES = ("Name 1", "Name 2", "Name 3", "Name 4", "Name 5", "Name 6")
_NEEDED = (*_NAMES, "DOB", "Nationality", "Group Type", "Alias Type", "Regime", "Group ID")
_PRIMARY = ("prime alias", "primary name", "primary name variation")
_PART = re.compile(r"\(?(?:[0-9]{1,2}|[a-h])\)\s*")
_IMO = re.compile(r"\bIMO(?: number)?:? ?([0-9]{7})\b", re.IGNORECASE)
_NUMBER_LABEL = re.compile(r"\A[A-Za-z ]*?(?:number|no)s?\b[.: ]*", re.IGNORECASE)


def read(data: bytes | Mapping[str, bytes]) -> ReadResult:
    """Return the targets of the list.

    Raises:
      RtgfError: RTGF_SANCTIONS_UNREADABLE: it is no such table, or cut off.
    """
    table = rows(of_table(single(data)))
    _, first = next(table, (0, []))
    published = None
    if first and first[0].strip() == "Last Updated":
        published = dates.day(first[1] if len(first) > 1 else None)
        _, first = next(table, (0, []))
    header = [cell.strip() for cell in first]
    absent = [name for name in _NEEDED if name not in header]
    if absent:
        raise refused(f"the header of this list is missing: it lacks {absent}", pointer="2:1")
    missed: list[Unreadable] = []
    groups: dict[str, list[dict[str, str]]] = {}
    for line, row in table:
        if len(row) != len(header):
            reason = f"it has {len(row)} columns, not {len(header)}"
            missed.append(Unreadable(f"line {line}", reason))
            continue
        cells = {name: cell.strip() for name, cell in zip(header, row, strict=True)}
        key = cells["Group ID"]
        if not (key.isascii() and key.isdigit()):
            missed.append(Unreadable(f"line {line}", "its group id is no number"))
            continue
        groups.setdefault(key, []).append(cells)
    found: list[Record] = []
    for key, group in groups.items():
        try:
            found.append(_record(key, group))
        except UnfitError as error:
            missed.append(Unreadable(f"group {key}", str(error)))
    return result(found, missed, published=published)


def _record(key: str, group: list[dict[str, str]]) -> Record:
    primary = [cells for cells in group if cells["Alias Type"].lower() in _PRIMARY]
    others = [cells for cells in group if cells["Alias Type"].lower() not in _PRIMARY]
    places = [*_all(group, "Nationality"), *_all(group, "Country")]
    return make(
        source=SOURCE,
        source_id=key,
        kind=KINDS.get(group[0]["Group Type"].lower(), "unknown"),
        names=(*map(_name, primary), *_all(group, "Name Non-Latin Script")),
        aliases=map(_name, others),
        countries=(code for place in places for code in countries.several(place)),
        birth_dates=(day for text in _all(group, "DOB") for day in dates.read(text)),
        identifiers=(
            *_numbers("passport", _all(group, "Passport Details")),
            *_numbers("passport", _all(group, "Passport Number")),
            *_numbers("national id", _all(group, "NI Number")),
            *_numbers("national id", _all(group, "National Identification Number")),
            *(
                f"imo:{imo}"
                for text in _all(group, "Other Information")
                for imo in _IMO.findall(text)
            ),
        ),
        programmes=_all(group, "Regime"),
    )


def _name(cells: dict[str, str]) -> str:
    return " ".join(cells[part] for part in _NAMES if cells[part])


def _all(group: Iterable[dict[str, str]], member: str) -> list[str]:
    return [cells[member] for cells in group if cells.get(member)]


def _numbers(words: str, values: Iterable[str]) -> list[str | None]:
    parts = (part for value in set(values) for part in _PART.split(value))
    plain = (_NUMBER_LABEL.sub("", part.partition(" (")[0].partition(".")[0]) for part in parts)
    return [identifiers.make(words, part.partition(",")[0]) for part in plain]
