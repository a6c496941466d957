"""`rtgf keys prepare`, `sign`, `rotate` and `revoke`: from new keys to their being in force."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Annotated

import msgspec
from cyclopts import Parameter

from rtgf_node.cli import connection, output
from rtgf_node.cli.connection import CertificateFile, ConfigFile, KeyFile
from rtgf_node.cli.output import AsJson
from rtgf_node.cli.policy_sign import read_passphrase
from rtgf_node.cli.verify import read_json
from rtgf_node.core import base64url, checkpoint
from rtgf_node.core.canonical_json import canonical_bytes
from rtgf_node.errors import Code, RtgfError
from rtgf_node.keys import key_change, key_files
from rtgf_node.keys.key_change import KeyEntry, KeyRequest
from rtgf_node.keys.key_files import SignedKeys
from rtgf_node.keys.key_provider import FileKeyProvider
from rtgf_node.system_clock import SystemClock
from rtgf_node.whole_file import write_whole
from rtgf_node.wire.keys import KeyChangeAnswer, KeyChangeRequest

MAX_BYTES = 1 << 20
"""Of a request or a signed key set; a thousand keys are half of it."""

Signed = Annotated[Path, Parameter(help="What `rtgf keys sign` wrote.")]
Reason = Annotated[str, Parameter(help="Why, for the log.")]


def prepare(
    *,
    out: Annotated[Path, Parameter(help="Where the request to the root goes.")],
    revoke: Annotated[
        str | None, Parameter(help="Replace only this key, which is to vouch for nothing more.")
    ] = None,
    config: ConfigFile = None,
    as_json: AsJson = False,
) -> int:
    """Make new online keys, sealed beside the old ones, and write what the root is to sign.

    Nothing is signed with them until they are in force. The log's new verifier key is for
    those who pin the old one: witnesses and peers.

    Where it runs: on the node's machine, as the user that owns its keys; the node may run.

    Examples:
      rtgf keys prepare --out request.json
      rtgf keys prepare --out request.json --revoke fma.example:ed25519:2026-11:001
    """
    told, at = connection.settings(config), SystemClock().now()
    # Before a key is made: keys that the node cannot read would stop its next start.
    if told.keys.folder.stat().st_uid != os.geteuid():
        raise RtgfError(
            Code.RTGF_CONFIG_INVALID,
            f"{told.keys.folder} belongs to another user; run this as the user of the node",
        )
    if out.is_dir() or not out.parent.is_dir():
        raise RtgfError(Code.RTGF_INPUT_INVALID, f"{out} is no file in a folder that is there")
    held = key_files.load(told.keys, at=at)
    provider = FileKeyProvider.open(told.keys.folder, read_passphrase(told.keys.passphrase_file))
    request = key_change.prepare(provider, held, issuer=told.node.issuer, at=at, revoke=revoke)
    write_whole(out, canonical_bytes(msgspec.to_builtins(request)))
    before = {key.kid for key in held.keys}
    shown = [one for one in request.keys if one.kid not in before or one.kid == revoke]
    lines = [_line(one) for one in shown]
    for one in shown:
        if one.purpose == "log" and one.kid not in before:
            name = checkpoint.verifier_key(told.log_origin(), base64url.decode(one.public))
            lines.append(f"verifier key of the log: {name}")
    lines.append(f"to be signed by the root: {out}")
    lines.append(f"then: rtgf keys sign {out} --root FOLDER --passphrase-file FILE --out FILE")
    output.result(request, "\n".join(lines), as_json=as_json)
    return 0


def sign(
    request: Annotated[Path, Parameter(help="What `rtgf keys prepare` wrote.")],
    *,
    root: Annotated[Path, Parameter(help="The folder of the sealed root key.")],
    passphrase_file: Annotated[Path, Parameter(help="A file with the root key's passphrase.")],
    out: Annotated[Path, Parameter(help="Where the signed key set goes.")],
    as_json: AsJson = False,
) -> int:
    """Sign a request with the root key, after showing every key it names.

    Where it runs: on the offline machine that has the root key; no network and no node.

    Examples:
      rtgf keys sign request.json --root root --passphrase-file pass.txt --out signed.json
      rtgf keys sign request.json --root root --passphrase-file p --out signed.json --json
    """
    try:
        asked = msgspec.convert(read_json(request, limit=MAX_BYTES), KeyRequest)
    except msgspec.ValidationError as error:
        raise RtgfError(Code.RTGF_INPUT_INVALID, f"{request} is no request: {error}") from error
    signer = FileKeyProvider.open(root, read_passphrase(passphrase_file)).signer("root")
    write_whole(out, key_change.sign(asked, signer))
    lines = [
        *map(_line, asked.keys),
        f"number {asked.sequence}, signed by {signer.kid}: {out}",
        f'then: rtgf keys rotate {out} --reason "..."; for a revoked key: rtgf keys revoke',
    ]
    output.result(asked, "\n".join(lines), as_json=as_json)
    return 0


def rotate(
    signed: Signed,
    *,
    reason: Reason,
    config: ConfigFile = None,
    cert: CertificateFile = None,
    key: KeyFile = None,
    as_json: AsJson = False,
) -> int:
    """Put new keys into force; the node signs with them at once, old ones verify for 7 days.

    Where it runs: anywhere that reaches the node, over HTTPS as operator.

    Examples:
      rtgf keys rotate signed.json --reason "quarterly rotation"
      rtgf keys rotate signed.json --reason "quarterly rotation" --json
    """
    with connection.node(connection.settings(config), certificate=cert, key=key) as node:
        answer = node.rotate_keys(_change(signed, reason))
    output.result(answer, _text(answer), as_json=as_json)
    return 0


def revoke(
    kid: Annotated[str, Parameter(help="The key, as `rtgf keys list` shows it.")],
    signed: Signed,
    *,
    reason: Reason,
    config: ConfigFile = None,
    cert: CertificateFile = None,
    key: KeyFile = None,
    as_json: AsJson = False,
) -> int:
    """Have a key vouch for nothing more: what only it signed is refused from now on.

    Where it runs: anywhere that reaches the node, over HTTPS as operator.

    Examples:
      rtgf keys revoke fma.example:ed25519:2026-11:001 signed.json --reason "stolen"
      rtgf keys revoke fma.example:ed25519:2026-11:001 signed.json --reason "stolen" --json
    """
    with connection.node(connection.settings(config), certificate=cert, key=key) as node:
        answer = node.revoke_key(kid, _change(signed, reason))
    output.result(answer, _text(answer), as_json=as_json)
    return 0


def _change(signed: Path, reason: str) -> KeyChangeRequest:
    try:
        said = msgspec.convert(read_json(signed, limit=MAX_BYTES), SignedKeys)
    except msgspec.ValidationError as error:
        raise RtgfError(Code.RTGF_INPUT_INVALID, f"{signed} is not signed: {error}") from error
    return KeyChangeRequest(said.manifest, said.jwks, reason)


def _line(key: KeyEntry) -> str:
    end = "" if key.revoked_at is None else f"  REVOKED {key.revoked_at}"
    return f"{key.kid}  {key.purpose}  from {key.issued_at} to {key.expires_at}{end}"


def _text(answer: KeyChangeAnswer) -> str:
    if answer.approval_id is not None:
        return f"waits for a second person: rtgf approvals approve {answer.approval_id}"
    changed = [f"new: {kid}" for kid in answer.added]
    changed += [f"revoked: {kid}" for kid in answer.revoked]
    return "\n".join([*changed, f"key set {answer.sequence} is in force"])
