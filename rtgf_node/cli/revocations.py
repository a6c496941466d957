"""`rtgf revocations`."""

from __future__ import annotations

from typing import Annotated

from cyclopts import Parameter

from rtgf_node.cli import connection, output
from rtgf_node.cli.connection import CertificateFile, ConfigFile, KeyFile
from rtgf_node.cli.output import AsJson


def revocations(
    *,
    before: Annotated[int | None, Parameter(help="Go on before this revEpoch.")] = None,
    limit: Annotated[int, Parameter(help="On this page, up to 1000.")] = 100,
    config: ConfigFile = None,
    cert: CertificateFile = None,
    key: KeyFile = None,
    as_json: AsJson = False,
) -> int:
    """List changes of tokens' status, the newest first.

    Where it runs: anywhere that reaches the node, over HTTPS as operator, approver or auditor.

    Examples:
      rtgf revocations
      rtgf revocations --before 120 --limit 20 --json
    """
    told = connection.settings(config)
    with connection.node(told, certificate=cert, key=key) as node:
        page = node.newest_revocations(before=before, limit=limit)
    rows = [
        (one.revEpoch, one.at, one.status, one.token_id, one.reason, one.root)
        for one in page.entries
    ]
    text = output.table(
        ("revEpoch", "at", "status", "token", "reason", "because of"),
        rows,
        none="no status was changed",
    )
    if page.next is not None:
        text += f"\nmore: --before {page.next}"
    output.result(page, text, as_json=as_json)
    return 0
