"""A clause of law, with its template filled in, becomes a predicate that a machine can decide.

`compile_snapshot` does it for a whole snapshot: the same predicates in the same order whatever the
order of its clauses, or a refusal that says which clause and why. Nothing is left out in silence:
a clause that no template serves halts the build unless an approver's waiver names it.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping
from typing import cast

import msgspec
from msgspec import Struct

from rtgf_node.core import digests
from rtgf_node.core.canonical_json import JsonValue
from rtgf_node.core.policy import conflicts, exceptions, scope, vocabulary
from rtgf_node.core.policy import parameters as parameter_types
from rtgf_node.core.policy.expansion import Expansion
from rtgf_node.core.policy.plan import STAGES
from rtgf_node.core.policy.rule import compile_rule
from rtgf_node.core.policy.templates import Library, Template
from rtgf_node.core.shapes import pointer
from rtgf_node.core.snapshot import Citation, Clause, NormativeReference, Snapshot
from rtgf_node.errors import Code, RtgfError

Document = dict[str, JsonValue]

# Hex digits of the clause's digest in a predicate id: 48 bits tell a rule book's clauses apart.
ID_DIGITS = 12

_PREDICATE_ID = re.compile(rf"pred\.[a-z]+\.[A-Za-z0-9_-]+\.[0-9a-f]{{{ID_DIGITS}}}")


class CompiledPolicy(Struct, frozen=True, kw_only=True):
    """What a snapshot says, in the form in which a token carries it.

    Attributes:
      predicates: in the order of the plan.
      duties, prohibitions, controls: what each clause demands, for people and for intersecting.
      policy_token_map: `{clause_id, predicate_id, control_id, citation}` of every clause; an
        exception has the predicate of the clause that it relaxes, a waived clause has none.
      manual_review: `{clause_id, code, reason}` of the waived clauses.
    """

    predicates: tuple[Document, ...]
    duties: list[Document]
    prohibitions: list[Document]
    controls: list[Document]
    policy_token_map: list[Document]
    manual_review: list[Document]


def predicate_id(clause: Clause, *, jurisdiction: str, domain: str) -> str:
    """Return the id that a clause's predicate has for ever."""
    digest = digests.of_document(cast("JsonValue", msgspec.to_builtins(clause)))
    hexadecimal = digest.removeprefix("sha256:")[:ID_DIGITS]
    made = f"pred.{jurisdiction.lower()}.{domain}.{hexadecimal}"
    assert _PREDICATE_ID.fullmatch(made)
    return made


def compile_clause(
    clause: Clause,
    *,
    jurisdiction: str,
    domain: str,
    library: Library,
    references: Mapping[str, NormativeReference] | None = None,
    place: tuple[str | int, ...] = (),
) -> Document:
    """Return the predicate of one clause, as if it stood alone, in the form `rule` states.

    Args:
      clause: the clause.
      jurisdiction: whose law it is.
      domain: of which domain.
      library: the templates and the control catalogue.
      references: the snapshot's normative references by id; the citation names the instrument.
      place: where the clause stands in its document, for the pointer of a refusal.

    Raises:
      RtgfError: RTGF_MAP_UNSUPPORTED_CLAUSE, RTGF_MAP_PREDICATE_TEMPLATE_MISSING,
        RTGF_MAP_CONTROL_UNKNOWN, or RTGF_POL_MATRIX_SCHEMA_INVALID for a wrong parameter.
    """
    try:
        template = library.template(clause.template, clause.kind)
    except RtgfError as error:
        raise RtgfError(
            error.code,
            f"clause {clause.clause_id}: {error.detail}",
            pointer=pointer(*place, "template"),
        ) from error
    controls = frozenset(library.controls)
    if clause.control_id is not None and clause.control_id not in controls:
        raise RtgfError(
            Code.RTGF_MAP_CONTROL_UNKNOWN,
            f"clause {clause.clause_id}: the control {clause.control_id!r} is not in the control"
            " catalogue",
            pointer=pointer(*place, "control_id"),
        )
    parameter_types.check(
        clause.params,
        template.params,
        controls=controls,
        calendars=frozenset(library.calendars),
        place=(*place, "params"),
    )
    _check_together(clause.params, template, (*place, "params"))
    scope.check(clause.applies_when, place=(*place, "applies_when"))
    params = library.filled(clause.params, template)
    filled = Expansion(params, template.params, template.fragments)
    # A rule demands nothing outside its days; an exception excuses nothing.
    timed = scope.while_in_force if clause.exception_of is None else scope.only_in_force
    document: Document = {
        "id": predicate_id(clause, jurisdiction=jurisdiction, domain=domain),
        "domain": domain,
        "clause_id": clause.clause_id,
        "jurisdiction": jurisdiction,
        "kind": clause.kind,
        "template": template.name,
        "applies_to": clause.applies_to,
        "applies_when": clause.applies_when,
        "inputs": filled.rows(template.inputs),
        "derive": filled.rows(template.derive),
        "logic": timed(
            filled.tree(template.logic), valid_from=clause.valid_from, valid_to=clause.valid_to
        ),
        "on_fail": filled.tree(template.on_fail),
        "citation": _citation(clause.citation, references or {}),
        "params": dict(clause.params),
    }
    for member in ("valid_from", "valid_to"):
        if getattr(clause, member) is not None:
            document[member] = getattr(clause, member)
    vocabulary.check(document, place=(*place, "params"))
    _check_rule(document, place)
    return document


