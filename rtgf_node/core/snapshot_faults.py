"""What is wrong with the parts of a snapshot, each looked at by itself so that none hides another.

Places are JSON Pointers into the document as it was written.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Final

import msgspec
from msgspec import Struct

from rtgf_node.core import digests, snapshot
from rtgf_node.core.canonical_json import JsonValue
from rtgf_node.core.misfits import misfits, nearest
from rtgf_node.core.policy import parameters, predicates, scope
from rtgf_node.core.policy.applicability import CONDITIONS
from rtgf_node.core.policy.templates import Library, Template
from rtgf_node.core.shapes import pointer
from rtgf_node.core.snapshot import Clause, NormativeReference, Snapshot
from rtgf_node.core.snapshot_agreement import disagreements
from rtgf_node.errors import Code, RtgfError

Document = dict[str, JsonValue]

TO_FILL: Final = "FILL IN: "
"""How a text begins that a starter document leaves to its author. None may be left."""

_LISTS: Final = ("normative_references", "clauses", "evidence_sources", "scenarios")
_ALONE: Final[Document] = {
    "@context": snapshot.CONTEXT,
    "@type": snapshot.TYPE,
    "issuer": "did:web:any.example",
    "status": "illustrative",
    "assurance_level": "low",
    "policy_snapshot_hash": digests.sha256(b""),
    "signatures": [],
    "data_residency": None,
}
"""Members that nothing else has to agree with, in place of whatever the document has there."""

_SCHEMA: Final = Code.RTGF_POL_MATRIX_SCHEMA_INVALID


class Fault(Struct, frozen=True):
    """A refusal, and the known name that was probably meant."""

    error: RtgfError
    nearest: str | None = None


def faults(document: Document, library: Library, *, max_ttl_sec: int) -> Iterator[Fault]:
    """Yield what is wrong with a snapshot's members, with how they agree, and with its clauses."""
    yield from unfilled(document)
    yield from shape_faults(document, Snapshot)
    yield from _agreement(document, max_ttl_sec=max_ttl_sec)
    yield from _clauses(document, library)


def unsealed(document: Document) -> Document:
    """Return the document with the hash that its content has; a signature states it."""
    return {**document, "policy_snapshot_hash": snapshot.digest(document)}


def unfilled(value: JsonValue, *place: str | int) -> Iterator[Fault]:
    """Yield the texts of a starter document that are left."""
    if isinstance(value, str) and value.startswith(TO_FILL):
        yield Fault(_error(f"still to be filled in: {value.removeprefix(TO_FILL)}", *place))
    inside: Any = value.items() if isinstance(value, dict) else ()
    for step, inner in enumerate(value) if isinstance(value, list) else inside:
        yield from unfilled(inner, *place, step)


def shape_faults(document: Document, shape: type[Struct]) -> Iterator[Fault]:
    """Yield the members that do not fit the shape, and a hash that is not the signed content's."""
    stated = document.get("policy_snapshot_hash")
    for misfit in misfits(unsealed(document), shape):
        if not is_unfilled(document, misfit.pointer):
            error = RtgfError(_SCHEMA, misfit.detail, pointer=misfit.pointer)
            yield Fault(error, misfit.nearest)
    if document.get("signatures") and stated != (computed := snapshot.digest(document)):
        yield Fault(
            _error(
                f"the signed content has the digest {computed}; it was changed after it was"
                " signed, and its signatures must go",
                "policy_snapshot_hash",
            )
        )


def is_unfilled(value: JsonValue, place: str) -> bool:
    """Tell whether such a text stands at this place, which is told by itself."""
    for step in place.split("/")[1:]:
        name = step.replace("~1", "/").replace("~0", "~")
        if isinstance(value, dict):
            value = value.get(name)
        elif isinstance(value, list) and name.isdigit() and int(name) < len(value):
            value = value[int(name)]
    return isinstance(value, str) and value.startswith(TO_FILL)


def _agreement(document: Document, *, max_ttl_sec: int) -> Iterator[Fault]:
    """Hold what fits its shape against the rest of it; what does not fit is told already."""
    kept = {member: _fitting(document, member) for member in _LISTS if member in document}
    lists: Document = {member: [*elements.values()] for member, elements in kept.items()}
    known = {field.encode_name for field in msgspec.structs.fields(Snapshot)} - _ALONE.keys()
    stated: Document = {name: value for name, value in document.items() if name in known}
    try:
        entry: Snapshot = msgspec.convert({**stated, **_ALONE, **lists}, Snapshot, strict=True)
    except msgspec.ValidationError:
        return
    dropped = {m for m, elements in kept.items() if len(elements) < len(_listed(document, m))}
    for error in disagreements(entry, max_ttl_sec=max_ttl_sec):
        steps = (error.pointer or "").split("/")
        names = ("normative_references", "ref"), ("clauses", "exception_of")
        if any(member in dropped and steps[-1] == step for member, step in names):
            continue  # what it names may be one of those that do not fit
        if len(steps) > 2 and steps[1] in kept:
            steps[2] = str(list(kept[steps[1]])[int(steps[2])])
        place = "/".join(steps)
        if not is_unfilled(document, place):
            yield Fault(RtgfError(error.code, error.detail, pointer=place), _meant(entry, error))


