"""`rtgf waiver`: an approver lets clauses pass that no template serves."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

from cyclopts import App, Parameter

from rtgf_node.cli import connection, output
from rtgf_node.cli.connection import CertificateFile, ConfigFile, KeyFile
from rtgf_node.cli.help import help_of
from rtgf_node.cli.output import AsJson
from rtgf_node.cli.policy_files import library
from rtgf_node.cli.policy_sign import Keys, Passphrase, read_passphrase
from rtgf_node.cli.verify import read
from rtgf_node.core import snapshot, waiver
from rtgf_node.keys.key_provider import FileKeyProvider
from rtgf_node.system_clock import SystemClock
from rtgf_node.whole_file import write_whole
from rtgf_node.wire.waivers import WaiversAnswer

app = App(name="waiver", help="Let clauses pass that no template serves, as an approver.")


def sign(
    file: Annotated[Path, Parameter(help="The signed snapshot.")],
    *,
    clause: Annotated[list[str], Parameter(negative="", help="A clause; repeat for several.")],
    reason: Annotated[str, Parameter(help="Why it may pass; it goes into the log.")],
    approver: Annotated[str, Parameter(help="Who approves, such as did:web:fma.example.")],
    keys: Keys,
    passphrase_file: Passphrase,
    out: Annotated[Path, Parameter(help="Where to write the waiver.")],
    as_json: AsJson = False,
) -> int:
    """Write and sign a waiver of clauses of this very snapshot; its next version needs its own.

    Where it runs: where the approver keeps the keys (`rtgf policy key --use approver`); no network.

    Examples:
      rtgf waiver sign eu.json --clause eu.poem --reason "read by hand" --approver \
        did:web:fma.example --keys approver --passphrase-file pass.txt --out waiver.json
      rtgf waiver sign sg.json --clause a --clause b --reason "no machine can tell" --approver \
        did:web:fma.example --keys approver --passphrase-file pass.txt --out waiver.json --json
    """
    _, held = snapshot.read(
        read(file, limit=snapshot.MAX_SNAPSHOT_BYTES), max_ttl_sec=snapshot.ANY_TTL
    )
    at = SystemClock().now()
    provider = FileKeyProvider.open(keys, read_passphrase(passphrase_file))
    body = waiver.seal(
        held.policy_snapshot_hash,
        dict.fromkeys(clause, reason),
        approver=approver,
        at=at,
        signers=[provider.signer("approver", at=at)],
    )
    made = waiver.read(body)
    waiver.check_against(made, held, library())
    write_whole(out, body)
    told = {"file": str(out), "digest": waiver.digest(body), "clauses": clause}
    text = f"{out}: {', '.join(clause)} of {held.id} may pass; then: rtgf waiver push {out}"
    output.result(told, text, as_json=as_json)
    return 0


def push(
    file: Annotated[Path, Parameter(help="A waiver that a pinned approver signed.")],
    *,
    config: ConfigFile = None,
    cert: CertificateFile = None,
    key: KeyFile = None,
    as_json: AsJson = False,
) -> int:
    """Hand a waiver to the node; the next build lets its clauses pass and says so in the token.

    Where it runs: anywhere that reaches the node, over HTTPS as approver.

    Examples:
      rtgf waiver push waiver.json
      rtgf waiver push waiver.json --json
    """
    body = read(file, limit=waiver.MAX_WAIVER_BYTES)
    told = connection.settings(config)
    with connection.node(told, certificate=cert, key=key, approver=cert is None) as node:
        answer = node.push_waiver(body)
    output.result(answer, f"{answer.outcome}  {answer.digest}", as_json=as_json)
    return 0


def list_waivers(
    *,
    config: ConfigFile = None,
    cert: CertificateFile = None,
    key: KeyFile = None,
    as_json: AsJson = False,
) -> int:
    """List the waivers of a node, and the clauses that halted its newest halted build.

    Where it runs: anywhere that reaches the node, over HTTPS as operator, approver or auditor.

    Examples:
      rtgf waiver list
      rtgf waiver list --json
    """
    told = connection.settings(config)
    with connection.node(told, certificate=cert, key=key) as node:
        answer = node.waivers()
    output.result(answer, text(answer), as_json=as_json)
    return 0


def text(answer: WaiversAnswer) -> str:
    """Return the lists as lines for people."""
    lines = [
        f"waived   {clause['clause_id']}  by {one.waiver['approver']} at {one.taken_at}"
        f"  {clause['reason']}"
        for one in answer.waivers
        for clause in one.waiver["clauses"]
    ]
    lines += [
        f"halted   {one['clause_id']} of {one['snapshot']}, {one['citation']['instrument']},"
        f" {one['citation']['article']}: {one['reason']}"
        for one in answer.manual_review
    ]
    return "\n".join(lines) or "no waivers, and nothing waits for one"


for _verb, _name in ((sign, "sign"), (push, "push"), (list_waivers, "list")):
    app.command(_verb, name=_name, **help_of(_verb))
