"""A snapshot must agree with itself, and may rest only on law that is in force.

These are the rules that no schema can state: ids that follow from other members, windows that
begin before they end, and clauses whose citations lead to an instrument that is law on the day the
snapshot takes effect.
"""

from __future__ import annotations

import re

from rtgf_node.core import identifiers, times
from rtgf_node.core.shapes import pointer
from rtgf_node.core.snapshot_document import Snapshot
from rtgf_node.errors import Code, RtgfError

_DAY_SECONDS = 86_400
_SCHEMA = Code.RTGF_POL_MATRIX_SCHEMA_INVALID


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


def _second(text: str, member: str) -> int:
    # The window's ends go into tokens as they are, so that only a full time will do.
    try:
        return times.parse(text)
    except RtgfError as error:
        raise RtgfError(_SCHEMA, error.detail, pointer=pointer(member), causes=(error,)) from error


def _instant_at(text: str, *place: str | int, ends: bool = False) -> int:
    try:
        return instant(text, ends=ends)
    except RtgfError as error:
        raise RtgfError(_SCHEMA, error.detail, pointer=pointer(*place), causes=(error,)) from error


def check_agreement(snapshot: Snapshot, *, max_ttl_sec: int) -> None:
    """Pass if the members of `snapshot` fit each other.

    Raises:
      RtgfError: RTGF_POL_MATRIX_SCHEMA_INVALID with a JSON Pointer to the first that does not.
    """
    _check_identity(snapshot)
    effective = _second(snapshot.effective_date, "effective_date")
    if _second(snapshot.expires_at, "expires_at") <= effective:
        raise _refuse("expires_at must be after effective_date", "expires_at")
    for member in ("ttl_sec", "policy_max_ttl"):
        if getattr(snapshot, member) > max_ttl_sec:
            raise _refuse(f"{member} may be at most {max_ttl_sec} seconds here", member)
    if snapshot.ttl_sec > snapshot.policy_max_ttl:
        raise _refuse("ttl_sec may not exceed policy_max_ttl", "ttl_sec")
    in_force = _references_in_force(snapshot, at=effective)
    _check_clauses(snapshot, in_force)
    _check_evidence_sources(snapshot)
    names = [scenario.name for scenario in snapshot.scenarios]
    for index, scenario in enumerate(snapshot.scenarios):
        if scenario.name in names[:index]:
            raise _refuse(f"two scenarios are named {scenario.name!r}", "scenarios", index, "name")
        if scenario.corridor is not None:
            _check_corridor(snapshot, scenario.corridor, index)


def _check_identity(snapshot: Snapshot) -> None:
    for member, normal in (
        ("jurisdiction", identifiers.jurisdiction),
        ("domain", identifiers.domain),
    ):
        text = getattr(snapshot, member)
        try:
            if normal(text) != text:
                raise _refuse(f"write {member} as {normal(text)!r}, not {text!r}", member)
        except RtgfError as error:
            if error.code is _SCHEMA:
                raise
            raise RtgfError(_SCHEMA, error.detail, pointer=pointer(member)) from error
    expected = identifiers.snapshot_id(snapshot.jurisdiction, snapshot.domain, snapshot.version)
    if snapshot.id != expected:
        raise _refuse(f"id must be {expected!r} for this jurisdiction, domain and version", "id")


def _references_in_force(snapshot: Snapshot, *, at: int) -> dict[str, bool]:
    in_force: dict[str, bool] = {}
    for index, reference in enumerate(snapshot.normative_references):
        place = ("normative_references", index)
        if reference.id in in_force:
            raise _refuse(f"two references have the id {reference.id!r}", *place, "id")
        begins = _instant_at(reference.in_force.from_, *place, "in_force", "from")
        ends = None
        if reference.in_force.to is not None:
            ends = _instant_at(reference.in_force.to, *place, "in_force", "to", ends=True)
            if ends < begins:
                raise _refuse("in_force ends before it begins", *place, "in_force", "to")
        if reference.version_date is not None:
            _instant_at(reference.version_date, *place, "version_date")
        in_force[reference.id] = begins <= at and (ends is None or at <= ends)
    return in_force


def _check_clauses(snapshot: Snapshot, in_force: dict[str, bool]) -> None:
    seen: set[str] = set()
    known = {clause.clause_id for clause in snapshot.clauses}
    for index, clause in enumerate(snapshot.clauses):
        place = ("clauses", index)
        if clause.clause_id in seen:
            raise _refuse(f"two clauses have the id {clause.clause_id!r}", *place, "clause_id")
        seen.add(clause.clause_id)
        cited = clause.citation.ref
        if cited not in in_force:
            raise _refuse(f"no normative reference has the id {cited!r}", *place, "citation", "ref")
        if not in_force[cited]:
            raise _refuse(
                f"{cited!r} is not in force on {snapshot.effective_date}; cite the law that is",
                *place,
                "citation",
                "ref",
            )
        if clause.exception_of is not None and (
            clause.exception_of not in known or clause.exception_of == clause.clause_id
        ):
            raise _refuse("exception_of must name another clause", *place, "exception_of")
        begins = ends = None
        if clause.valid_from is not None:
            begins = _instant_at(clause.valid_from, *place, "valid_from")
        if clause.valid_to is not None:
            ends = _instant_at(clause.valid_to, *place, "valid_to", ends=True)
        if begins is not None and ends is not None and ends < begins:
            raise _refuse("valid_to is before valid_from", *place, "valid_to")


def _check_evidence_sources(snapshot: Snapshot) -> None:
    seen: set[tuple[str, str]] = set()
    for index, source in enumerate(snapshot.evidence_sources):
        if (source.pin is None) == (source.feed is None):
            raise _refuse("give exactly one of pin and feed", "evidence_sources", index)
        if (source.provider, source.dataset) in seen:
            raise _refuse(
                f"{source.dataset!r} of {source.provider!r} is listed twice",
                "evidence_sources",
                index,
            )
        seen.add((source.provider, source.dataset))


def _check_corridor(snapshot: Snapshot, text: str, index: int) -> None:
    place = ("scenarios", index, "corridor")
    try:
        corridor = identifiers.corridor(text)
    except RtgfError as error:
        raise RtgfError(_SCHEMA, error.detail, pointer=pointer(*place)) from error
    if corridor != text:
        raise _refuse(f"write the corridor as {corridor!r}", *place)
    if snapshot.jurisdiction not in corridor.split("-"):
        raise _refuse(f"the corridor must touch {snapshot.jurisdiction}", *place)
