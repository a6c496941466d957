"""`rtgf tokens`."""

from __future__ import annotations

from typing import Annotated

from cyclopts import Parameter

from rtgf_node.cli import connection, output
from rtgf_node.cli.connection import CertificateFile, ConfigFile, KeyFile
from rtgf_node.cli.output import AsJson
from rtgf_node.client import standing
from rtgf_node.core.identifiers import token_reference
from rtgf_node.system_clock import SystemClock


def tokens(
    *,
    type: Annotated[str | None, Parameter(help="RMT, IMT, CORT, PSRT or RRMT.")] = None,  # noqa: A002
    jurisdiction: Annotated[str | None, Parameter(help="Its own, or an end of it.")] = None,
    domain: Annotated[str | None, Parameter(help="Its domain or name.")] = None,
    corridor: Annotated[str | None, Parameter(help="Its corridor, as EU-SG.")] = None,
    limit: Annotated[int, Parameter(help="On this page, up to 1000.")] = 1000,
    cursor: Annotated[str | None, Parameter(help="Where the page before said to go on.")] = None,
    config: ConfigFile = None,
    cert: CertificateFile = None,
    key: KeyFile = None,
    as_json: AsJson = False,
) -> int:
    """List the issued tokens, in the order of the log.

    Where it runs: anywhere that reaches the node, over HTTPS.

    Examples:
      rtgf tokens --corridor EU-SG
      rtgf tokens --type RMT --json
    """
    told = connection.settings(config)
    with connection.node(told, certificate=cert, key=key) as node:
        page = node.catalog(
            type=type,
            jurisdiction=jurisdiction,
            domain=domain,
            corridor=corridor,
            cursor=cursor,
            limit=limit,
        )
    now = SystemClock().now()
    rows = [
        (
            token_reference(one.uri),
            standing.of_token(one, now),
            one.nbf,
            one.exp,
            one.leafIndex,
        )
        for one in page.tokens
    ]
    text = output.table(
        ("token", "state", "from", "until", "entry"), rows, none="no such token was issued"
    )
    if page.cursor is not None:
        text += f"\nmore: --cursor {page.cursor}"
    output.result(page, text, as_json=as_json)
    return 0
