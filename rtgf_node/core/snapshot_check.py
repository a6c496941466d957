"""Look at a snapshot or terms as their author must before anyone signs: all that is wrong, at once.

The same rules hold at a node's door and in its builds. There the first failure ends the matter;
here each part is looked at by itself, and each finding says the line and column, what stands there,
and what was expected.
"""

from __future__ import annotations

import json
from typing import Final

import msgspec
from msgspec import Struct

from rtgf_node.core import canonical_json, snapshot, terms_check, times
from rtgf_node.core.canonical_json import JsonValue
from rtgf_node.core.list_answers import ListAnswers
from rtgf_node.core.location import positions, spans
from rtgf_node.core.policy import decide, plan, predicates
from rtgf_node.core.policy.predicates import CompiledPolicy
from rtgf_node.core.policy.templates import UNMAPPED, Library
from rtgf_node.core.shapes import pointer
from rtgf_node.core.snapshot import Scenario, Snapshot
from rtgf_node.core.snapshot_faults import Fault, faults, unsealed
from rtgf_node.core.terms_document import is_terms
from rtgf_node.errors import Code, RtgfError

Document = dict[str, JsonValue]

MAX_FINDINGS: Final = 1_000
"""Findings in one report. Who has more begins with these."""

MAX_FOUND_CHARS: Final = 60
"""Characters of the text that a finding repeats, so that it stays one line."""


class Finding(Struct, frozen=True):
    """One thing that is wrong.

    Attributes:
      expected: what is asked for at this place, in words.
      found: the text that stands there, cut short; None where something is missing.
      nearest: the known name that was probably meant.
    """

    line: int
    column: int
    pointer: str
    code: str
    expected: str
    found: str | None
    nearest: str | None


class Report(Struct, frozen=True):
    """What came of looking at one snapshot, or at terms, which have neither clauses nor scenarios.

    Attributes:
      subject: its id, as far as it has one.
      findings: what is wrong, in the order of the text.
      clauses, compiled: how many there are, and how many became a predicate.
      scenarios_passed: scenarios that were decided as they say.
      scenarios_open: the others that failed for no fault of the document, each with the reason.
      signatures: how many it carries; they are checked at a node's door, by pinned keys.
    """

    subject: str
    findings: tuple[Finding, ...]
    clauses: int
    compiled: int
    scenarios_passed: int
    scenarios_open: dict[str, str]
    signatures: int


def check(
    data: bytes, library: Library, *, answers: ListAnswers, max_ttl_sec: int = snapshot.ANY_TTL
) -> Report:
    """Return what is wrong with the snapshot or the terms in `data`, signed or not yet.

    Args:
      data: the text of the document.
      library: the templates and the control catalogue that clauses are held to.
      answers: the lists that scenarios are decided with.
      max_ttl_sec: how old a cached copy may be at most.
    """
    try:
        document = canonical_json.parse_object(data, max_bytes=snapshot.MAX_SNAPSHOT_BYTES)
    except RtgfError as error:
        return _report(data, {}, [Fault(error)])
    if is_terms(document):
        return _report(data, document, list(terms_check.faults(document, max_ttl_sec=max_ttl_sec)))
    found = list(faults(document, library, max_ttl_sec=max_ttl_sec))
    listed = document.get("clauses")
    clauses = len(listed) if isinstance(listed, list) else 0
    passed, open_ = 0, dict[str, str]()
    policy = None
    # What no template serves stops nothing but itself: an approver may let it pass.
    if all(fault.error.code is Code.RTGF_MAP_UNSUPPORTED_CLAUSE for fault in found):
        entry = msgspec.convert(unsealed(document), Snapshot, strict=True)
        policy = _whole(entry, library, found)
        if policy is not None:
            passed, open_ = _examine(entry, policy, answers, found)
    return msgspec.structs.replace(
        _report(data, document, found),
        clauses=clauses,
        compiled=clauses - len(policy.manual_review) if policy is not None else 0,
        scenarios_passed=passed,
        scenarios_open=open_,
    )


