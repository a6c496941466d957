"""`rtgf quarantine`: the lists whose newest file is kept from use, and letting one out."""

from __future__ import annotations

from typing import Annotated

from cyclopts import App, Parameter

from rtgf_node.cli import connection, output
from rtgf_node.cli.connection import CertificateFile, ConfigFile, KeyFile
from rtgf_node.cli.help import help_of
from rtgf_node.cli.output import AsJson

app = App(name="quarantine", help="See which lists wait in quarantine, and let one out.")


def list_quarantined(
    *,
    config: ConfigFile = None,
    cert: CertificateFile = None,
    key: KeyFile = None,
    as_json: AsJson = False,
) -> int:
    """List what waits in quarantine: why, since when, and until when it is kept.

    Where it runs: anywhere that reaches the node, over HTTPS as operator, approver or auditor.

    Examples:
      rtgf quarantine list
      rtgf quarantine list --json
    """
    told = connection.settings(config)
    with connection.node(told, certificate=cert, key=key) as node:
        waiting = node.status().quarantine
    rows = [(one.name, one.at, one.until, one.raw_sha256, one.reason) for one in waiting]
    lines = output.table(("list", "since", "until", "file", "reason"), rows)
    output.result(waiting, lines if waiting else "nothing is in quarantine", as_json=as_json)
    return 0


def release(
    name: Annotated[str, Parameter(help="The list, as `rtgf quarantine list` names it.")],
    *,
    config: ConfigFile = None,
    cert: CertificateFile = None,
    key: KeyFile = None,
    as_json: AsJson = False,
) -> int:
    """Put the quarantined file of a list in force, on your word; the log says that it was yours.

    Where it runs: anywhere that reaches the node, over HTTPS as operator.

    Examples:
      rtgf quarantine release un-sc
      rtgf quarantine release un-sc --json
    """
    told = connection.settings(config)
    with connection.node(told, certificate=cert, key=key) as node:
        answer = node.release(name)
    output.result(answer, f"{answer.subject}: {answer.outcome} {answer.digest}", as_json=as_json)
    return 0


app.command(list_quarantined, name="list", **help_of(list_quarantined))
app.command(release, **help_of(release))
