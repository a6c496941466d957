"""`rtgf fetch`."""

from __future__ import annotations

from typing import Annotated

from cyclopts import Parameter

from rtgf_node.cli import connection, output
from rtgf_node.cli.connection import CertificateFile, ConfigFile, KeyFile
from rtgf_node.cli.output import AsJson
from rtgf_node.cli.sources import NO_SOURCES
from rtgf_node.errors import Code
from rtgf_node.wire import FetchAnswer

GOOD = frozenset({"accepted", "unchanged"})


def fetch(
    source: Annotated[
        str | None, Parameter(help="The name of a [[source]] or [[dataset]]; else all.")
    ] = None,
    *,
    config: ConfigFile = None,
    cert: CertificateFile = None,
    key: KeyFile = None,
    as_json: AsJson = False,
) -> int:
    """Fetch policy snapshots and lists now, all of them or one source.

    Where it runs: anywhere that reaches the node, over HTTPS as operator; the node fetches. Exit
    code 0 when everything was taken or unchanged, else that of the first refusal.

    Examples:
      rtgf fetch
      rtgf fetch un-sc --json
    """
    told = connection.settings(config)
    with connection.node(told, certificate=cert, key=key) as node:
        answer = node.fetch(source)
    output.result(answer, text(answer), as_json=as_json)
    refused = [item for item in answer.items if item.outcome not in GOOD]
    if not refused:
        return 0
    codes = {code.name: code for code in Code}
    return codes.get(refused[0].code or "", Code.RTGF_INTERNAL).value.exit_code


def text(answer: FetchAnswer) -> str:
    """Return the answer as lines for people."""
    lines = [
        output.table(
            ("source", "outcome", "subject", "records", "unreadable"),
            [
                (
                    item.source,
                    item.outcome,
                    item.subject,
                    item.records,
                    item.unreadable or None,
                )
                for item in answer.items
            ],
            none=NO_SOURCES,
        )
    ]
    lines += [
        f"{item.source}: {item.code or ''} {item.detail}".replace(":  ", ": ")
        for item in answer.items
        if item.outcome not in GOOD
    ]
    return "\n".join(lines)
