"""OFAC's SDN list as its four CSV files: sdn, alt, add and comments, joined by entity number.

The files have no header, write null as `-0- `, end in the byte 0x1A, and hold most facts about a
person as free text in the remarks. Remarks longer than 1,000 characters go on, in mid-word, in the
comments file.
"""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterator, Mapping

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
from rtgf_node.core.lists.text import of_table, rows

READER_ID = "ofac-csv"
READER_VERSION = "1"
SOURCE = "us-ofac-sdn"
PARTS = ("sdn", "alt", "add", "comments")

_END = b"\x1a"  # what DOS took for the end of a text file
_NULL = "-0-"
_COLUMNS = {"sdn": 12, "alt": 5, "add": 6, "comments": 2}
_KINDS: dict[str, Kind] = {"individual": "person", "vessel": "vessel", "aircraft": "aircraft"}
_ALIAS = re.compile(r"(?:alt\. )?[afn]\.k\.a\. '(.+)'\Z")
_BIRTH = re.compile(r"(?:alt\. )?DOB (.+)\Z")
_COUNTRY = re.compile(r"(?:alt\. )?(?:nationality|citizen) (.+)\Z")
_IMO = re.compile(r".*\bIMO ([0-9]{7})\b")
_NUMBER = re.compile(
    r"(?:alt\. )?((?!Phone|Telephone|Fax|Location)[A-Z][^0-9]*?"
    r"(?:Passport|Number|No\.|#|ID|SSN|MMSI|C\.U\.R\.P\.|R\.F\.C\.)|Passport|SSN|MMSI) (.+)\Z"
)
_LABEL = re.compile(r"(?:No\.|#|Number)\s*")
_AFTER_NUMBER = re.compile(r"\s*(?:\(|expires|issued|;).*\Z", re.DOTALL)


def read(data: bytes | Mapping[str, bytes]) -> ReadResult:
    """Return the parties of the set; plain bytes are the sdn file alone.

    Raises:
      RtgfError: RTGF_SANCTIONS_UNREADABLE: a part is unknown, missing, cut off or no such table.
    """
    parts = data if isinstance(data, Mapping) else {"sdn": data}
    unknown = sorted(set(parts) - set(PARTS))
    if unknown or "sdn" not in parts:
        raise refused(f"the set needs the part sdn and may have {PARTS}; got {sorted(parts)}")
    missed: list[Unreadable] = []
    tables = {name: list(_rows(name, parts[name], missed)) for name in PARTS if name in parts}
    known = {row[0] for _, row in tables["sdn"]}
    joined: dict[str, dict[str, list[list[str]]]] = {}
    for name in ("alt", "add", "comments"):
        joined[name] = defaultdict(list)
        for line, row in tables.get(name, ()):
            if row[0] in known:
                joined[name][row[0]].append(row)
            else:
                missed.append(Unreadable(f"{name}:{line}", "its entity number is not in sdn"))
    found: list[Record] = []
    for line, row in tables["sdn"]:
        try:
            found.append(_record(row, {name: each[row[0]] for name, each in joined.items()}))
        except UnfitError as error:
            missed.append(Unreadable(f"sdn:{line}", str(error)))
    return result(found, missed)


def person_name(name: str) -> str:
    """Return `LAST, First` as `First LAST`."""
    last, comma, first = name.partition(",")
    return f"{first.strip()} {last.strip()}" if comma and first.strip() else name


def _rows(name: str, data: bytes, missed: list[Unreadable]) -> Iterator[tuple[int, list[str]]]:
    body = data.rstrip()
    if body.endswith(_END):
        data = body.removesuffix(_END)
    text = of_table(data)
    for line, row in rows(text, what=name):
        if len(row) != _COLUMNS[name]:
            reason = f"it has {len(row)} columns, not {_COLUMNS[name]}"
            missed.append(Unreadable(f"{name}:{line}", reason))
        elif not (row[0].isascii() and row[0].strip().isdigit()):
            missed.append(Unreadable(f"{name}:{line}", "its entity number is no number"))
        else:
            yield line, ["" if cell.strip() == _NULL else cell.strip() for cell in row]


def _record(row: list[str], joined: Mapping[str, list[list[str]]]) -> Record:
    number, name, sdn_type, programmes, _title, _call, _type, _tons, _grt, flag, _owner, _ = row
    kind = _KINDS.get(sdn_type.lower(), "organisation" if not sdn_type else "unknown")
    # The remarks break off at 1,000 characters, in mid-word, so nothing is put in between.
    remarks = row[11] + "".join(comment[1] for comment in joined["comments"])
    facts = [part.strip() for part in remarks.rstrip().removesuffix(".").split("; ")]
    alternates = [alt[3] for alt in joined["alt"]] + _matches(_ALIAS, facts)
    if kind == "person":
        name, alternates = person_name(name), [person_name(alias) for alias in alternates]
    places = [flag, *(address[4] for address in joined["add"]), *_matches(_COUNTRY, facts)]
    return make(
        source=SOURCE,
        source_id=number,
        kind=kind,
        names=(name,),
        aliases=alternates,
        countries=(countries.code(place) for place in places),
        birth_dates=(day for text in _matches(_BIRTH, facts) for day in dates.read(text)),
        identifiers=(_identifier(fact) for fact in facts),
        programmes=programmes.split("] ["),
    )


def _matches(pattern: re.Pattern[str], facts: list[str]) -> list[str]:
    return [match[1] for fact in facts if (match := pattern.match(fact))]


def _identifier(fact: str) -> str | None:
    if imo := _IMO.match(fact):
        return f"imo:{imo[1]}"
    number = _NUMBER.match(fact)
    if number is None:
        return None
    return identifiers.make(number[1], _AFTER_NUMBER.sub("", _LABEL.sub("", number[2], count=1)))
