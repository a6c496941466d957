"""`rtgf approvals`: what waits for a second person, and what that person says."""

from __future__ import annotations

from typing import Annotated, Literal

from cyclopts import App, Parameter

from rtgf_node.cli import connection, output
from rtgf_node.cli.connection import CertificateFile, ConfigFile, KeyFile
from rtgf_node.cli.help import help_of
from rtgf_node.cli.output import AsJson
from rtgf_node.wire.approvals import ApprovalAnswer, ApprovalRequest

app = App(name="approvals", help="Approve or refuse what takes two persons.")

Id = Annotated[str, Parameter(help="The request, as `rtgf approvals list` shows it.")]
HEADERS = (
    "request",
    "state",
    "acts",
    "subject",
    "asked by",
    "asked at",
    "until",
    "settled by",
    "reason",
)
Reason = Annotated[str, Parameter(help="Why; it goes into the log.")]


def list_approvals(
    *,
    config: ConfigFile = None,
    cert: CertificateFile = None,
    key: KeyFile = None,
    as_json: AsJson = False,
) -> int:
    """List what waits for a second person, then what was settled, the newest first.

    Where it runs: anywhere that reaches the node, over HTTPS as operator, approver or auditor.

    Examples:
      rtgf approvals list
      rtgf approvals list --json
    """
    told = connection.settings(config)
    with connection.node(told, certificate=cert, key=key) as node:
        answer = node.approvals()
    ordered = sorted(answer.approvals, key=lambda one: one.state != "waiting")
    rows = [
        (
            one.approval_id,
            one.state,
            ", ".join(one.acts),
            one.subject,
            one.asked_by,
            one.asked_at,
            one.deadline if one.state == "waiting" else None,
            one.settled_by,
            one.reason,
        )
        for one in ordered
    ]
    table = output.table(HEADERS, rows, none="nothing waits, and nothing was settled")
    output.result(answer, table, as_json=as_json)
    return 0


def approve(
    approval_id: Id,
    *,
    reason: Reason,
    config: ConfigFile = None,
    cert: CertificateFile = None,
    key: KeyFile = None,
    as_json: AsJson = False,
) -> int:
    """Let happen what somebody else asked for.

    Where it runs: anywhere that reaches the node, over HTTPS as approver.

    Examples:
      rtgf approvals approve 0b7c7a52-6bd3-5f0e-8f5d-1f6a2c4b8d11 --reason "read the manifest"
      rtgf approvals approve 0b7c7a52-6bd3-5f0e-8f5d-1f6a2c4b8d11 --reason "as agreed" --json
    """
    answer = _settle(approval_id, "approve", reason, config, cert, key)
    output.result(answer, text(answer), as_json=as_json)
    return 0


def refuse(
    approval_id: Id,
    *,
    reason: Reason,
    config: ConfigFile = None,
    cert: CertificateFile = None,
    key: KeyFile = None,
    as_json: AsJson = False,
) -> int:
    """Do not let it happen; it can be asked for again.

    Where it runs: anywhere that reaches the node, over HTTPS as approver.

    Examples:
      rtgf approvals refuse 0b7c7a52-6bd3-5f0e-8f5d-1f6a2c4b8d11 --reason "the list is too old"
      rtgf approvals refuse 0b7c7a52-6bd3-5f0e-8f5d-1f6a2c4b8d11 --reason "not today" --json
    """
    answer = _settle(approval_id, "refuse", reason, config, cert, key)
    output.result(answer, text(answer), as_json=as_json)
    return 0


def _settle(
    approval_id: str,
    decision: Literal["approve", "refuse"],
    reason: str,
    config: ConfigFile,
    cert: CertificateFile,
    key: KeyFile,
) -> ApprovalAnswer:
    told = connection.settings(config)
    with connection.node(told, certificate=cert, key=key, approver=cert is None) as node:
        return node.settle_approval(approval_id, ApprovalRequest(decision, reason))


def text(one: ApprovalAnswer) -> str:
    """Return a request as a line for people."""
    end = (
        f"until {one.deadline}"
        if one.settled_at is None
        else f"by {one.settled_by or 'nobody'} at {one.settled_at}: {one.reason}"
    )
    acts = ", ".join(one.acts)
    return f"{one.approval_id}  {acts} of {one.subject}, asked by {one.asked_by}: {one.state} {end}"


for _verb, _name in ((list_approvals, "list"), (approve, "approve"), (refuse, "refuse")):
    app.command(_verb, name=_name, **help_of(_verb))
