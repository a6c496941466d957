"""`rtgf check`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

from cyclopts import Parameter

from rtgf_node.cli import connection, output
from rtgf_node.cli.connection import ConfigFile
from rtgf_node.cli.output import AsJson
from rtgf_node.cli.verify import read
from rtgf_node.core import base64url, evidence
from rtgf_node.core import evidence_check as judge
from rtgf_node.core.evidence_check import Verdict
from rtgf_node.core.keys import check_public_key
from rtgf_node.errors import Code, RtgfError


def check(
    file: Annotated[Path, Parameter(help="An evidence file, as `GET /evidence/<token id>` gives.")],
    *,
    root_key: Annotated[
        str | None,
        Parameter(help="Pinned public root key, base64url; else keys.root_public of the settings."),
    ] = None,
    config: ConfigFile = None,
    as_json: AsJson = False,
) -> int:
    """Judge a token by its evidence file: what it is, when it was logged, its status then.

    Where it runs: anywhere, with no network; it needs the file and the issuer's public root key,
    and it writes nothing. Exit code 0 the token was in force when the file was written, 10 a
    signature or key, 11 outside its time, 12 revoked or suspended, 13 not what the log holds, 65
    malformed.

    Examples:
      rtgf check evidence.json --root-key 11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo
      rtgf check evidence.json --json
    """
    pinned = root_key or connection.settings(config).keys.root_public
    if pinned is None:
        raise RtgfError(
            Code.RTGF_CONFIG_INVALID, "no root key is pinned: give --root-key or keys.root_public"
        )
    public = base64url.decode(pinned)
    check_public_key(public)
    verdict = judge.check(read(file, limit=evidence.MAX_BYTES), root_public=public)
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
        *(f"list      {name}" for name in verdict.datasets),
        f"head      {verdict.tree_size} entries at {verdict.head_at}, {verdict.root_hash}",
        *(f"cosigner  {name} (its key is not checked here)" for name in verdict.cosigners),
        f"status    {verdict.status}{withdrawn}, as of revocation {verdict.revEpoch}",
        "not known from a file: what happened after it was written; ask a node for that",
    ]
    return "\n".join(lines)
