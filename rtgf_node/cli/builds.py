"""`rtgf builds`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

from cyclopts import App, Parameter

from rtgf_node.cli import compile as compiling
from rtgf_node.cli import connection, output
from rtgf_node.cli.connection import CertificateFile, ConfigFile, KeyFile
from rtgf_node.cli.help import help_of
from rtgf_node.cli.output import AsJson
from rtgf_node.whole_file import write_whole

app = App(name="builds", help="The builds of a node, past and present.")

BuildId = Annotated[str, Parameter(help="The build's id.")]


def list_builds(
    *,
    config: ConfigFile = None,
    cert: CertificateFile = None,
    key: KeyFile = None,
    as_json: AsJson = False,
) -> int:
    """List the newest builds, newest first.

    Where it runs: anywhere that reaches the node, over HTTPS as operator, approver or auditor.

    Examples:
      rtgf builds list
      rtgf builds list --json
    """
    told = connection.settings(config)
    with connection.node(told, certificate=cert, key=key) as node:
        answer = node.builds()
    rows = [(one.at, one.state, one.build_id, one.manifest_digest) for one in answer]
    headers = ("at", "state", "build", "manifest")
    text = output.table(headers, rows, none="nothing was built yet: rtgf compile")
    output.result(answer, text, as_json=as_json)
    return 0


def show(
    build: BuildId,
    *,
    manifest: Annotated[
        Path | None, Parameter(help="Write its build_manifest.json to this file.")
    ] = None,
    config: ConfigFile = None,
    cert: CertificateFile = None,
    key: KeyFile = None,
    as_json: AsJson = False,
) -> int:
    """Show a build, its log, and what became of it.

    Where it runs: anywhere that reaches the node, over HTTPS as operator, approver or auditor.

    Examples:
      rtgf builds show sha256:0054...
      rtgf builds show sha256:0054... --manifest build_manifest.json
    """
    told = connection.settings(config)
    with connection.node(told, certificate=cert, key=key) as node:
        answer = node.build(build)
        if manifest is not None:
            write_whole(manifest, node.build_manifest(build))
    lines = [f"{one.at}  {one.stage:<8} {one.detail}" for one in answer.stages]
    output.result(answer, "\n".join([*lines, compiling.text(answer)]), as_json=as_json)
    return 0


def cancel(
    build: BuildId,
    *,
    config: ConfigFile = None,
    cert: CertificateFile = None,
    key: KeyFile = None,
    as_json: AsJson = False,
) -> int:
    """Give a running build up; nothing of it is published.

    Where it runs: anywhere that reaches the node, over HTTPS as operator or approver.

    Examples:
      rtgf builds cancel sha256:0054...
      rtgf builds cancel sha256:0054... --json
    """
    told = connection.settings(config)
    with connection.node(told, certificate=cert, key=key) as node:
        answer = node.cancel_build(build)
    output.result(answer, f"build {answer.build_id} is being cancelled", as_json=as_json)
    return 0


app.command(list_builds, name="list", **help_of(list_builds))
app.command(show, **help_of(show))
app.command(cancel, **help_of(cancel))
