"""`rtgf incident`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

from cyclopts import App, Parameter

from rtgf_node.cli import connection, output, pinned
from rtgf_node.cli.connection import CertificateFile, ConfigFile, KeyFile
from rtgf_node.cli.help import help_of
from rtgf_node.cli.output import AsJson
from rtgf_node.cli.pinned import RootKey
from rtgf_node.cli.verify import read
from rtgf_node.core import incident_report
from rtgf_node.core.incident_report import MAX_BYTES, Incident
from rtgf_node.core.keys import check_public_key
from rtgf_node.errors import Code, RtgfError
from rtgf_node.whole_file import write_whole

app = App(name="incident", help="Reports of incidents, for who has no node to ask.")


def report(
    index: Annotated[int, Parameter(help="Its number in the log; `rtgf events log` shows it.")],
    file: Annotated[Path, Parameter(help="Where the report is to be written.")],
    *,
    root_key: RootKey = None,
    config: ConfigFile = None,
    cert: CertificateFile = None,
    key: KeyFile = None,
    as_json: AsJson = False,
) -> int:
    """Write an incident of the log with all that proves it, checked, into a file.

    Where it runs: anywhere that reaches the node, over HTTPS; needs no role.

    Examples:
      rtgf incident report 4711 incident-4711.json
      rtgf incident report 4711 incident-4711.json --json
    """
    told = connection.settings(config)
    public = pinned.root_key(root_key or told.keys.root_public)
    with connection.node(told, certificate=cert, key=key) as node:
        entries = node.log_page(index, limit=1).entries
        if not entries:
            raise RtgfError(Code.RTGF_TXP_PROOF_NOT_FOUND, f"the log has no entry {index} yet")
        event = entries[0].event
        made = incident_report.make(
            event, keys=node.signed_jwks(), proof=node.proof(str(event["event_id"]))
        )
    found = incident_report.check(made, root_public=public)
    try:
        write_whole(file, made)
    except OSError as error:
        raise RtgfError(
            Code.RTGF_INPUT_INVALID, f"{file} cannot be written: {error.strerror}"
        ) from error
    output.result(found, _text(found), as_json=as_json)
    return 0


def check(
    file: Annotated[Path, Parameter(help="A report of an incident.")],
    *,
    root_key: RootKey = None,
    config: ConfigFile = None,
    as_json: AsJson = False,
) -> int:
    """Judge a report of an incident: what was logged, and whether the log signed it.

    Where it runs: anywhere, with no network; it needs the file and the issuer's public root key.
    Exit code 10 a signature, 13 not what the log holds, 65 malformed.

    Examples:
      rtgf incident check incident-4711.json --root-key 11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo
      rtgf incident check incident-4711.json --json
    """
    public = pinned.root_key(root_key or connection.settings(config).keys.root_public)
    check_public_key(public)
    found = incident_report.check(read(file, limit=MAX_BYTES), root_public=public)
    output.result(found, _text(found), as_json=as_json)
    return 0


def _text(found: Incident) -> str:
    return "\n".join(
        [
            f"GENUINE: an incident in the log of {found.origin}",
            f"at        {found.at}",
            f"about     {found.subject}",
            *([f"what      {found.what}"] if found.what else []),
            f"detail    {found.detail}",
            f"by        {found.actor}",
            f"entry     {found.index}, {found.event_id}",
            f"head      {found.tree_size} entries, {found.root_hash}",
        ]
    )


app.command(report, name="report", **help_of(report))
app.command(check, name="check", **help_of(check))
