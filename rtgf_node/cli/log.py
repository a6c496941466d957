"""`rtgf log`."""

from __future__ import annotations

from typing import Annotated

from cyclopts import App, Parameter

from rtgf_node import wire
from rtgf_node.cli import connection, output
from rtgf_node.cli.connection import CertificateFile, ConfigFile, KeyFile
from rtgf_node.cli.help import help_of
from rtgf_node.cli.output import AsJson

app = App(name="log", help="The transparency log.")


def resume(
    *,
    reason: Annotated[str, Parameter(help="Why; it goes into the log.")],
    config: ConfigFile = None,
    cert: CertificateFile = None,
    key: KeyFile = None,
    as_json: AsJson = False,
) -> int:
    """Sign again from a store that is an old or another copy of the log: a last resort.

    Whoever saw the part that is lost sees a fork. The reason goes into the log.

    Where it runs: anywhere that reaches the node, over HTTPS as approver.

    Examples:
      rtgf log resume --reason "restored from Monday's backup, the rest is lost"
      rtgf log resume --reason "the fork is settled: ours goes on" --json
    """
    told = connection.settings(config)
    with connection.node(told, certificate=cert, key=key, approver=True) as node:
        node.resume_signing(wire.ResumeRequest(reason=reason))
    output.result({"resumed": True}, "this log signs again", as_json=as_json)
    return 0


app.command(resume, name="resume", **help_of(resume))
