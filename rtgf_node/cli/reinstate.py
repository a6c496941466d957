"""`rtgf reinstate`."""

from __future__ import annotations

from typing import Annotated

from cyclopts import Parameter

from rtgf_node.cli import connection, output, revoke
from rtgf_node.cli.connection import CertificateFile, ConfigFile, KeyFile
from rtgf_node.cli.output import AsJson
from rtgf_node.core.withdrawal_reasons import LIFTABLE, Reason
from rtgf_node.wire import RevokeItem, RevokeRequest


def reinstate(
    token: Annotated[str, Parameter(help="The token's id, URI or jti.")],
    *,
    reason: Annotated[Reason, Parameter(help="For which it had been suspended.")] = LIFTABLE,
    config: ConfigFile = None,
    cert: CertificateFile = None,
    key: KeyFile = None,
    as_json: AsJson = False,
) -> int:
    """Lift the suspension of a token, and of every token that was suspended because of it.

    Where it runs: anywhere that reaches the node, over HTTPS as operator. What was revoked for good
    stays revoked.

    Examples:
      rtgf reinstate IMT:EU-SG:payments_aml:2026-10.1
      rtgf reinstate IMT:EU-SG:payments_aml:2026-10.1 --json
    """
    told = connection.settings(config)
    with connection.node(told, certificate=cert, key=key) as node:
        answer = node.reinstate(RevokeRequest(items=[RevokeItem(token=token, reason=reason)]))
    output.result(answer, revoke.text(answer), as_json=as_json)
    return 0
