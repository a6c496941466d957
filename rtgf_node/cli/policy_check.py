"""`rtgf policy check`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

from cyclopts import Parameter

from rtgf_node.cli import output, policy_files
from rtgf_node.cli.output import AsJson
from rtgf_node.cli.policy_files import ListFiles, OwnLibrary
from rtgf_node.cli.verify import read
from rtgf_node.core import snapshot
from rtgf_node.core.snapshot_check import Report
from rtgf_node.core.snapshot_check import check as look_at
from rtgf_node.errors import Code

INVALID_EXIT = Code.RTGF_POL_MATRIX_SCHEMA_INVALID.value.exit_code


def check(
    file: Annotated[Path, Parameter(help="A snapshot or terms, signed or not yet.")],
    *,
    list_: ListFiles = None,
    max_ttl_sec: Annotated[
        int, Parameter(help="The largest ttl that the node it is for allows.")
    ] = snapshot.MAX_TTL_SECONDS,
    own: OwnLibrary | None = None,
    as_json: AsJson = False,
) -> int:
    """Say all that is wrong with a snapshot or terms, by line and column, and run its scenarios.

    Where it runs: anywhere, with no network and no node; it writes nothing. Scenarios that screen
    names need the lists, by --list. Signatures are counted; a node checks them, by pinned keys.
    Exit code 0 nothing is wrong, 65 something is.

    Examples:
      rtgf policy check eu.json
      rtgf policy check eu.json --list un-sc=un-xml:consolidated.xml --json
    """
    data = read(file, limit=snapshot.MAX_SNAPSHOT_BYTES)
    report = look_at(
        data,
        policy_files.library(own),
        answers=policy_files.answers(list_),
        max_ttl_sec=max_ttl_sec,
    )
    output.result(report, text(report, str(file)), as_json=as_json)
    return INVALID_EXIT if report.findings else 0


def text(report: Report, name: str) -> str:
    """Return a report as lines for people; findings begin as editors and compilers write places."""
    lines: list[str] = []
    for one in report.findings:
        lines.append(f"{name}:{one.line}:{one.column}: {one.expected}")
        if one.found is not None:
            lines.append(f"  found {one.found}")
        if one.nearest is not None:
            lines.append(f"  did you mean {one.nearest}?")
        lines.append(f"  {one.code} {one.pointer}".rstrip())
    if report.findings:
        count = len(report.findings)
        return "\n".join([*lines, f"{report.subject}: {count} error{'s'[: count != 1]}"])
    signed = (
        f"{report.signatures} signatures (not checked here)" if report.signatures else "unsigned"
    )
    lines += [
        f"{report.subject}: nothing is wrong",
        *([f"clauses    {report.clauses}, all compiled"] if report.clauses else []),
        *([f"scenarios  {report.scenarios_passed} decided as they say"] if report.clauses else []),
        *(f"  not run: {scenario}: {why}" for scenario, why in report.scenarios_open.items()),
        f"signed     {signed}",
    ]
    return "\n".join(lines)
