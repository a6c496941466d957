"""`rtgf keys`."""

from __future__ import annotations

from cyclopts import App

from rtgf_node.cli import connection, output
from rtgf_node.cli.connection import CertificateFile, ConfigFile, KeyFile
from rtgf_node.cli.help import help_of
from rtgf_node.cli.key_change import prepare, revoke, rotate, sign
from rtgf_node.cli.output import AsJson

app = App(name="keys", help="The node's signing keys.")


def list_keys(
    *,
    config: ConfigFile = None,
    cert: CertificateFile = None,
    key: KeyFile = None,
    as_json: AsJson = False,
) -> int:
    """List the online keys as the root-signed manifest states them.

    Where it runs: anywhere that reaches the node, over HTTPS as operator or auditor.

    Examples:
      rtgf keys list
      rtgf keys list --json
    """
    told = connection.settings(config)
    with connection.node(told, certificate=cert, key=key) as node:
        answer = node.keys()
    rows = [
        (
            entry.kid,
            entry.purpose,
            entry.issued_at,
            entry.expires_at,
            entry.revoked_at,
            entry.public,
        )
        for entry in answer
    ]
    headers = ("kid", "purpose", "issued", "expires", "revoked", "public key")
    output.result(answer, output.table(headers, rows), as_json=as_json)
    return 0


for _verb, _name in (
    (list_keys, "list"),
    (prepare, "prepare"),
    (sign, "sign"),
    (rotate, "rotate"),
    (revoke, "revoke"),
):
    app.command(_verb, name=_name, **help_of(_verb))
