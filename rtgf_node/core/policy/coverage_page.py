"""The coverage report as one page of HTML that needs nothing else: no script, no outside asset."""

from __future__ import annotations

from collections.abc import Sequence
from html import escape
from typing import Final

from rtgf_node.core.policy.coverage import Report, Row

_STYLE: Final = """
body { font: 1rem/1.5 system-ui, sans-serif; margin: 2rem; color: #1b1b1b; background: #fff; }
table { border-collapse: collapse; width: 100%; margin-block: 1rem 3rem; }
caption { text-align: start; padding-block: .5rem; }
th, td { border: 1px solid #767676; padding: .4rem .6rem; text-align: start; vertical-align: top; }
td, th { overflow-wrap: anywhere; }
.waived, .unmapped { background: #fff3d6; }
code { font-size: .9em; }
ul { margin: 0; padding-inline-start: 1rem; }
"""
_COLUMNS: Final = ("Clause", "Law", "What became of it", "Predicate or reason", "Tokens")


def page(reports: Sequence[Report]) -> str:
    """Return the page; every text from a document is escaped."""
    title = "Coverage of the law by rules"
    sections = "\n".join(_section(report) for report in reports)
    return (
        '<!doctype html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n'
        '<meta name="viewport" content="width=device-width, initial-scale=1">\n'
        f"<title>{title}</title>\n<style>{_STYLE}</style>\n</head>\n<body>\n<main>\n"
        f"<h1>{title}</h1>\n{sections}\n</main>\n</body>\n</html>\n"
    )


def _section(report: Report) -> str:
    counts = f"{report.mapped} mapped, {report.waived} waived, {report.unmapped} unmapped"
    heads = "".join(f'<th scope="col">{column}</th>' for column in _COLUMNS)
    rows = "\n".join(_row(row) for row in report.rows)
    return (
        f"<h2>{escape(report.snapshot_id)} ({escape(report.status)})</h2>\n"
        f"<p><code>{escape(report.policy_snapshot_hash)}</code></p>\n"
        f"<table>\n<caption>{counts}</caption>\n<thead><tr>{heads}</tr></thead>\n"
        f"<tbody>\n{rows}\n</tbody>\n</table>"
    )


def _row(row: Row) -> str:
    outcome = f"<code>{escape(row.predicate_id)}</code>" if row.predicate_id else ""
    if row.control_id:
        outcome += f"<br>control {escape(row.control_id)}"
    if row.reason:
        outcome += escape(row.reason)
    tokens = "".join(f"<li>{escape(token)}</li>" for token in row.tokens)
    return (
        f'<tr class="{row.state}"><th scope="row">{escape(row.clause_id)}<br>{escape(row.kind)}'
        f"</th><td>{escape(row.law)}</td><td>{row.state}</td><td>{outcome}</td>"
        f"<td>{f'<ul>{tokens}</ul>' if tokens else 'none shown'}</td></tr>"
    )