def waits(finding: Finding) -> bool:
    """Tell whether it is a clause of which its author says that no template serves it."""
    unmapped = finding.found == json.dumps(UNMAPPED)
    return unmapped and finding.code == Code.RTGF_MAP_UNSUPPORTED_CLAUSE.name


def _whole(entry: Snapshot, library: Library, found: list[Fault]) -> CompiledPolicy | None:
    try:
        return predicates.compile_snapshot(
            entry, library, waived={clause.clause_id for clause in entry.clauses}
        )
    except RtgfError as error:
        # A conflict has no place of its own: it stands between two clauses.
        where = error if error.pointer else RtgfError(error.code, error.detail, pointer="/clauses")
        found.append(Fault(where))
        return None


def _examine(
    entry: Snapshot, policy: CompiledPolicy, answers: ListAnswers, found: list[Fault]
) -> tuple[int, dict[str, str]]:
    """Decide the scenarios; what cannot be decided here is left open with the reason."""
    prepared = decide.prepare([*policy.predicates], plan.make(policy.predicates))
    at = times.parse(entry.effective_date)
    passed, open_ = 0, {}
    for index, scenario in enumerate(entry.scenarios):
        if scenario.corridor is not None:
            open_[scenario.name] = f"the corridor {scenario.corridor} is made by a build"
            continue
        answers.forget()
        decided = decide.run(prepared, scenario.context, at=at, resolvers=answers.resolvers)
        if answers.missing:
            lists = ", ".join(sorted(answers.missing))
            open_[scenario.name] = f"not held here: the list {lists}"
        elif agrees(scenario, decided):
            passed += 1
        else:
            asked = scenario.expect
            came = ", ".join(decided.reasons) or "no reason"
            error = RtgfError(
                Code.RTGF_PIPELINE_QA_FAIL,
                f"{scenario.name!r} expects {asked.decision} ({', '.join(asked.reasons) or 'any'}"
                f" reason), the rules decide {decided.decision} ({came})",
                pointer=pointer("scenarios", index),
            )
            found.append(Fault(error))
    return passed, open_


def agrees(scenario: Scenario, decided: decide.Decision) -> bool:
    """Tell whether a scenario was decided as it says; other reasons may be given besides."""
    expected = scenario.expect
    return decided.decision == expected.decision and set(expected.reasons) <= set(decided.reasons)


def _report(data: bytes, document: Document, found: list[Fault]) -> Report:
    signatures = document.get("signatures")
    return Report(
        subject=str(document.get("id", "a document without an id")),
        findings=_findings(data, document, found),
        clauses=0,
        compiled=0,
        scenarios_passed=0,
        scenarios_open={},
        signatures=len(signatures) if isinstance(signatures, list) else 0,
    )


def _findings(data: bytes, document: Document, found: list[Fault]) -> tuple[Finding, ...]:
    text = data.decode(errors="replace")
    pointers = {fault.error.pointer or "" for fault in found}
    # A text that is no JSON has no places but the one that its refusal names.
    readable = bool(document) or any(pointer.startswith("/") for pointer in pointers)
    at = positions(text if readable else "", pointers)
    there = spans(text, pointers) if readable else {}
    told = []
    for fault in found:
        place = fault.error.pointer or ""
        span = there.get(place)
        told.append(
            Finding(
                line=at[place].line,
                column=at[place].column,
                pointer=place,
                code=fault.error.code.name,
                expected=fault.error.detail,
                found=None if span is None else _cut(text[span.start : span.end]),
                nearest=fault.nearest,
            )
        )
    return tuple(sorted(set(told), key=_order)[:MAX_FINDINGS])


def _order(finding: Finding) -> tuple[int, int, str, str]:
    return finding.line, finding.column, finding.code, finding.expected


def _cut(text: str) -> str:
    if len(text) > MAX_FOUND_CHARS:
        text = json.dumps(json.loads(text), ensure_ascii=False)
    return text if len(text) <= MAX_FOUND_CHARS else f"{text[: MAX_FOUND_CHARS - 3]}..."
