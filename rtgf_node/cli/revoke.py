"""`rtgf revoke`."""

from __future__ import annotations

import sys
from typing import Annotated

from cyclopts import Parameter

from rtgf_node.cli import connection, output
from rtgf_node.cli.connection import CertificateFile, ConfigFile, KeyFile
from rtgf_node.cli.output import AsJson
from rtgf_node.core.withdrawal_reasons import Reason
from rtgf_node.wire import RevokeAnswer, RevokeItem, RevokeRequest

USAGE_EXIT = 2


def revoke(
    token: Annotated[str, Parameter(help="The token's id, URI or jti.")],
    *,
    reason: Annotated[Reason, Parameter(help="Why; it goes into the log.")],
    yes: Annotated[bool, Parameter(negative="", help="Do not ask.")] = False,
    config: ConfigFile = None,
    cert: CertificateFile = None,
    key: KeyFile = None,
    as_json: AsJson = False,
) -> int:
    """Withdraw a token, and every token that rests on it. It asks to type the id again.

    Where it runs: anywhere that reaches the node, over HTTPS as operator. Only corridor_suspended
    can be lifted again.

    Examples:
      rtgf revoke RMT:SG:payments_aml:2026-10.1 --reason policy_withdrawn
      rtgf revoke RMT:SG:payments_aml:2026-10.1 --reason superseded --yes --json
    """
    told = connection.settings(config)
    if not yes and not _confirmed(token, reason):
        return USAGE_EXIT
    with connection.node(told, certificate=cert, key=key) as node:
        answer = node.revoke(RevokeRequest(items=[RevokeItem(token=token, reason=reason)]))
    output.result(answer, text(answer), as_json=as_json)
    return 0


def text(answer: RevokeAnswer) -> str:
    """Return what fell as lines for people."""
    rows = [
        (entry.revEpoch, entry.status, entry.token_id, entry.reason, entry.root)
        for entry in answer.entries
    ]
    headers = ("revEpoch", "status", "token", "reason", "because of")
    return f"{output.table(headers, rows)}\nrevEpoch is {answer.revEpoch}"


def _confirmed(token: str, reason: str) -> bool:
    """Ask a person to type the id; without one at a terminal the answer is no."""
    if not sys.stdin.isatty():
        output.say("rtgf: nobody is here to confirm; to revoke without asking, add --yes")
        return False
    output.say(f"This withdraws {token} and everything that rests on it ({reason}).")
    output.say("Type the token's id to do it, anything else to leave it:")
    if sys.stdin.readline().strip() == token:
        return True
    output.say("rtgf: not the same id; nothing was done")
    return False