def _check_rule(document: Document, place: tuple[str | int, ...]) -> None:
    """Compile the predicate once for its types and bounds, so that no token carries a broken one.

    Raises:
      RtgfError: RTGF_MAP_EXPRESSION_INVALID at the clause.
    """
    try:
        compile_rule(document)
    except RtgfError as error:
        raise RtgfError(
            error.code,
            f"clause {document['clause_id']} does not compile: {error.detail} ({error.pointer})",
            pointer=pointer(*place),
            causes=(error,),
        ) from error


def _check_together(
    params: Mapping[str, object], template: Template, place: tuple[str | int, ...]
) -> None:
    given = [name for name in template.together if name in params]
    if given and len(given) < len(template.together):
        detail = f"give both or neither of {' and '.join(template.together)}"
    elif template.at_least_one and not any(name in params for name in template.at_least_one):
        detail = f"give at least one of {' and '.join(template.at_least_one)}"
    else:
        return
    raise RtgfError(Code.RTGF_POL_MATRIX_SCHEMA_INVALID, detail, pointer=pointer(*place))


def _citation(citation: Citation, references: Mapping[str, NormativeReference]) -> Document:
    reference = references.get(citation.ref)
    cited: Document = {
        "ref": citation.ref,
        "instrument": reference.instrument if reference is not None else citation.ref,
        "article": citation.article,
    }
    return cited if citation.paragraph is None else {**cited, "paragraph": citation.paragraph}


def review(snapshot: Snapshot, library: Library) -> list[Document]:
    """Return `{clause_id, code, reason}` of every clause that does not compile, ordered by id.

    This is what a person must look at; it raises nothing, so that all of it is seen at once.
    """
    return [
        {"clause_id": clause_id, "code": error.code.name, "reason": str(error)}
        for clause_id, error in sorted(_compile_each(snapshot, library)[1].items())
    ]


def compile_snapshot(
    snapshot: Snapshot, library: Library, *, waived: Collection[str] = ()
) -> CompiledPolicy:
    """Return the whole snapshot compiled; the order of its clauses makes no difference.

    Args:
      snapshot: an accepted snapshot.
      library: the templates and the control catalogue.
      waived: clause ids that an approver's signed waiver lets pass though no template serves them.

    Raises:
      RtgfError: of the first clause, by id, that does not compile, with all the others in
        `causes`; RTGF_MAP_RULE_CONFLICT when two clauses cannot both hold.
    """
    compiled, refused = _compile_each(snapshot, library)
    passed = {
        clause_id: error
        for clause_id, error in refused.items()
        if error.code is Code.RTGF_MAP_UNSUPPORTED_CLAUSE and clause_id in waived
    }
    halting = [refused[clause_id] for clause_id in sorted(refused) if clause_id not in passed]
    if halting:
        first = halting[0]
        raise RtgfError(
            first.code, first.detail, pointer=first.pointer, causes=tuple(halting)
        ) from first
    clauses = sorted(snapshot.clauses, key=lambda c: (STAGES.index(c.kind), c.clause_id))
    mapped = {c.clause_id: compiled[c.clause_id] for c in clauses if c.clause_id in compiled}
    relaxes = {
        c.clause_id: c.exception_of
        for c in clauses
        if c.exception_of is not None and c.clause_id in mapped
    }
    residency = _residency(snapshot, library)
    conflicts.check(
        [conflicts.Stated(p, relaxes.get(i)) for i, p in mapped.items()]
        + [conflicts.Stated(predicate) for predicate in residency]
    )
    documents = exceptions.fold(mapped, relaxes)
    for clause_id in sorted(set(relaxes.values())):
        if clause_id in documents:
            _check_rule(documents[clause_id], ())
    homes = {i: documents[exceptions.home(i, relaxes)]["id"] for i in mapped}
    entries = {
        kind: [_entry(c, mapped[c.clause_id], homes) for c in clauses
               if c.kind == kind and c.clause_id in mapped]
        for kind in STAGES
    }  # fmt: skip
    references = {reference.id: reference for reference in snapshot.normative_references}
    return CompiledPolicy(
        predicates=tuple(
            sorted(
                [*residency, *(documents[i] for i in mapped if i in documents)],
                key=lambda p: (STAGES.index(str(p["kind"])), str(p["clause_id"])),
            )
        ),
        duties=entries["obligation"],
        prohibitions=entries["prohibition"],
        controls=entries["control"],
        policy_token_map=[
            {
                "clause_id": clause.clause_id,
                "predicate_id": homes.get(clause.clause_id),
                "control_id": clause.control_id or clause.params.get("control"),
                "citation": _citation(clause.citation, references),
            }
            for clause in clauses
        ],
        manual_review=[
            {"clause_id": clause_id, "code": error.code.name, "reason": str(error)}
            for clause_id, error in sorted(passed.items())
        ],
    )


