"""The token envelope: members, their types and bounds, and what must agree with what.

One envelope serves all five types; `MEMBERS` says which type has which of the optional ones.
"""

from __future__ import annotations

from typing import Annotated, Any, Literal

from msgspec import Meta, Struct

from rtgf_node.core import identifiers, terms, times
from rtgf_node.core.canonical_json import JsonValue
from rtgf_node.core.jose import MAX_SIGNATURES, Signature
from rtgf_node.core.shapes import fit, pointer
from rtgf_node.errors import Code, RtgfError

SCHEMA_VERSION = "rtgf-token/1"

_SCHEMA = Code.RTGF_TOKEN_SCHEMA_INVALID

Text = Annotated[str, Meta(min_length=1, max_length=500)]
Sha256 = Annotated[str, Meta(pattern=r"^sha256:[0-9a-f]{64}$")]
Sha512 = Annotated[str, Meta(pattern=r"^sha512:[0-9a-f]{128}$")]
Ttl = Annotated[int, Meta(ge=1, le=2**31)]
AssuranceLevel = Literal["low", "substantial", "high"]


class _Part(Struct, frozen=True, forbid_unknown_fields=True, omit_defaults=True):
    """What all parts share: they do not change, and unknown members are refused."""


class Effective(_Part, frozen=True):
    """The legal window, RFC 3339 in UTC."""

    nbf: Text
    exp: Text


class DatasetEvidence(_Part, frozen=True):
    """A list the decisions rest on, by the digest of its content."""

    provider: Text
    dataset: Text
    version: Text
    content_sha256: Sha256


class Evidence(_Part, frozen=True):
    """What the token was made from, by digest, sorted."""

    policy_snapshot: Sha256
    datasets: tuple[DatasetEvidence, ...]
    inputs: tuple[Sha256, ...]


class StatusListEntry(_Part, frozen=True):
    """Where the token's status stands in the published list."""

    uri: Text
    idx: Annotated[int, Meta(ge=0, le=2**31)]


class Anchor(_Part, frozen=True):
    """The log's head before the token was issued; no token can hold the head that holds it."""

    tree_size: Annotated[int, Meta(ge=0, le=2**53 - 1)]
    root_hash: Sha256


class Revocation(_Part, frozen=True):
    """The state of revocation when the token was built, and where to learn the present one."""

    revEpoch: Annotated[int, Meta(ge=0, le=2**53 - 1)]  # noqa: N815 - the member's name on the wire
    status_list: StatusListEntry
    transparency_log: Text
    anchor: Anchor


class Token(_Part, frozen=True):
    """The envelope. Members that a type does not have are absent."""

    type: Literal["RMT", "IMT", "CORT", "PSRT", "RRMT"]
    token_id: Text
    jti: Annotated[str, Meta(pattern=r"^[0-9a-f]{32}$")]
    version: Text
    schema_version: Literal["rtgf-token/1"]
    issuer: Annotated[str, Meta(pattern=r"^did:web:[A-Za-z0-9._%:-]{1,256}$")]
    domain: Text
    effective: Effective
    effective_date: Text
    expires_at: Text
    ttl_sec: Ttl
    policy_max_ttl: Ttl
    policy_snapshot_hash: Sha256
    scope_hash: Sha256
    derived_from: tuple[Text, ...]
    controls: list[Any]
    prohibitions: list[Any]
    duties: list[Any]
    assurance_level: AssuranceLevel
    required_assurance_level: AssuranceLevel
    effective_conflicts: list[Any]
    unmapped_clauses: list[Any]
    evidence: Evidence
    evidence_requirements: list[Any]
    revocation: Revocation
    build_manifest_id: Sha256
    compiler_version: Text
    kid: Text
    canonical_hash: Sha512
    # Absent means unsigned, which is a failed signature and not a malformed token.
    signatures: Annotated[tuple[Signature, ...], Meta(max_length=MAX_SIGNATURES)] = ()
    signature_threshold: Annotated[int, Meta(ge=1, le=MAX_SIGNATURES)] = 1
    jurisdiction: Text | None = None
    corridor: Text | None = None
    rmt_id: Text | None = None
    imt_id: Text | None = None
    data_residency: dict[str, Any] | None = None
    predicate_set: list[dict[str, Any]] | None = None
    eval_plan: dict[str, Any] | None = None
    terms: dict[str, Any] | None = None

    @property
    def nbf(self) -> int:
        """The first second of the window."""
        return times.parse(self.effective.nbf)

    @property
    def exp(self) -> int:
        """The last second of the window."""
        return times.parse(self.effective.exp)