def _meant(entry: Snapshot, error: RtgfError) -> str | None:
    """Return the name of what a clause probably cites or excepts."""
    steps = (error.pointer or "").split("/")
    if steps[-1] == "ref":
        cited = entry.clauses[int(steps[2])].citation.ref
        return nearest(cited, {one.id for one in entry.normative_references} - {cited})
    if steps[-1] == "exception_of":
        clause = entry.clauses[int(steps[2])]
        others = {one.clause_id for one in entry.clauses} - {clause.clause_id}
        return nearest(clause.exception_of, others - {clause.exception_of})
    return None


def _listed(document: Document, member: str) -> list[JsonValue]:
    listed = document.get(member)
    return listed if isinstance(listed, list) else []


def _fitting(document: Document, member: str) -> dict[int, JsonValue]:
    """Return those elements of a list that have their shape, by their place in it."""
    [field] = [one for one in msgspec.structs.fields(Snapshot) if one.encode_name == member]
    return {
        index: value
        for index, value in enumerate(_listed(document, member))
        if not any(True for _ in misfits([value], field.type))
    }


def _clauses(document: Document, library: Library) -> Iterator[Fault]:
    references = {
        reference.id: reference
        for reference in msgspec.convert(
            [*_fitting(document, "normative_references").values()], list[NormativeReference]
        )
    }
    for index, value in _fitting(document, "clauses").items():
        clause = msgspec.convert(value, Clause)
        if any(True for _ in unfilled(value)):
            continue
        found = list(_statement(clause, library, ("clauses", index)))
        yield from found
        if found:
            continue
        try:
            predicates.compile_clause(
                clause,
                # Of which law it is names the predicate, and decides nothing about it.
                jurisdiction="any",
                domain="any",
                library=library,
                references=references,
                place=("clauses", index),
            )
        except RtgfError as error:
            yield Fault(error)


def _statement(clause: Clause, library: Library, place: tuple[str | int, ...]) -> Iterator[Fault]:
    """Yield what is wrong with a clause's template, parameters, control and occasions."""
    controls = frozenset(library.controls)
    try:
        template = library.template(clause.template, clause.kind)
    except RtgfError as error:
        serving = [one.name for one in library.templates.values() if clause.kind in one.kinds]
        where = RtgfError(error.code, error.detail, pointer=pointer(*place, "template"))
        yield Fault(where, nearest(clause.template, serving))
    else:
        yield from _parameters(clause, template, library, (*place, "params"))
    if clause.control_id is not None and clause.control_id not in controls:
        unknown = RtgfError(
            Code.RTGF_MAP_CONTROL_UNKNOWN,
            "the control catalogue has no such control",
            pointer=pointer(*place, "control_id"),
        )
        yield Fault(unknown, nearest(clause.control_id, controls))
    for name in sorted(clause.applies_when or {}):
        try:
            scope.check({name: (clause.applies_when or {})[name]}, place=(*place, "applies_when"))
        except RtgfError as error:
            yield Fault(error, None if name in CONDITIONS else nearest(name, CONDITIONS))


def _parameters(
    clause: Clause, template: Template, library: Library, place: tuple[str | int, ...]
) -> Iterator[Fault]:
    given, controls = clause.params, frozenset(library.controls)
    for name in sorted({*given, *template.params}):
        spec = template.params.get(name)
        if spec is None:
            detail = f"{template.name} takes {', '.join(sorted(template.params))}"
            meant = nearest(name, template.params.keys() - given.keys())
            yield Fault(_error(f"{name!r} is not a parameter; {detail}", *place, name), meant)
            continue
        try:
            parameters.check(
                {name: given[name]} if name in given else {},
                {name: spec},
                controls=controls,
                calendars=frozenset(library.calendars),
                place=place,
            )
        except RtgfError as error:
            known = {"control": controls, "calendar": library.calendars}.get(
                spec.type, spec.choices
            )
            yield Fault(error, nearest(given.get(name), known))


def _error(detail: str, *place: str | int) -> RtgfError:
    return RtgfError(_SCHEMA, detail, pointer=pointer(*place))
