"""`rtgf actors`."""

from __future__ import annotations

import msgspec

from rtgf_node.cli import connection, output
from rtgf_node.cli.connection import CertificateFile, ConfigFile, KeyFile
from rtgf_node.cli.output import AsJson
from rtgf_node.wire.overview import ActorFigures, OverviewAnswer, Tally

HEADERS = (
    "actor",
    "state",
    "restarts",
    "waiting",
    "peak",
    "asked",
    "waits",
    "p50",
    "p99",
    "last error",
)


def actors(
    *,
    config: ConfigFile = None,
    cert: CertificateFile = None,
    key: KeyFile = None,
    as_json: AsJson = False,
) -> int:
    """List the node's actors: who runs, how busy each is, and how late the event loop.

    Where it runs: anywhere that reaches the node, over HTTPS as operator, approver or auditor. All
    figures are since the process began.

    Examples:
      rtgf actors
      rtgf actors --json
    """
    told = connection.settings(config)
    with connection.node(told, certificate=cert, key=key) as node:
        seen = node.overview()
    document = {
        "actors": msgspec.to_builtins(seen.actors),
        "loop_lag_seconds": msgspec.to_builtins(seen.figures.loop_lag_seconds),
        "verify_ms": msgspec.to_builtins(seen.figures.verify_ms),
    }
    output.result(document, text(seen), as_json=as_json)
    return 0


def text(seen: OverviewAnswer) -> str:
    """Return the actors as lines for people."""
    late = _thousand(seen.figures.loop_lag_seconds.quantile(0.99))
    takes = seen.figures.verify_ms.quantile(0.99)
    return "\n".join(
        [
            output.table(HEADERS, [_row(one) for one in seen.actors]),
            "",
            f"event loop late, p99   {output.milliseconds(late)}",
            f"/verify takes, p99     {output.milliseconds(takes)}",
        ]
    )


def _row(one: ActorFigures) -> tuple[object, ...]:
    waits = one.wait_seconds / one.requests if one.requests else None
    return (
        one.name,
        one.state,
        one.restarts,
        None if one.capacity is None else f"{one.depth}/{one.capacity}",
        None if one.capacity is None else one.peak,
        None if one.capacity is None else one.requests,
        output.milliseconds(_thousand(waits)),
        output.milliseconds(_quantile(one.served, 0.5)),
        output.milliseconds(_quantile(one.served, 0.99)),
        one.last_error,
    )


def _quantile(tally: Tally | None, share: float) -> float | None:
    return None if tally is None else _thousand(tally.quantile(share))


def _thousand(seconds: float | None) -> float | None:
    return None if seconds is None else seconds * 1000
