"""A snapshot must agree with itself, and may rest only on law that is in force.

These are the rules that no schema can state: ids that follow from other members, windows that
begin before they end, and clauses whose citations lead to an instrument that is law on the day the
snapshot takes effect.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any, Protocol, TypeAlias

import msgspec
from msgspec import Struct

from rtgf_node.core import identifiers, times
from rtgf_node.core.policy import duration
from rtgf_node.core.shapes import pointer
from rtgf_node.core.snapshot_document import NormativeReference, Snapshot
from rtgf_node.errors import Code, RtgfError

_DAY_SECONDS = 86_400
_SCHEMA = Code.RTGF_POL_MATRIX_SCHEMA_INVALID
_UNSEEN = re.compile(r"[\x00-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069]")
"""Control characters, which a terminal obeys, and the marks that embed, override and isolate."""

Place: TypeAlias = tuple[str | int, ...]


def instant(text: str, *, ends: bool = False) -> int:
    """Return the epoch second of a date or time; of a date the first second, or the last.

    Raises:
      RtgfError: RTGF_INPUT_INVALID.
    """
    if re.fullmatch(r"[0-9]{4}-[0-9]{2}-[0-9]{2}", text):
        return times.parse(f"{text}T00:00:00Z") + (_DAY_SECONDS - 1 if ends else 0)
    return times.parse(text)


def _refuse(detail: str, *place: str | int) -> RtgfError:
    return RtgfError(_SCHEMA, detail, pointer=pointer(*place))


def of_texts(stated: Struct) -> Iterator[RtgfError]:
    """Yield each text that would be shown otherwise than it is written, but for tests' contexts."""
    for place, text in _texts(msgspec.to_builtins(stated), ()):
        if _UNSEEN.search(text):
            yield _refuse("a text has no control characters and none that turn it around", *place)


def _texts(value: Any, place: Place) -> Iterator[tuple[Place, str]]:  # noqa: ANN401 - any JSON
    if isinstance(value, str):
        yield place, value
    elif isinstance(value, list | tuple):
        for index, item in enumerate(value):
            yield from _texts(item, (*place, index))
    elif isinstance(value, dict):
        for name, item in value.items():
            yield place, name
            if (place[:1], name) != (("scenarios",), "context"):
                yield from _texts(item, (*place, name))


def _second(text: str, member: str) -> int | RtgfError:
    # The window's ends go into tokens as they are, so that only a full time will do.
    try:
        return times.parse(text)
    except RtgfError as error:
        return RtgfError(_SCHEMA, error.detail, pointer=pointer(member), causes=(error,))


def _instant_at(text: str, *place: str | int, ends: bool = False) -> int | RtgfError:
    try:
        return instant(text, ends=ends)
    except RtgfError as error:
        return RtgfError(_SCHEMA, error.detail, pointer=pointer(*place), causes=(error,))


def check_agreement(snapshot: Snapshot, *, max_ttl_sec: int) -> None:
    """Pass if the members of `snapshot` fit each other.

    Raises:
      RtgfError: RTGF_POL_MATRIX_SCHEMA_INVALID with a JSON Pointer to the first that does not.
    """
    for error in disagreements(snapshot, max_ttl_sec=max_ttl_sec):
        raise error


def disagreements(snapshot: Snapshot, *, max_ttl_sec: int) -> Iterator[RtgfError]:
    """Yield everything in `snapshot` that does not fit the rest, each with a JSON Pointer."""
    yield from _identity(snapshot)
    yield from of_texts(snapshot)
    yield from of_window(snapshot, max_ttl_sec=max_ttl_sec)
    yield from _references(snapshot)
    yield from _clauses(snapshot, _second(snapshot.effective_date, "effective_date"))
    yield from _evidence_sources(snapshot)
    names: set[str] = set()
    for index, scenario in enumerate(snapshot.scenarios):
        if scenario.name in names:
            yield _refuse(f"two scenarios are named {scenario.name!r}", "scenarios", index, "name")
        names.add(scenario.name)
        if scenario.corridor is not None:
            yield from _corridor(snapshot, scenario.corridor, index)


class Windowed(Protocol):
    """What holds for a time, and for how long a copy of it does."""

    @property
    def effective_date(self) -> str:
        """When it begins."""

    @property
    def expires_at(self) -> str:
        """When it ends."""

    @property
    def ttl_sec(self) -> int:
        """How old a copy may be."""

    @property
    def policy_max_ttl(self) -> int:
        """How old a copy may ever be."""


def of_window(stated: Windowed, *, max_ttl_sec: int) -> Iterator[RtgfError]:
    """Yield what is wrong with a window, and with the age that copies may have."""
    effective = _second(stated.effective_date, "effective_date")
    expires = _second(stated.expires_at, "expires_at")
    yield from _errors(effective, expires)
    if isinstance(effective, int) and isinstance(expires, int) and expires <= effective:
        yield _refuse("expires_at must be after effective_date", "expires_at")
    for member in ("ttl_sec", "policy_max_ttl"):
        if getattr(stated, member) > max_ttl_sec:
            yield _refuse(f"{member} may be at most {max_ttl_sec} seconds here", member)
    if stated.ttl_sec > stated.policy_max_ttl:
        yield _refuse("ttl_sec may not exceed policy_max_ttl", "ttl_sec")


