"""`rtgf check`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

from cyclopts import Parameter

from rtgf_node.cli import connection, output, pinned
from rtgf_node.cli.connection import ConfigFile
from rtgf_node.cli.output import AsJson
from rtgf_node.cli.pinned import RootKey
from rtgf_node.cli.verify import read
from rtgf_node.core import evidence
from rtgf_node.core import evidence_check as judge
from rtgf_node.core.evidence_check import Verdict
from rtgf_node.core.keys import check_public_key
from rtgf_node.core.witness_policy import WitnessPolicy


def check(
    file: Annotated[Path, Parameter(help="An evidence file, as `GET /evidence/<token id>` gives.")],
    *,
    root_key: RootKey = None,
    witness_key: Annotated[
        list[str] | None,
        Parameter(
            negative="",
            help="Verifier key of a witness that must have cosigned the head; may be repeated.",
        ),
    ] = None,
    witness_quorum: Annotated[
        int | None, Parameter(help="How many of those witnesses are enough; else all.")
    ] = None,
    config: ConfigFile = None,
    as_json: AsJson = False,
) -> int:
    """Judge a token by its evidence file: what it is, when it was logged, its status then.

    Where it runs: anywhere, with no network; it needs the file and the issuer's public root key,
    and it writes nothing. Cosignatures are checked of those witnesses alone whose keys are given.
    Exit code 0 the token was in force when the file was written, 10 a signature or key, 11 outside
    its time, 12 revoked or suspended, 13 not what the log holds, 65 malformed.

    Examples:
      rtgf check evidence.json --root-key 11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo
      rtgf check evidence.json --witness-key witness.example+1a2b3c4d+BFLN3yik... --json
    """
    public = pinned.root_key(root_key or connection.settings(config).keys.root_public)
    check_public_key(public)
    witnesses = WitnessPolicy.of(witness_key or (), witness_quorum)
    data = read(file, limit=evidence.MAX_BYTES)
    verdict = judge.check(data, root_public=public, witnesses=witnesses)
    output.result(verdict, text(verdict), as_json=as_json)
    code = verdict.code()
    return 0 if code is None else code.value.exit_code


def text(verdict: Verdict) -> str:
    """Return a verdict as lines for people."""
    said = "GENUINE AND IN FORCE" if verdict.reason is None else f"GENUINE, BUT {verdict.reason}"
    withdrawn = f", {verdict.status_reason}" if verdict.status_reason else ""
    lines = [
        f"{said}  at {verdict.status_at}",
        f"token     {verdict.uri}",
        f"          {verdict.type} of {verdict.place}, {verdict.domain}, by {verdict.issuer}",
        f"hash      {verdict.canonical_hash}",
        *(f"signer    {kid}" for kid in verdict.signed_by),
        f"holds     {verdict.nbf} to {verdict.exp}",
        f"issued    {verdict.issued_at}, entry {verdict.leaf_index} of {verdict.origin}",
        *(f"rules     {name}" for name in verdict.snapshots),
        *(f"terms     {name}" for name in verdict.terms),
        *(f"list      {name}" for name in verdict.datasets),
        f"head      {verdict.tree_size} entries at {verdict.head_at}, {verdict.root_hash}",
        *(f"cosigned  {one.name} saw this head at {one.at}" for one in verdict.cosigned),
        *(f"UNCHECKED a line of {name}: no key for it was given" for name in verdict.unchecked),
        f"status    {verdict.status}{withdrawn}, as of revocation {verdict.revEpoch}",
        "not known from a file: what happened after it was written; ask a node for that",
    ]
    return "\n".join(lines)
