"""`rtgf compile`."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable
from typing import Annotated

from cyclopts import Parameter

from rtgf_node.cli import connection, output
from rtgf_node.cli.connection import CertificateFile, ConfigFile, KeyFile
from rtgf_node.cli.output import AsJson
from rtgf_node.client import Node
from rtgf_node.errors import Code
from rtgf_node.wire import BuildAnswer, BuildProgress, BuildStage, CompileRequest, Document

POLL_SECONDS = 0.3
"""Between two looks at a running build; a build of a small matrix takes seconds."""


def compile(  # noqa: A001 - the verb's name
    *,
    jurisdiction: Annotated[
        list[str] | None, Parameter(negative="", help="Only these; repeat for several.")
    ] = None,
    domain: Annotated[
        list[str] | None, Parameter(negative="", help="Only these; repeat for several.")
    ] = None,
    accept_conflicts: Annotated[
        bool,
        Parameter(
            negative="",
            help="Publish corridors whose rules differ, with the stricter one; as approver.",
        ),
    ] = False,
    config: ConfigFile = None,
    cert: CertificateFile = None,
    key: KeyFile = None,
    as_json: AsJson = False,
) -> int:
    """Build the tokens that are due, show each stage, and wait for the end.

    What cannot be built is named with its reason and stops nothing else; the exit code is then its
    own. Ctrl-C cancels the build.

    Where it runs: anywhere that reaches the node, over HTTPS as operator (as approver with
    --accept-conflicts); the node builds, twice, and publishes all of it or nothing.

    Examples:
      rtgf compile
      rtgf compile --accept-conflicts
    """
    told = connection.settings(config)
    request = CompileRequest(
        jurisdictions=jurisdiction, domains=domain, accept_conflicts=accept_conflicts
    )
    with connection.node(
        told, certificate=cert, key=key, approver=accept_conflicts and cert is None
    ) as node:
        answer = build(node, request, tell=_tell, progress=_progress)
    output.result(answer, text(answer), as_json=as_json)
    failed = answer.code or next((str(entry["code"]) for entry in answer.failed), None)
    if failed is None:
        return 0
    codes = {code.name: code for code in Code}
    return codes.get(failed, Code.RTGF_INTERNAL).value.exit_code


def build(
    node: Node,
    request: CompileRequest,
    *,
    tell: Callable[[BuildStage], None],
    progress: Callable[[BuildProgress | None], None] = lambda _: None,
    wait: Callable[[float], None] = time.sleep,
) -> BuildAnswer:
    """Start a build, `tell` every stage once as it is reached, and return how it ended.

    `progress` is told how far a stage is. Interrupted, it has the build cancelled.

    Raises:
      RtgfError: the node refused to start it or cannot be reached any more.
    """
    answer = node.compile(request)
    told = 0
    try:
        while True:
            progress(None)
            for stage in answer.stages[told:]:
                tell(stage)
            told = len(answer.stages)
            if answer.state != "running":
                return answer
            progress(answer.progress)
            wait(POLL_SECONDS)
            answer = node.build(answer.build_id)
    except KeyboardInterrupt:
        node.cancel_build(answer.build_id)
        raise


def text(answer: BuildAnswer) -> str:
    """Return the end of a build as lines for people."""
    lines = [f"build {answer.build_id}: {answer.state.replace('_', ' ')}"]
    if answer.issued:
        lines += [f"issued {len(answer.issued)}", *(f"  {name}" for name in answer.issued)]
    if answer.held:
        lines += [
            f"held {len(answer.held)}: their rules differ, and an approver has to accept the "
            "stricter ones (rtgf compile --accept-conflicts)",
            *(f"  {name}" for name in answer.held),
        ]
    if answer.state == "waiting":
        lines.append(answer.stages[-1].detail)
        lines.append("an approver looks at it with: rtgf approvals list")
    if answer.unsatisfiable:
        lines.append(f"unsatisfiable {len(answer.unsatisfiable)}: no token can hold both rules")
        lines += [
            "  " + "  ".join(f"{name}: {value}" for name, value in entry.items())
            for entry in answer.unsatisfiable
        ]
    for entry in answer.failed:
        lines.append(f"failed {entry['jurisdiction']} {entry['domain']}")
        lines.append(f"  {entry['code']}: {entry['detail']}")
        lines += _because(entry.get("causes", []))
    if answer.code is not None and not answer.failed:
        lines.append(f"{answer.code}: {answer.detail}")
        lines += _because(answer.causes)
    return "\n".join(lines)


def _because(causes: list[Document], indent: str = "  ") -> list[str]:
    lines: list[str] = []
    for cause in causes:
        lines.append(f"{indent}because {cause.get('code')}: {cause.get('detail')}")
        lines += _because(cause.get("causes", []), indent + "  ")
    return lines


def _progress(progress: BuildProgress | None) -> None:
    """Show how far it is on a line that the next word overwrites; only to a person."""
    if not sys.stderr.isatty():
        return
    text = "" if progress is None else f"{progress.stage}: {progress.done} of {progress.total}"
    sys.stderr.write(f"\r\x1b[K{text}")
    sys.stderr.flush()


def _tell(stage: BuildStage) -> None:
    output.say(f"{stage.at}  {stage.stage:<8} {stage.detail}")