def _errors(*read: int | RtgfError | None) -> Iterator[RtgfError]:
    yield from (one for one in read if isinstance(one, RtgfError))


def _identity(snapshot: Snapshot) -> Iterator[RtgfError]:
    parts_fit = True
    for member, normal in (
        ("jurisdiction", identifiers.jurisdiction),
        ("domain", identifiers.domain),
        ("version", identifiers.snapshot_version),
    ):
        text = getattr(snapshot, member)
        try:
            written = normal(text)
        except RtgfError as error:
            parts_fit = False
            yield RtgfError(_SCHEMA, error.detail, pointer=pointer(member), causes=(error,))
            continue
        if written != text:
            yield _refuse(f"write {member} as {written!r}, not {text!r}", member)
    if not parts_fit:
        return  # what the id must be follows from them
    expected = identifiers.snapshot_id(snapshot.jurisdiction, snapshot.domain, snapshot.version)
    if snapshot.id != expected:
        yield _refuse(f"id must be {expected!r} for this jurisdiction, domain and version", "id")


def _references(snapshot: Snapshot) -> Iterator[RtgfError]:
    seen: set[str] = set()
    for index, reference in enumerate(snapshot.normative_references):
        place = ("normative_references", index)
        if reference.id in seen:
            yield _refuse(f"two references have the id {reference.id!r}", *place, "id")
        seen.add(reference.id)
        begins, ends = _days(reference, *place)
        yield from _errors(begins, ends)
        if isinstance(begins, int) and isinstance(ends, int) and ends < begins:
            yield _refuse("in_force ends before it begins", *place, "in_force", "to")
        if reference.version_date is not None:
            yield from _errors(_instant_at(reference.version_date, *place, "version_date"))


def _days(
    reference: NormativeReference, *place: str | int
) -> tuple[int | RtgfError, int | RtgfError | None]:
    """Return when the instrument becomes law and when it ceases to be, as far as it is said."""
    period = reference.in_force
    begins = _instant_at(period.from_, *place, "in_force", "from")
    if period.to is None:
        return begins, None
    return begins, _instant_at(period.to, *place, "in_force", "to", ends=True)


def _is_in_force(reference: NormativeReference, at: int | RtgfError) -> bool:
    """Tell whether it is law at a time; what cannot be told is complained of elsewhere."""
    begins, ends = _days(reference)
    if not isinstance(at, int):
        return True
    return not (isinstance(begins, int) and at < begins) and not (
        isinstance(ends, int) and ends < at
    )


def _clauses(snapshot: Snapshot, effective: int | RtgfError) -> Iterator[RtgfError]:
    seen: set[str] = set()
    known = {clause.clause_id for clause in snapshot.clauses}
    in_force = {one.id: _is_in_force(one, effective) for one in snapshot.normative_references}
    for index, clause in enumerate(snapshot.clauses):
        place = ("clauses", index)
        if clause.clause_id in seen:
            yield _refuse(f"two clauses have the id {clause.clause_id!r}", *place, "clause_id")
        seen.add(clause.clause_id)
        cited = clause.citation.ref
        if cited not in in_force:
            yield _refuse(f"no normative reference has the id {cited!r}", *place, "citation", "ref")
        elif not in_force[cited]:
            yield _refuse(
                f"{cited!r} is not in force on {snapshot.effective_date}; cite the law that is",
                *place,
                "citation",
                "ref",
            )
        if clause.exception_of is not None and (
            clause.exception_of not in known or clause.exception_of == clause.clause_id
        ):
            yield _refuse("exception_of must name another clause", *place, "exception_of")
        begins = ends = None
        if clause.valid_from is not None:
            begins = _instant_at(clause.valid_from, *place, "valid_from")
        if clause.valid_to is not None:
            ends = _instant_at(clause.valid_to, *place, "valid_to", ends=True)
        yield from _errors(begins, ends)
        if isinstance(begins, int) and isinstance(ends, int) and ends < begins:
            yield _refuse("valid_to is before valid_from", *place, "valid_to")


def _evidence_sources(snapshot: Snapshot) -> Iterator[RtgfError]:
    seen: set[tuple[str, str]] = set()
    for index, source in enumerate(snapshot.evidence_sources):
        place = ("evidence_sources", index)
        if (source.pin is None) == (source.feed is None):
            yield _refuse("give exactly one of pin and feed", *place)
        if source.feed is not None:
            yield from _max_age(source.feed.max_age, *place, "feed", "max_age")
        if (source.provider, source.dataset) in seen:
            yield _refuse(f"{source.dataset!r} of {source.provider!r} is listed twice", *place)
        seen.add((source.provider, source.dataset))


def _max_age(text: str, *place: str | int) -> Iterator[RtgfError]:
    try:
        duration.parse(text)
    except ValueError as error:
        yield _refuse(f"no list would be young enough: {error}", *place)


def _corridor(snapshot: Snapshot, text: str, index: int) -> Iterator[RtgfError]:
    place = ("scenarios", index, "corridor")
    try:
        corridor = identifiers.corridor(text)
    except RtgfError as error:
        yield RtgfError(_SCHEMA, error.detail, pointer=pointer(*place), causes=(error,))
        return
    if corridor != text:
        yield _refuse(f"write the corridor as {corridor!r}", *place)
    if snapshot.jurisdiction not in corridor.split("-"):
        yield _refuse(f"the corridor must touch {snapshot.jurisdiction}", *place)