# Which of the optional members each type has; it must have them, and none of the others'.
MEMBERS = {
    "RMT": ("jurisdiction", "rmt_id", "predicate_set", "eval_plan"),
    "IMT": ("corridor", "imt_id", "predicate_set", "eval_plan"),
    "CORT": ("corridor", "terms"),
    "PSRT": ("corridor", "terms"),
    "RRMT": ("jurisdiction", "terms"),
}
_OF_SOME_TYPES = sorted({member for members in MEMBERS.values() for member in members})


def read(document: dict[str, JsonValue]) -> Token:
    """Return the token in `document`: its type and schema hold, nothing else is checked.

    Raises:
      RtgfError: RTGF_TOKEN_TYPE_UNSUPPORTED, or RTGF_TOKEN_SCHEMA_INVALID with a JSON Pointer.
    """
    kind = document.get("type")
    if kind is not None and (not isinstance(kind, str) or kind not in MEMBERS):
        raise RtgfError(
            Code.RTGF_TOKEN_TYPE_UNSUPPORTED,
            f"{str(kind)[:40]!r} is not one of {', '.join(MEMBERS)}",
            pointer="/type",
        )
    token = fit(document, Token, code=_SCHEMA)
    for member in _OF_SOME_TYPES:
        due = member in MEMBERS[token.type]
        if (getattr(token, member) is not None) != due:
            verb = "needs" if due else "may not have"
            raise RtgfError(
                _SCHEMA, f"a token of type {token.type} {verb} it", pointer=f"/{member}"
            )
    if token.terms is not None:
        terms.read(token.type, token.terms, code=_SCHEMA)
    _check_agreement(token)
    return token


def _check_agreement(token: Token) -> None:
    """The names that say the same thing twice must say the same thing."""
    try:
        parts = identifiers.split_token_id(token.token_id)
        begins, ends = token.nbf, token.exp
    except RtgfError as error:
        raise RtgfError(_SCHEMA, error.detail, causes=(error,)) from error
    version = token.token_id.rpartition(":")[2]
    for member, expected in (
        ("type", parts.type),
        ("version", version),
        ("effective_date", token.effective.nbf),
        ("expires_at", token.effective.exp),
        ("jurisdiction" if token.corridor is None else "corridor", parts.place),
        *([("rmt_id", token.token_id)] if token.type == "RMT" else []),
        *([("imt_id", token.token_id)] if token.type == "IMT" else []),
        *([("domain", parts.name)] if token.type in {"RMT", "IMT"} else []),
        *([("kid", token.signatures[0].kid)] if token.signatures else []),
    ):
        if getattr(token, member) != expected:
            raise RtgfError(
                _SCHEMA, f"{member} must be {expected!r} in this token", pointer=f"/{member}"
            )
    if parts.issue is None:
        raise RtgfError(_SCHEMA, "the token id lacks its issue number", pointer="/token_id")
    if ends <= begins:
        raise RtgfError(_SCHEMA, "the window ends before it begins", pointer="/effective/exp")
    owned = token.issuer.removeprefix(identifiers.DID_PREFIX) + ":ed25519:"
    for index, signature in enumerate(token.signatures):
        if not signature.kid.startswith(owned):
            raise RtgfError(
                _SCHEMA,
                f"{signature.kid!r} is not a key of {token.issuer}",
                pointer=pointer("signatures", index, "kid"),
            )
