"""`rtgf events`."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Annotated, Any, Literal

from cyclopts import Parameter

from rtgf_node.cli import connection, output
from rtgf_node.cli.connection import CertificateFile, ConfigFile, KeyFile
from rtgf_node.cli.output import AsJson
from rtgf_node.client import Node
from rtgf_node.wire.overview import Cursors

Stream = Literal["log", "acts", "denials"]
HEADERS = ("at", "stream", "number", "what", "about", "who", "request")


def events(
    stream: Annotated[
        Stream | None, Parameter(help="log, acts or denials alone; else all three.")
    ] = None,
    *,
    limit: Annotated[int, Parameter(help="Of each stream, the newest, up to 1000.")] = 50,
    config: ConfigFile = None,
    cert: CertificateFile = None,
    key: KeyFile = None,
    as_json: AsJson = False,
) -> int:
    """List what happened, the newest first: the log, privileged acts, and who was turned away.

    Where it runs: anywhere that reaches the node, over HTTPS as operator or auditor.

    Examples:
      rtgf events
      rtgf events acts --limit 20 --json
    """
    told = connection.settings(config)
    with connection.node(told, certificate=cert, key=key) as node:
        come_to = node.overview().cursors
        found = [
            one
            for name in ("log", "acts", "denials")
            if stream in {None, name}
            for one in _newest(node, name, come_to, limit)
        ]
    # Stable: within a second, each stream stays in its order.
    found.reverse()
    found.sort(key=lambda one: str(one["at"]), reverse=True)
    rows = [[one[name] for name in HEADERS] for one in found]
    text = output.table(HEADERS, rows, none="nothing happened yet")
    output.result(found, text, as_json=as_json)
    return 0


def _newest(node: Node, stream: Stream, come_to: Cursors, limit: int) -> Iterator[dict[str, Any]]:
    if stream == "log":
        page = node.log_page(max(0, come_to.log - limit), limit=limit)
        for entry in page.entries:
            event = entry.event
            yield {
                "at": event["at"],
                "stream": stream,
                "number": entry.index,
                "what": event["type"],
                "about": event["subject"],
                "who": event["actor"],
                "request": None,
            }
        return
    newest = come_to.acts if stream == "acts" else come_to.denials
    since = max(1, newest - limit + 1)
    for line in node.audit_trail(kind=stream, since=since, limit=limit).lines:
        entry = line["entry"]
        subjects = entry.get("subjects") or ()
        yield {
            "at": entry["at"],
            "stream": stream,
            "number": line["seq"],
            "what": entry["outcome"],
            "about": " ".join([entry["method"], entry["path"], ", ".join(subjects)]).rstrip(),
            "who": entry["client"] or entry["address"],
            "request": entry["request_id"],
        }
