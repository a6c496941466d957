"""`rtgf sources`."""

from __future__ import annotations

from rtgf_node.cli import connection, output
from rtgf_node.cli.connection import CertificateFile, ConfigFile, KeyFile
from rtgf_node.cli.output import AsJson

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
        found = node.overview().sources
    rows = [
        (
            one.name,
            one.kind,
            one.outcome,
            None if one.seconds_ago is None else f"{one.seconds_ago} s ago",
            f"{one.due_in_seconds} s",
            one.subject,
            one.detail,
        )
        for one in found
    ]
    headers = ("source", "kind", "outcome", "last", "next in", "holds", "detail")
    text = output.table(headers, rows, none=NO_SOURCES)
    output.result(found, text, as_json=as_json)
    return 0
