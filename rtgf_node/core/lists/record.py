"""A listed party: the one form into which every publisher's list is read.

A record is deterministic: whatever the order in which a publisher writes names or rows, the same
listing gives the same record, and the same set of records gives the same content digest.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable
from typing import Literal, TypeAlias

from msgspec import Struct

from rtgf_node.core import digests
from rtgf_node.core.canonical_json import JsonValue
from rtgf_node.errors import Code, RtgfError

Kind: TypeAlias = Literal["person", "organisation", "vessel", "aircraft", "unknown"]

MAX_RECORDS = 500_000  # the largest public collection of lists holds about 300,000 parties
MAX_TEXT = 2_000  # characters of one value; the longest real name is under 700
MAX_VALUES = 2_000  # values of one member; the longest real alias list has 145
MAX_UNREADABLE_SHARE = 0.10  # above it the format has changed and the file is refused whole
_SHARE_FROM = 10  # unreadable records; below it the share of a short list says nothing

# Format characters that publishers leave inside names: they are invisible and part no words.
_INVISIBLE = re.compile("[\u00ad\u200b\u200d-\u200f\u202a-\u202e\u2060-\u2064\u2066-\u2069\ufeff]")
_SPACE = re.compile("[\\s\x00-\x1f\x7f-\x9f\u200c]+")
_SURROGATE = re.compile("[\ud800-\udfff]")


class Record(Struct, frozen=True, forbid_unknown_fields=True):
    """One listed party.

    Attributes:
      source: the publisher's list, such as `un-sc`.
      source_id: the publisher's own id of this party, unique in the list.
      kind: what the party is.
      names: primary names in every script; sorted, unique, NFC.
      aliases: other names, former names, weak aliases.
      countries: nationality, flag and address; ISO 3166-1 alpha-2, or the publisher's words.
      birth_dates: EDTF level 1: `1948-08-10`, `1962`, `1961~` (about), `1958/1963` (between).
      identifiers: `type:number`, such as `passport:A123`.
      programmes: the legal programmes under which the party is listed.
    """

    source: str
    source_id: str
    kind: Kind
    names: tuple[str, ...]
    aliases: tuple[str, ...] = ()
    countries: tuple[str, ...] = ()
    birth_dates: tuple[str, ...] = ()
    identifiers: tuple[str, ...] = ()
    programmes: tuple[str, ...] = ()


class Unreadable(Struct, frozen=True):
    """A record that could not be read: where it stands in the file, and why."""

    place: str
    reason: str


class ReadResult(Struct, frozen=True):
    """What a reader found.

    Attributes:
      records: sorted by source id.
      unreadable: what a person must look at, since it may be a listing.
      published: ISO date of publication, where the file states one.
    """

    records: tuple[Record, ...]
    unreadable: tuple[Unreadable, ...] = ()
    published: str | None = None


class UnfitError(ValueError):
    """One record cannot be read; the reader counts it and goes on."""


def clean(text: str) -> str:
    """Return `text` in NFC, without invisible characters, with single spaces."""
    if text.isascii():
        return " ".join(_SPACE.sub(" ", text).split())
    text = _SPACE.sub(" ", _INVISIBLE.sub("", text))
    return unicodedata.normalize("NFC", text).strip()


def make(
    *,
    source: str,
    source_id: str,
    kind: Kind,
    names: Iterable[str | None],
    aliases: Iterable[str | None] = (),
    countries: Iterable[str | None] = (),
    birth_dates: Iterable[str] = (),
    identifiers: Iterable[str | None] = (),
    programmes: Iterable[str | None] = (),
) -> Record:
    """Return the record in its one form: values cleaned, sorted, unique.

    An alias that repeats a name is dropped. A party that has only aliases keeps them as names.

    Raises:
      UnfitError: it has no id or no name, or exceeds a limit.
    """
    source_id = clean(source_id)
    if not source_id:
        raise UnfitError("it has no id")
    main = _values(names, "names")
    other = tuple(alias for alias in _values(aliases, "aliases") if alias not in set(main))
    if not main:
        main, other = other, ()
    if not main:
        raise UnfitError("it has no name")
    return Record(
        source=source,
        source_id=_checked(source_id, "source_id"),
        kind=kind,
        names=main,
        aliases=other,
        countries=_values(countries, "countries"),
        birth_dates=_values(birth_dates, "birth_dates"),
        identifiers=_values(identifiers, "identifiers"),
        programmes=_values(programmes, "programmes"),
    )


def digest(record: Record) -> str:
    """Return `sha256:` of the canonical record."""
    document: dict[str, JsonValue] = {
        "source": record.source,
        "source_id": record.source_id,
        "kind": record.kind,
        "names": list(record.names),
        "aliases": list(record.aliases),
        "countries": list(record.countries),
        "birth_dates": list(record.birth_dates),
        "identifiers": list(record.identifiers),
        "programmes": list(record.programmes),
    }
    return digests.of_document(document)


def content_digest(records: Iterable[Record], reader_id: str, reader_version: str) -> str:
    """Return what identifies the content of a list, whatever its bytes and its order.

    `sha256` of the canonical document of the reader's id, its version, and the sorted digests of
    the records. The reader is part of it: another reading of the same bytes is another content.
    """
    each: list[JsonValue] = []
    each.extend(sorted(digest(record) for record in records))
    return digests.of_document({"reader": reader_id, "version": reader_version, "records": each})


def result(
    records: Iterable[Record],
    unreadable: Iterable[Unreadable] = (),
    *,
    published: str | None = None,
) -> ReadResult:
    """Return what a reader found, sorted.

    Raises:
      RtgfError: RTGF_SANCTIONS_UNREADABLE: there is no record, there are too many, or more than
        `MAX_UNREADABLE_SHARE` could not be read.
    """
    found = tuple(sorted(records, key=_order))
    missed = tuple(unreadable)
    first = missed[0] if missed else None
    if not found:
        why = f"; the first failure is at {first.place}: {first.reason}" if first else ""
        raise refused(f"the file holds no record{why}")
    if len(found) + len(missed) > MAX_RECORDS:
        raise refused(f"the file holds more than {MAX_RECORDS} records")
    share = len(missed) / (len(found) + len(missed))
    if first is not None and len(missed) >= _SHARE_FROM and share > MAX_UNREADABLE_SHARE:
        detail = f"{len(missed)} of {len(found) + len(missed)} records cannot be read"
        raise refused(f"{detail}; the first is at {first.place}: {first.reason}")
    return ReadResult(found, missed, published)


def refused(detail: str, *, pointer: str | None = None) -> RtgfError:
    """Return the error with which a whole file is refused."""
    advice = "keep the last good list and ask the publisher"
    return RtgfError(Code.RTGF_SANCTIONS_UNREADABLE, f"{detail}; {advice}", pointer=pointer)


def _order(record: Record) -> tuple[str, tuple[str, ...], tuple[str, ...]]:
    return (record.source_id, record.names, record.aliases)


def _values(values: Iterable[str | None], member: str) -> tuple[str, ...]:
    kept = {text for value in values if value and (text := clean(value))}
    if len(kept) > MAX_VALUES:
        raise UnfitError(f"{member} has more than {MAX_VALUES} values")
    return tuple(sorted(_checked(text, member) for text in kept))


def _checked(text: str, member: str) -> str:
    if len(text) > MAX_TEXT:
        raise UnfitError(f"a value of {member} is longer than {MAX_TEXT} characters")
    if not text.isascii() and _SURROGATE.search(text):
        raise UnfitError(f"a value of {member} is not Unicode text")
    return text
