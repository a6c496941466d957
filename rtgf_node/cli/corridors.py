"""`rtgf corridors`."""

from __future__ import annotations

from rtgf_node.cli import connection, output
from rtgf_node.cli.connection import CertificateFile, ConfigFile, KeyFile
from rtgf_node.cli.output import AsJson


def corridors(
    *,
    config: ConfigFile = None,
    cert: CertificateFile = None,
    key: KeyFile = None,
    as_json: AsJson = False,
) -> int:
    """List jurisdictions and corridors: how many of their domains have a token in force.

    Where it runs: anywhere that reaches the node, over HTTPS as operator, approver or auditor.

    Examples:
      rtgf corridors
      rtgf corridors --json
    """
    told = connection.settings(config)
    with connection.node(told, certificate=cert, key=key) as node:
        answer = node.corridors()
    rows = [
        (one.place, one.in_force, one.withdrawn, one.outside, one.first_expiry)
        for one in (*answer.jurisdictions, *answer.corridors)
    ]
    headers = ("place", "in force", "withdrawn", "out of time", "first ends")
    text = output.table(headers, rows, none="no token was issued yet")
    output.result(answer, text, as_json=as_json)
    return 0