def _residency(snapshot: Snapshot, library: Library) -> list[Document]:
    """Return the predicate that enforces the snapshot's `data_residency`, if it has one.

    It is decided by the template of that name, like a clause, but for its id, which no clause has.

    Raises:
      RtgfError: RTGF_POL_MATRIX_SCHEMA_INVALID when the member allows nothing, or no jurisdiction.
    """
    stated = snapshot.data_residency
    if stated is None:
        return []
    given = {"allowed": list(stated.allowed), "mechanisms": list(stated.mechanisms)}
    params: dict[str, object] = {name: sorted(words) for name, words in given.items() if words}
    clause = Clause(
        clause_id="@data_residency",
        kind="obligation",
        template="data_residency",
        params=params,
        applies_to="both",
        citation=Citation(ref=snapshot.id.rpartition(":")[0], article="data_residency"),
    )
    try:
        compiled = compile_clause(
            clause, jurisdiction=snapshot.jurisdiction, domain=snapshot.domain, library=library
        )
    except RtgfError as error:
        raise RtgfError(
            error.code, f"data_residency: {error.detail}", pointer="/data_residency"
        ) from error
    return [compiled]


def _check_lists(clause: Clause, snapshot: Snapshot, library: Library, index: int) -> None:
    """Hold the lists that a clause names to those that the snapshot rests on.

    Raises:
      RtgfError: RTGF_POL_MATRIX_SCHEMA_INVALID, pointing at the list that is not one of them.
    """
    known = {source.dataset for source in snapshot.evidence_sources}
    for name, spec in library.templates[clause.template].params.items():
        if spec.type != "datasets":
            continue
        for number, dataset in enumerate(clause.params.get(name, [])):
            if dataset not in known:
                raise RtgfError(
                    Code.RTGF_POL_MATRIX_SCHEMA_INVALID,
                    f"clause {clause.clause_id}: the list {dataset!r} is none of the snapshot's"
                    " evidence_sources; add it there, or no token would carry it",
                    pointer=pointer("clauses", index, "params", name, number),
                )


def _compile_each(
    snapshot: Snapshot, library: Library
) -> tuple[dict[str, Document], dict[str, RtgfError]]:
    references = {reference.id: reference for reference in snapshot.normative_references}
    compiled: dict[str, Document] = {}
    refused: dict[str, RtgfError] = {}
    for index, clause in enumerate(snapshot.clauses):
        try:
            compiled[clause.clause_id] = compile_clause(
                clause,
                jurisdiction=snapshot.jurisdiction,
                domain=snapshot.domain,
                library=library,
                references=references,
                place=("clauses", index),
            )
            _check_lists(clause, snapshot, library, index)
        except RtgfError as error:
            refused[clause.clause_id] = error
    return compiled, refused


def _entry(clause: Clause, predicate: Document, homes: Mapping[str, JsonValue]) -> Document:
    entry: Document = {
        "clause_id": clause.clause_id,
        "predicate_id": homes[clause.clause_id],
        "template": predicate["template"],
        "applies_to": predicate["applies_to"],
        "params": predicate["params"],
        "citation": predicate["citation"],
        "jurisdiction": predicate["jurisdiction"],
    }
    # What the clause says about persons and time has no template of its own, but is not lost.
    for member in (
        "holder",
        "counterparty",
        "deadline",
        "exception_of",
        "valid_from",
        "valid_to",
    ):
        value = getattr(clause, member)
        if value is not None:
            entry[member] = value
    return entry
