"""`rtgf policy key` and `rtgf policy sign`: an authority's keys, and what they are for."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any, Literal

import msgspec
from cyclopts import Parameter
from cyclopts.validators import Number

from rtgf_node.cli import output, policy_files
from rtgf_node.cli.output import AsJson
from rtgf_node.cli.policy_check import INVALID_EXIT, text
from rtgf_node.cli.policy_files import ListFiles, OwnLibrary
from rtgf_node.cli.verify import read
from rtgf_node.core import canonical_json, identifiers, jose, snapshot, times
from rtgf_node.core.keys import KeySet
from rtgf_node.core.snapshot_check import check, waits
from rtgf_node.errors import Code, RtgfError
from rtgf_node.keys.key_provider import FileKeyProvider
from rtgf_node.system_clock import SystemClock
from rtgf_node.whole_file import write_whole

MORE_SIGNATURES_EXIT = 3
"""It was signed, but not yet by as many as the snapshot asks for."""

MAX_PASSPHRASE_BYTES = 1 << 12
"""Far more than anybody types."""

KEY_DAYS = 730
"""A key of an authority; it signs a few times a year and is replaced by pinning the next one."""

Keys = Annotated[Path, Parameter(help="The folder of the authority's sealed keys.")]
Passphrase = Annotated[Path, Parameter(help="A file with the passphrase that seals the keys.")]


def key(
    *,
    keys: Keys,
    passphrase_file: Passphrase,
    issuer: Annotated[str, Parameter(help="Whose key it is, such as did:web:fma.example.")],
    use: Annotated[
        Literal["authority", "approver"],
        Parameter(help="To sign snapshots, or waivers."),
    ] = "authority",
    days: Annotated[int, Parameter(help="For how long the key may sign.")] = KEY_DAYS,
    number: Annotated[
        int | None,
        Parameter(
            help="The number in its id. Default: the next one in KEYS; whoever signs together with"
            " others, each with a folder of keys, takes one that nobody else has.",
            validator=Number(gte=1, lte=999),
        ),
    ] = None,
    as_json: AsJson = False,
) -> int:
    """Make a sealed key for an authority or an approver; its public half goes to KEYS/jwks.json.

    Where it runs: where the keys are kept; no network and no node. Whoever runs a node
    pins jwks.json; it is no secret.

    Examples:
      rtgf policy key --keys authority --passphrase-file pass.txt --issuer did:web:fma.example
      rtgf policy key --keys second --passphrase-file p --issuer did:web:fma.example --number 2
      rtgf policy key --keys approver --passphrase-file p --issuer did:web:a.example --use approver
    """
    at = SystemClock().now()
    passphrase = read_passphrase(passphrase_file)
    if any(keys.glob("*.key")):
        provider = FileKeyProvider.open(keys, passphrase)
    else:
        provider = FileKeyProvider.create(keys, passphrase)
    made = provider.generate(
        use, issuer=issuer, at=at, lifetime_seconds=days * 86_400, number=number
    )
    jwks = KeySet(one for one in provider.list() if one.use == use).to_jwks()
    write_whole(keys / "jwks.json", canonical_json.canonical_bytes(jwks))
    told = {"kid": made.kid, "expires_at": times.to_text(made.expires_at), "jwks": jwks}
    line = f"{made.kid} until {times.to_text(made.expires_at)}; to be pinned: {keys / 'jwks.json'}"
    output.result(told, line, as_json=as_json)
    return 0


def sign(
    file: Annotated[Path, Parameter(help="The snapshot or terms; must pass `rtgf policy check`.")],
    *,
    keys: Keys,
    passphrase_file: Passphrase,
    out: Annotated[Path, Parameter(help="Where to write it signed.")],
    kid: Annotated[
        list[str] | None,
        Parameter(negative="", help="Sign with this key; else with all valid ones of the issuer."),
    ] = None,
    list_: ListFiles = None,
    own: OwnLibrary | None = None,
    as_json: AsJson = False,
) -> int:
    """Check a snapshot or terms, fill in the hash, sign; signatures of the same content are kept.

    Where it runs: where the authority keeps its keys; no network and no node. A clause of the
    template `unmapped` is signed and waits for a waiver. Exit code 0 signed by as many keys as the
    snapshot asks for, 3 signed but by too few yet (the next signer takes OUT as FILE), 65 refused,
    as the check says.

    Examples:
      rtgf policy sign eu.json --keys authority --passphrase-file pass.txt --out eu.signed.json
      rtgf policy sign one.json --keys second --passphrase-file pass.txt --out two.json --json
    """
    data = read(file, limit=snapshot.MAX_SNAPSHOT_BYTES)
    report = check(
        data,
        policy_files.library(own),
        answers=policy_files.answers(list_),
        max_ttl_sec=snapshot.MAX_TTL_SECONDS,
    )
    if not all(map(waits, report.findings)):
        output.result(report, text(report, str(file)), as_json=as_json)
        return INVALID_EXIT
    for finding in report.findings:
        output.say(f"rtgf: needs an approver's waiver: {finding.pointer}")
    for scenario, why in report.scenarios_open.items():
        output.say(f"rtgf: not run: {scenario}: {why}")
    document: dict[str, Any] = canonical_json.parse_object(data, max_bytes=len(data))
    provider = FileKeyProvider.open(keys, read_passphrase(passphrase_file))
    chosen = _choose(provider, document["issuer"], kid, at=SystemClock().now())
    signed = msgspec.json.decode(
        snapshot.seal(document, [_Signer(provider, one) for one in chosen])
    )
    # The hash is in what is signed, so that kept signatures are of this very content.
    given = document.get("signatures", [])
    earlier = [one for one in given if one["kid"] not in chosen]
    _check_own(provider, [one for one in given if one["kid"] in chosen], signed)
    signed["signatures"] = [*earlier, *signed["signatures"]][: jose.MAX_SIGNATURES]
    write_whole(out, canonical_json.canonical_bytes(signed))
    kids = [one["kid"] for one in signed["signatures"]]
    asked = int(document.get("signature_threshold", 1))
    told = {
        "file": str(out),
        "id": document["id"],
        "policy_snapshot_hash": signed["policy_snapshot_hash"],
        "signed_by": kids,
        "threshold": asked,
        "complete": len(kids) >= asked,
    }
    lines = [
        f"{out}: {document['id']}, {len(kids)} of {asked} signatures",
        f"hash    {signed['policy_snapshot_hash']}",
        *(f"signer  {one}" for one in kids),
    ]
    output.result(told, "\n".join(lines), as_json=as_json)
    return 0 if told["complete"] else MORE_SIGNATURES_EXIT


class _Signer:
    """One key of the store."""

    def __init__(self, provider: FileKeyProvider, kid: str) -> None:
        self._provider = provider
        self.kid = kid
        self.public = provider.public(kid).public

    def sign(self, message: bytes) -> bytes:
        return self._provider.sign(self.kid, message)


def _check_own(
    provider: FileKeyProvider, given: list[dict[str, Any]], signed: dict[str, Any]
) -> None:
    """Hold signatures that would be replaced to be of the very keys that replace them.

    Raises:
      RtgfError: RTGF_VERIFY_SIGNATURE_INVALID if somebody else signed under the id of a key here.
    """
    keys = KeySet(provider.public(one["kid"]) for one in given)
    for one in given:
        at = provider.public(one["kid"]).created_at
        try:
            jose.verify_document(
                {**signed, "signatures": [one]}, keys, at=at, typ=snapshot.SIGNATURE_TYPE
            )
        except RtgfError as error:
            raise RtgfError(
                Code.RTGF_VERIFY_SIGNATURE_INVALID,
                f"another key of the same id, {one['kid']}, has signed it; whoever signs together"
                " with others needs a number of their own: rtgf policy key --number",
                causes=(error,),
            ) from error


def _choose(
    provider: FileKeyProvider, issuer: str, wanted: list[str] | None, *, at: int
) -> list[str]:
    """Return the keys to sign with: valid ones of this authority, all of them or those named.

    Raises:
      RtgfError: RTGF_KID_UNKNOWN if there is none, or a named one is not among them.
    """
    valid = [
        one.kid
        for one in provider.list()
        if one.use == "authority"
        and one.created_at <= at <= one.expires_at
        and identifiers.issuer_of_kid(one.kid) == issuer
    ]
    for kid in wanted or []:
        if kid not in valid:
            raise RtgfError(
                Code.RTGF_KID_UNKNOWN, f"{kid!r} is no valid key of {issuer}; there are {valid}"
            )
    if not valid:
        raise RtgfError(
            Code.RTGF_KID_UNKNOWN, f"there is no valid key of {issuer}; make one: rtgf policy key"
        )
    return sorted(set(wanted)) if wanted else valid


def read_passphrase(file: Path) -> bytes:
    """Return the passphrase in a file, without the end of its line."""
    return read(file, limit=MAX_PASSPHRASE_BYTES).strip()
