"""`rtgf status`."""

from __future__ import annotations

from typing import Annotated

from cyclopts import Parameter

from rtgf_node.cli import connection, output
from rtgf_node.cli.connection import CertificateFile, ConfigFile, KeyFile
from rtgf_node.cli.output import AsJson
from rtgf_node.wire import StatusAnswer

NOT_READY_EXIT = 3
"""It answers, but is not ready; as `systemctl status` has it."""


def status(
    *,
    config: ConfigFile = None,
    cert: CertificateFile = None,
    key: KeyFile = None,
    strict: Annotated[
        bool, Parameter(negative="", help="Exit 3 when something is old, too.")
    ] = False,
    as_json: AsJson = False,
) -> int:
    """Say whether the node is ready, what it holds, and what is old.

    Where it runs: anywhere that reaches the node, over HTTPS as operator or auditor. Exit code 0
    ready, 3 not ready, 4 not reachable.

    Examples:
      rtgf status
      rtgf status --strict --json
    """
    told = connection.settings(config)
    with connection.node(told, certificate=cert, key=key) as node:
        answer = node.status()
    output.result(answer, _text(answer), as_json=as_json)
    good = {"ready"} if strict else {"ready", "degraded"}
    return 0 if answer.ready.state in good else NOT_READY_EXIT


def _text(answer: StatusAnswer) -> str:
    lines = [
        f"{answer.issuer}  rtgf {answer.version}  {answer.ready.state.replace('_', ' ').upper()}",
        *(["", f"HALTED: {answer.halted}"] if answer.halted else []),
        "",
        output.table(
            ("alert", "severity", "since", "what", "what to do"),
            [
                (one.name, one.severity, one.since, f"{one.sentence}: {one.detail}", one.runbook)
                for one in answer.alerts
            ],
            none="no alert stands",
        ),
        "",
        output.table(
            ("check", "state", "detail"),
            [
                (check.name, "ok" if check.ok else "NOT OK", check.detail)
                for check in answer.ready.checks
            ],
        ),
        "",
        f"log        {answer.tree_size} events, head of {answer.head_issued_at}",
        f"root       {answer.root_hash}",
        f"tokens     {answer.tokens}",
        f"snapshots  {answer.snapshots}",
        f"revEpoch   {answer.revEpoch}",
        "",
        output.table(
            ("list", "records", "version", "state"),
            [
                (
                    dataset.name,
                    dataset.records,
                    dataset.version,
                    _freshness(fresh=dataset.fresh, quarantined=dataset.quarantined),
                )
                for dataset in answer.datasets
            ],
            none="no lists are in use",
        ),
        "",
        output.table(
            ("actor", "state", "restarts", "waiting", "peak", "p50", "p99"),
            [
                (
                    actor.name,
                    actor.state,
                    actor.restarts,
                    f"{actor.depth}/{actor.capacity}",
                    actor.peak,
                    output.milliseconds(actor.p50_ms),
                    output.milliseconds(actor.p99_ms),
                )
                for actor in answer.actors
            ],
        ),
    ]
    return "\n".join(lines)


def _freshness(*, fresh: bool, quarantined: str | None) -> str:
    if quarantined is not None:
        return f"quarantined: {quarantined}"
    return "fresh" if fresh else "STALE"
