"""`rtgf audit`."""

from __future__ import annotations

from html import escape
from pathlib import Path
from typing import Annotated

import msgspec
from cyclopts import Parameter

from rtgf_node import cluster_seat
from rtgf_node.audit import decisions as audit_decisions
from rtgf_node.audit import judgement as judge
from rtgf_node.audit.judgement import Report
from rtgf_node.audit.material import Remembered, collect
from rtgf_node.audit.state import EventFile
from rtgf_node.cli import connection, output, pinned
from rtgf_node.cli.connection import CertificateFile, ConfigFile, KeyFile
from rtgf_node.cli.output import AsJson
from rtgf_node.cli.pinned import RootKey
from rtgf_node.cli.verify import read
from rtgf_node.errors import Code, RtgfError
from rtgf_node.system_clock import SystemClock
from rtgf_node.whole_file import write_whole

EXIT_OF_CHECK = {
    "keys": 20,
    "log": 21,
    "head": 22,
    "consistency": 23,
    "token": 24,
    "proof": 25,
    "revocations": 26,
    "snapshot": 27,
    "decisions": 28,
    "terms": 29,
}
"""The exit code when all findings are of one kind of check."""

FINDINGS_EXIT = 74
"""Findings of several kinds; as for stored data that is damaged."""

MAX_STATE_BYTES = 16 << 10
"""What is remembered of one log is a few hundred bytes."""


def audit(
    url: Annotated[str | None, Parameter(help="The node; else the configured one.")] = None,
    *,
    root_key: RootKey = None,
    state: Annotated[
        Path | None,
        Parameter(
            help="Remembers the head here, and the next time proves that the log extends it."
        ),
    ] = None,
    decisions: Annotated[
        Path | None,
        Parameter(help="Read the decisions in this data folder or copy, instead of the node's."),
    ] = None,
    html: Annotated[
        Path | None, Parameter(help="Also write the report here, as one page for a browser.")
    ] = None,
    config: ConfigFile = None,
    cert: CertificateFile = None,
    key: KeyFile = None,
    as_json: AsJson = False,
) -> int:
    """Check everything a node publishes, trusting only the pinned root key.

    It reads the whole log, rebuilds the tree, and holds every token, key set, revocation, snapshot
    and terms document against it. Where it runs: anywhere that reaches the node, over HTTPS; it
    writes nothing but --state and --html. Exit code 0 nothing found; 20 keys, 21 log, 22 head, 23
    consistency, 24 token, 25 proof, 26 revocations, 27 snapshot, 28 decisions, 29 terms; 74
    findings of several kinds.

    The roots of decisions in the log are always held against each other. The decisions themselves
    are held against them if the certificate is an operator's or auditor's, or with --decisions.

    What was read of the log is kept beside --state and not fetched again, also after an audit that
    was interrupted.

    Examples:
      rtgf audit
      rtgf audit https://rtgf.fma.example --state fma.json --json
    """
    told = connection.settings(config)
    root_public = pinned.root_key(root_key or told.keys.root_public)
    remembered = _recall(state) if state is not None else None
    with connection.node(told, certificate=cert, key=key, url=url) as node:
        material = collect(
            node,
            at=SystemClock().now(),
            remembered=remembered,
            progress=output.say,
            kept=EventFile(state.with_name(f"{state.name}.events")) if state is not None else None,
        )
        if decisions is None:
            entries, chain = audit_decisions.from_node(node), audit_decisions.chain_of_node(node)
        else:
            entries = audit_decisions.from_folder(decisions)
            chain = cluster_seat.chain_in(decisions, told.node.issuer)
        report = judge.check(material, root_public=root_public, decisions=entries, chain=chain)
    if state is not None and not report.findings:
        write_whole(state, msgspec.json.encode(report.remember()))
    if html is not None:
        write_whole(html, page(report).encode())
    output.result(report, text(report), as_json=as_json)
    return exit_code(report)


def exit_code(report: Report) -> int:
    """Return 0, the code of the one kind of finding there is, or FINDINGS_EXIT."""
    kinds = {finding.check for finding in report.findings}
    if len(kinds) == 1:
        return EXIT_OF_CHECK.get(kinds.pop(), FINDINGS_EXIT)
    return FINDINGS_EXIT if kinds else 0


def page(report: Report) -> str:
    """Return the report as one self-contained HTML page."""
    rows = "".join(
        f"<tr><td>{escape(one.check)}<td>{escape(one.subject)}<td>{escape(one.detail)}"
        for one in report.findings
    )
    facts = "".join(
        f"<tr><th>{escape(name)}<td>{escape(str(value))}"
        for name, value in msgspec.to_builtins(report).items()
        if name != "findings"
    )
    verdict = f"{len(report.findings)} findings" if report.findings else "Nothing found"
    return (
        '<!doctype html><html lang="en"><meta charset="utf-8"><title>Audit of '
        f"{escape(report.url)}</title>"
        "<style>body{font:1em sans-serif;max-width:70em;margin:2em auto}"
        "table{border-collapse:collapse}th,td{text-align:left;vertical-align:top;padding:.2em 1em;"
        "border-bottom:1px solid #ccc;overflow-wrap:anywhere}</style>"
        f"<h1>{verdict}</h1><table>{facts}</table>"
        + (
            f"<h2>Findings</h2><table><tr><th>check<th>subject<th>finding{rows}</table>"
            if rows
            else ""
        )
        + "</html>"
    )


def text(report: Report) -> str:
    """Return the report as lines for people."""
    lines = [
        f"audit of {report.url} at {report.at}",
        f"log        {report.origin}: {report.tree_size} events, every one hashed again",
        f"root       {report.root_hash}",
        f"tokens     {report.tokens} in the catalogue, {report.proofs} inclusion proofs hold",
        f"snapshots  {report.snapshots}",
        f"terms      {report.terms}",
        f"revEpoch   {report.revEpoch}",
        f"decisions  {_decided(report)}",
        *(f"           BEGUN ANEW {anew}" for anew in report.decisions.begun_anew),
    ]
    if report.extends is not None:
        lines.append(f"extends    the tree of {report.extends} events that was seen before")
    if not report.findings:
        return "\n".join([*lines, "", "NOTHING FOUND: all of it follows from the pinned root key"])
    rows = [(finding.check, finding.subject, finding.detail) for finding in report.findings]
    found = output.table(("check", "subject", "finding"), rows)
    return "\n".join([*lines, "", f"FINDINGS {len(rows)}", found])


def _decided(report: Report) -> str:
    said = report.decisions
    read = "they were not shown" if said.entries is None else f"{said.entries} read"
    return f"{said.roots} roots in the log, {read}"


def _recall(state: Path) -> Remembered | None:
    """Return what an earlier audit remembered; None before the first.

    Raises:
      RtgfError: RTGF_INPUT_INVALID: to go on without it would forgive a rewritten log.
    """
    if not state.exists():
        return None
    try:
        return msgspec.json.decode(read(state, limit=MAX_STATE_BYTES), type=Remembered)
    except msgspec.DecodeError as error:
        raise RtgfError(
            Code.RTGF_INPUT_INVALID,
            f"{state} is not what an audit remembers ({error}); if it is lost, remove it",
        ) from error
