"""`rtgf explain`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

from cyclopts import Parameter

from rtgf_node import wire
from rtgf_node.cli import connection, output, policy_files
from rtgf_node.cli.connection import CertificateFile, ConfigFile, KeyFile
from rtgf_node.cli.output import AsJson
from rtgf_node.cli.policy_files import ListFiles
from rtgf_node.cli.verify import read, read_json
from rtgf_node.core import times, tokens
from rtgf_node.core.canonical_json import JsonValue
from rtgf_node.core.identifiers import token_reference
from rtgf_node.core.list_answers import ListAnswers
from rtgf_node.core.policy import decide
from rtgf_node.core.policy import explain as explaining
from rtgf_node.errors import Code
from rtgf_node.system_clock import SystemClock

DENIED_EXIT = Code.RTGF_VERIFY_POLICY_DENY.value.exit_code


def explain(
    token: Annotated[str, Parameter(help="A token as a file, or its id or URI at the node.")],
    context: Annotated[Path, Parameter(help="JSON file: what is to be done.")],
    *,
    at: Annotated[
        str | None, Parameter(help="Decide as of this time, such as 2027-01-01T00:00:00Z.")
    ] = None,
    list_: ListFiles = None,
    config: ConfigFile = None,
    cert: CertificateFile = None,
    key: KeyFile = None,
    as_json: AsJson = False,
) -> int:
    """Decide, and say why in words to give to a customer: clause, what was compared, which law.

    Where it runs: with a file anywhere, with no network (the token is taken at its word; `rtgf
    verify` checks it, and rules that screen names need the lists, by --list, in the version that
    the token names); with an id anywhere that reaches the node, over HTTPS. Exit code 0 permitted,
    14 denied.

    Examples:
      rtgf explain rmt-eu.json payment.json --list un-sc=un-xml:consolidated.xml
      rtgf explain IMT:EU-SG:payments_aml:2026-10.1 payment.json
    """
    asked = read_json(context)
    if Path(token).exists():
        told = _here(Path(token), asked, at, policy_files.answers(list_))
    else:
        settings = connection.settings(config)
        with connection.node(settings, certificate=cert, key=key) as node:
            answer = node.evaluate(wire.EvaluateRequest(token, asked, at), explain=True)
        told = {
            "token": token_reference(answer.token),
            "decision": answer.decision,
            "reasons": answer.reasons,
            "controls": answer.controls,
            "trace_digest": answer.trace_digest,
            "explanation": (answer.explanation or "").splitlines(),
        }
    lines = [
        f"{told['decision']}  by {told['token']}",
        *told["explanation"],
        f"trace  {told['trace_digest']}",
    ]
    output.result(told, "\n".join(lines), as_json=as_json)
    return DENIED_EXIT if told["decision"] == "DENY" else 0


def _here(file: Path, asked: JsonValue, at: str | None, answers: ListAnswers) -> dict[str, Any]:
    token = tokens.parse(read(file, limit=tokens.MAX_TOKEN_BYTES))
    moment = SystemClock().now() if at is None else times.parse(at)
    for name in answers.keep(token):
        output.say(f"rtgf: the list {name} is of another version than the token was made with")
    decision = decide.decide(token, asked, at=moment, resolvers=answers.resolvers)
    for name in sorted(answers.missing):
        output.say(f"rtgf: the list {name} is not held here; name it with --list")
    return {
        "token": token.token_id,
        "decision": decision.decision,
        "reasons": list(decision.reasons),
        "controls": list(decision.controls),
        "trace_digest": decision.trace_digest,
        "explanation": explaining.sentences(decision, token.predicate_set or ()),
    }
