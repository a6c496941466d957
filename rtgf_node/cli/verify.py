"""`rtgf verify`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

from cyclopts import Parameter

from rtgf_node import wire
from rtgf_node.cli import connection, output
from rtgf_node.cli.connection import CertificateFile, ConfigFile, KeyFile
from rtgf_node.cli.output import AsJson
from rtgf_node.client import Node
from rtgf_node.core import canonical_json, tokens
from rtgf_node.core.canonical_json import JsonValue
from rtgf_node.core.identifiers import token_reference
from rtgf_node.core.keys import KeySet
from rtgf_node.errors import Code, RtgfError
from rtgf_node.system_clock import SystemClock

USAGE_EXIT = 2
MAX_CONTEXT_BYTES = 1 << 20
"""As much as a node takes in one request."""

MAX_KEY_SET_BYTES = 1 << 20
"""A thousand keys, the most that one set may hold, are a third of it."""


def verify(
    file: Annotated[
        Path | None, Parameter(help="A token as JSON, to be checked by itself.")
    ] = None,
    *,
    jwks: Annotated[
        Path | None, Parameter(help="With FILE: the key set to check its signatures with.")
    ] = None,
    rmt: Annotated[str | None, Parameter(help="Token id or URI.")] = None,
    imt: Annotated[str | None, Parameter(help="Token id or URI.")] = None,
    corridor: Annotated[
        str | None, Parameter(help="Such as EU-SG; without --imt and --rmt, its newest tokens.")
    ] = None,
    domain: Annotated[str | None, Parameter(help="Such as payments_aml.")] = None,
    context: Annotated[
        Path | None, Parameter(help="JSON file: what is to be done, for the policy to decide.")
    ] = None,
    explain: Annotated[
        bool, Parameter(negative="", help="Say in words which clause of which law decided.")
    ] = False,
    config: ConfigFile = None,
    cert: CertificateFile = None,
    key: KeyFile = None,
    as_json: AsJson = False,
) -> int:
    """Ask whether tokens are valid and whether the policy permits what is to be done.

    Where it runs: anywhere that reaches the node, over HTTPS; with FILE and --jwks, with no network
    at all (then revocation is not checked, and it says so). Exit code 0 valid, 10 signature, 11
    expired, 12 revoked, 13 not in the log, 14 denied, 65 bad input, 66 not found.

    Examples:
      rtgf verify --corridor EU-SG --domain payments_aml --context payment.json --explain
      rtgf verify --rmt RMT:EU:payments_aml:2026-10.1
      rtgf verify token.json --jwks jwks.json
    """
    if file is not None or jwks is not None:
        if file is None or jwks is None:
            output.say("rtgf: checking a file needs both FILE and --jwks")
            return USAGE_EXIT
        return _offline(file, jwks, as_json=as_json)
    if rmt is None and (corridor is None or domain is None):
        output.say("rtgf: name the tokens with --rmt (and --imt), or give --corridor and --domain")
        return USAGE_EXIT
    told = connection.settings(config)
    asked = read_json(context) if context else None
    with connection.node(told, certificate=cert, key=key) as node:
        if rmt is None:
            rmt, imt = newest_of(node, corridor or "", domain or "", imt=imt)
        answer = node.verify(
            wire.VerifyRequest(
                tokens=wire.VerifyTokens(rmt=rmt, imt=imt),
                context=asked,
                corridor=corridor,
                domain=domain,
            )
        )
        why = None
        if explain and asked is not None:
            why = node.evaluate(wire.EvaluateRequest(imt or rmt, asked), explain=True).explanation
    document = answer if why is None else {**_members(answer), "explanation": why}
    output.result(document, text(answer, why), as_json=as_json)
    return exit_code(answer)


def newest_of(node: Node, corridor: str, domain: str, *, imt: str | None = None) -> tuple[str, str]:
    """Return the ids of an RMT and of the IMT that rests on it, of a corridor's newest tokens.

    Raises:
      RtgfError: RTGF_VERIFY_TOKEN_NOT_FOUND if the corridor has no valid one.
    """
    token = tokens.parse(node.token(imt) if imt else node.imt(corridor, domain))
    if not token.derived_from:
        raise RtgfError(
            Code.RTGF_VERIFY_CHAIN_MISMATCH, f"{token.token_id} does not say what it rests on"
        )
    return token.derived_from[0], token.token_id


def exit_code(answer: wire.VerifyAnswer) -> int:
    """Return the exit code of a verdict: that of its reason."""
    if answer.valid:
        return 0
    codes = {code.name: code for code in Code}
    return codes.get(answer.reason or "", Code.RTGF_INTERNAL).value.exit_code


def text(answer: wire.VerifyAnswer, explanation: str | None) -> str:
    """Return a verdict as lines for people."""
    verdict = "VALID" if answer.valid else f"NOT VALID  {answer.reason}"
    lines = [f"{verdict}  {answer.decision or ''}".rstrip(), f"revEpoch  {answer.revEpoch}"]
    lines += [f"reason    {reason}" for reason in answer.reasons]
    lines += [f"control   {control}" for control in answer.controls]
    lines += [
        f"token     {token_reference(token.uri)}  "
        f"{'valid' if token.valid else token.reason}  until {token.exp}"
        for token in answer.tokens
    ]
    if answer.trace_digest is not None:
        lines.append(f"trace     {answer.trace_digest}")
    if explanation:
        lines += ["", explanation]
    return "\n".join(lines)


def read(path: Path, *, limit: int = MAX_CONTEXT_BYTES) -> bytes:
    """Return the bytes of a file that the user named.

    Raises:
      RtgfError: RTGF_INPUT_INVALID if it cannot be read or is too large.
    """
    try:
        with path.open("rb") as file:
            data = file.read(limit + 1)
    except OSError as error:
        raise RtgfError(
            Code.RTGF_INPUT_INVALID, f"{path} cannot be read: {error.strerror}"
        ) from error
    if len(data) > limit:
        raise RtgfError(Code.RTGF_INPUT_INVALID, f"{path} is larger than {limit} bytes")
    return data


def read_json(path: Path, *, limit: int = MAX_CONTEXT_BYTES) -> JsonValue:
    """Return the JSON in a file that the user named.

    Raises:
      RtgfError: as `read` does; RTGF_JSON_INVALID at its place in the file.
    """
    try:
        return canonical_json.parse(read(path, limit=limit), max_bytes=limit)
    except RtgfError as error:
        if error.code is not Code.RTGF_JSON_INVALID:
            raise
        raise RtgfError(error.code, error.detail, pointer=f"{path}:{error.pointer or 1}") from error


def _offline(file: Path, jwks: Path, *, as_json: bool) -> int:
    """Check one token by itself: type, schema, hash, keys, signatures, window."""
    keys = KeySet.from_jwks(read_json(jwks, limit=MAX_KEY_SET_BYTES))
    body = read(file, limit=tokens.MAX_TOKEN_BYTES)
    token = tokens.check(body, keys=keys, at=SystemClock().now())
    told = {
        "valid": True,
        "token_id": token.token_id,
        "canonical_hash": token.canonical_hash,
        "signed_by": [signature.kid for signature in token.signatures],
        "exp": token.effective.exp,
        "revocation_checked": False,
    }
    lines = [
        f"VALID  {token.token_id}  until {token.effective.exp}",
        f"hash   {token.canonical_hash}",
        *(f"signer {signature.kid}" for signature in token.signatures),
        "not checked here: whether it was revoked since; ask a node for that",
    ]
    output.result(told, "\n".join(lines), as_json=as_json)
    return 0


def _members(answer: wire.VerifyAnswer) -> wire.Document:
    return {name: getattr(answer, name) for name in answer.__struct_fields__}
