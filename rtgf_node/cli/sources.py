"""`rtgf sources`."""

from __future__ import annotations

from rtgf_node.cli import connection, output
from rtgf_node.cli.connection import CertificateFile, ConfigFile, KeyFile
from rtgf_node.cli.output import AsJson
from rtgf_node.client import standing
from rtgf_node.wire.overview import OverviewAnswer, SourceFigures

NO_SOURCES = "no [[source]] and no [[dataset]] is in the node's settings"


def sources(
    *,
    config: ConfigFile = None,
    cert: CertificateFile = None,
    key: KeyFile = None,
    as_json: AsJson = False,
) -> int:
    """List sources of rules, and lists: how each went last, and when it is fetched again.

    Where it runs: anywhere that reaches the node, over HTTPS as operator, approver or auditor.

    Examples:
      rtgf sources
      rtgf sources --json
    """
    told = connection.settings(config)
    with connection.node(told, certificate=cert, key=key) as node:
        seen = node.overview()
    rows = [_row(seen, one) for one in seen.sources]
    headers = ("name", "kind", "state", "last", "next in", "records", "holds", "what went wrong")
    text = output.table(headers, rows, none=NO_SOURCES)
    output.result(seen.sources, text, as_json=as_json)
    return 0


def _row(seen: OverviewAnswer, one: SourceFigures) -> tuple[object, ...]:
    state, said = standing.of_source(seen, one)
    return (
        one.name,
        one.kind,
        state,
        None if one.seconds_ago is None else f"{one.seconds_ago} s ago",
        f"{one.due_in_seconds} s",
        standing.records_of(seen, one),
        one.subject,
        said,
    )
