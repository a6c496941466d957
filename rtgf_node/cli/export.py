"""`rtgf export`."""

from __future__ import annotations

from typing import Annotated

from cyclopts import Parameter

from rtgf_node.cli import connection, output
from rtgf_node.cli.connection import CertificateFile, ConfigFile, KeyFile
from rtgf_node.cli.output import AsJson
from rtgf_node.copies import export as copying
from rtgf_node.copies.destinations import destination
from rtgf_node.copies.export import Exported


def export(
    where: Annotated[str, Parameter(help="A folder, or s3://bucket/prefix.")],
    *,
    url: Annotated[str | None, Parameter(help="The node; else the configured one.")] = None,
    config: ConfigFile = None,
    cert: CertificateFile = None,
    key: KeyFile = None,
    as_json: AsJson = False,
) -> int:
    """Copy what a node publishes to a folder or a bucket, for a web server or a CDN.

    The log as tiles and entry bundles, its checkpoint, tokens, keys and revocations, under the
    paths they have on the node. It is checked before it is written, only what is new is written,
    and the checkpoint comes last: run it as often as you like, and again if it was stopped.

    Where it runs: anywhere that reaches the node, over HTTPS. A bucket takes its credentials and
    its endpoint from the usual AWS_ variables, and needs the extra rtgf-node[s3].

    Examples:
      rtgf export /srv/www/log
      rtgf export s3://fma-log/public --url https://rtgf.fma.example --json
    """
    told = connection.settings(config)
    to = destination(where)
    try:
        with connection.node(told, certificate=cert, key=key, url=url) as node:
            done = copying.export(node, to, name=where, progress=output.say)
    finally:
        to.close()
    output.result(done, text(done), as_json=as_json)
    return 0


def text(done: Exported) -> str:
    """Return what was done as lines for people."""
    return "\n".join(
        [
            f"exported to {done.destination}",
            f"log        {done.origin}: {done.tree_size} leaves, {done.since} of them were there",
            f"root       {done.root_hash}",
            f"tokens     {done.tokens}",
            f"written    {done.written} files, {done.bytes} bytes",
        ]
    )
