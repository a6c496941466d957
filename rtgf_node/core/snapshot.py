"""A policy snapshot is the signed statement of one authority: which rules apply, and since when.

`accept` is the only door: bytes become a `Snapshot` only when they parse strictly, fit the schema,
carry the digest of their own content, agree with themselves, cite law that is in force, and are
signed by enough keys of the authority that issued them. The caller keeps the bytes as received;
nothing here writes a snapshot back.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from types import MappingProxyType
from typing import Literal, Protocol

from rtgf_node.core import canonical_json, digests, identifiers, jose
from rtgf_node.core.canonical_json import JsonValue
from rtgf_node.core.jose import Signature
from rtgf_node.core.keys import KeySet, Signer
from rtgf_node.core.shapes import fit, pointer
from rtgf_node.core.snapshot_agreement import check_agreement, instant
from rtgf_node.core.snapshot_document import (
    CONTEXT,
    TYPE,
    Citation,
    Clause,
    DataResidency,
    EvidenceSource,
    Expectation,
    Feed,
    InForce,
    NormativeReference,
    Pin,
    Scenario,
    Snapshot,
)
from rtgf_node.errors import Code, RtgfError

__all__ = [
    "ANY_TTL",
    "CONTEXT",
    "SIGNATURE_TYPE",
    "TYPE",
    "Citation",
    "Clause",
    "DataResidency",
    "EvidenceSource",
    "Expectation",
    "Feed",
    "InForce",
    "NormativeReference",
    "Pin",
    "Scenario",
    "Snapshot",
    "Statement",
    "accept",
    "check_signatures",
    "compare_versions",
    "digest",
    "instant",
    "parse",
    "read",
    "seal",
    "supersedes",
    "version_numbers",
]

SIGNATURE_TYPE = "rtgf-snapshot+jws"
# A snapshot of a thousand clauses with scenarios is about half of this.
MAX_SNAPSHOT_BYTES = 4 << 20
# How old a cached copy may be, unless the node's configuration allows more.
MAX_TTL_SECONDS = 86_400
# The largest ttl the schema allows, for a snapshot that was accepted before.
ANY_TTL = 2**31

# Rules are stated with an authority's key alone.
_KEY_USES = frozenset({"authority"})
_SCHEMA = Code.RTGF_POL_MATRIX_SCHEMA_INVALID
_SIGNATURE = Code.RTGF_POL_MATRIX_SIGNATURE_INVALID


class Statement(Protocol):
    """What a snapshot and a terms document share: which one it is, of whom, by how many keys."""

    @property
    def id(self) -> str:
        """Its id."""

    @property
    def version(self) -> str:
        """Its version."""

    @property
    def issuer(self) -> str:
        """The DID of the authority that states it."""

    @property
    def policy_snapshot_hash(self) -> str:
        """The digest of its content."""

    @property
    def signatures(self) -> tuple[Signature, ...]:
        """Who signed it."""


def accept(
    data: bytes,
    *,
    keys: KeySet,
    issuers: Collection[str],
    at: int,
    max_ttl_sec: int = MAX_TTL_SECONDS,
    places: Mapping[str, Collection[str]] = MappingProxyType({}),
    held_of: Callable[[str, str], Snapshot | None] = lambda _jurisdiction, _domain: None,
) -> Snapshot:
    """Return the snapshot in `data` if everything it must fulfil at the door holds.

    An authority speaks for the jurisdictions it is pinned for, or, pinned for none, for those that
    nobody is pinned for and no other authority's snapshot is held of. It may ask for fewer
    signatures than the snapshot it supersedes only with as many as that one asks for.

    Args:
      data: the bytes as received; the caller keeps them, they are never written back from here.
      keys: the pinned authority keys.
      issuers: the DIDs whose snapshots this source may bring.
      at: now, in epoch seconds; the signing keys must be in their window then.
      max_ttl_sec: how old a cached copy may be at most.
      places: the jurisdictions that an authority is pinned for, by its DID.
      held_of: the snapshot held of a jurisdiction and domain.

    Raises:
      RtgfError: RTGF_POL_MATRIX_SCHEMA_INVALID with a JSON Pointer, or
        RTGF_POL_MATRIX_SIGNATURE_INVALID.
    """
    document, snapshot = read(data, max_ttl_sec=max_ttl_sec)
    held = held_of(snapshot.jurisdiction, snapshot.domain)
    threshold = snapshot.signature_threshold
    if held is not None and held.issuer == snapshot.issuer:
        threshold = max(threshold, held.signature_threshold)
    check_signatures(document, snapshot, keys=keys, issuers=issuers, at=at, threshold=threshold)
    _check_place(snapshot, places, held)
    return snapshot


def read(
    data: bytes, *, max_ttl_sec: int = MAX_TTL_SECONDS
) -> tuple[dict[str, JsonValue], Snapshot]:
    """Return the document and the snapshot in `data`, all checked but the signatures.

    Raises:
      RtgfError: RTGF_POL_MATRIX_SCHEMA_INVALID with a JSON Pointer.
    """
    document = _document(data)
    snapshot = fit(document, Snapshot, code=_SCHEMA)
    computed = digest(document)
    if computed != snapshot.policy_snapshot_hash:
        raise RtgfError(
            _SCHEMA,
            f"the content has the digest {computed}, the snapshot states"
            f" {snapshot.policy_snapshot_hash}; fetch it again or ask the authority",
            pointer="/policy_snapshot_hash",
        )
    check_agreement(snapshot, max_ttl_sec=max_ttl_sec)
    return document, snapshot


def parse(data: bytes) -> Snapshot:
    """Return the snapshot in bytes that were accepted before: their schema alone is checked.

    Raises:
      RtgfError: RTGF_POL_MATRIX_SCHEMA_INVALID with a JSON Pointer.
    """
    return fit(_document(data), Snapshot, code=_SCHEMA)


def digest(document: dict[str, JsonValue]) -> str:
    """Return the `policy_snapshot_hash`: of all but that member and the signatures."""
    return digests.of_document(
        {k: v for k, v in document.items() if k not in {"policy_snapshot_hash", "signatures"}}
    )


def seal(document: dict[str, JsonValue], signers: Sequence[Signer]) -> bytes:
    """Return the canonical bytes of `document` with its hash and the signatures of `signers`."""
    sealed = {k: v for k, v in document.items() if k != "signatures"}
    sealed["policy_snapshot_hash"] = digest(sealed)
    return canonical_json.canonical_bytes(jose.sign_document(sealed, signers, typ=SIGNATURE_TYPE))


def compare_versions(a: str, b: str) -> int:
    """Return -1, 0 or 1 as version `a` is older than, equal to, or newer than `b`.

    The numbers between the dashes are compared one after another: `2026-10` is older than
    `2026-10-15`, which is older than `2026-11`.
    """
    numbers_a, numbers_b = version_numbers(a), version_numbers(b)
    return (numbers_a > numbers_b) - (numbers_a < numbers_b)


def supersedes(new: Statement, held: Statement) -> Literal["same", "newer"]:
    """Return what taking in `new` beside `held` means: nothing new, or a newer version.

    Raises:
      RtgfError: RTGF_POL_MATRIX_STALE for an older version, or the same one with other content.
    """
    if new.policy_snapshot_hash == held.policy_snapshot_hash:
        return "same"
    if compare_versions(new.version, held.version) > 0:
        return "newer"
    raise RtgfError(
        Code.RTGF_POL_MATRIX_STALE,
        f"{new.id} has version {new.version} and other content than the held version"
        f" {held.version}; a change needs a higher version",
        pointer="/version",
    )


def _document(data: bytes) -> dict[str, JsonValue]:
    try:
        return canonical_json.parse_object(data, max_bytes=MAX_SNAPSHOT_BYTES)
    except RtgfError as error:
        raise RtgfError(_SCHEMA, error.detail, pointer=error.pointer, causes=(error,)) from error


def version_numbers(version: str) -> tuple[int, ...]:
    """Return what versions are ordered by."""
    return tuple(int(number) for number in version.split("-"))


def check_signatures(
    document: dict[str, JsonValue],
    snapshot: Statement,
    *,
    keys: KeySet,
    issuers: Collection[str],
    at: int,
    threshold: int,
) -> None:
    """Pass if `threshold` keys of its issuer signed, which is one of `issuers`.

    Raises:
      RtgfError: RTGF_POL_MATRIX_SIGNATURE_INVALID with a JSON Pointer.
    """
    if snapshot.issuer not in issuers:
        raise RtgfError(
            _SIGNATURE,
            f"{snapshot.issuer} is not a pinned authority of this source; pin its keys first",
            pointer="/issuer",
        )
    owned = snapshot.issuer.removeprefix(identifiers.DID_PREFIX) + ":"
    for index, signature in enumerate(snapshot.signatures):
        # The issuer's name ends where the algorithm begins, so no prefix of it can own the key.
        if not signature.kid.startswith(owned + "ed25519:"):
            raise RtgfError(
                _SIGNATURE,
                f"{signature.kid!r} is not a key of {snapshot.issuer}",
                pointer=pointer("signatures", index, "kid"),
            )
    try:
        jose.verify_document(
            document,
            keys,
            at=at,
            threshold=threshold,
            typ=SIGNATURE_TYPE,
            uses=_KEY_USES,
        )
    except RtgfError as error:
        raise RtgfError(
            _SIGNATURE,
            f"{error.detail}; {threshold} valid signature(s) of {snapshot.issuer} are needed",
            pointer="/signatures",
            causes=(error,),
        ) from error


def _check_place(
    snapshot: Snapshot, places: Mapping[str, Collection[str]], held: Snapshot | None
) -> None:
    issuer, place = snapshot.issuer, snapshot.jurisdiction
    others = sorted(did for did, own in places.items() if place in own and did != issuer)
    if place in places.get(issuer, ()):
        return
    if places.get(issuer):
        reason = f"it is pinned for {', '.join(sorted(places[issuer]))}"
    elif others:
        reason = f"{', '.join(others)} is pinned for it"
    elif held is not None and held.issuer != issuer:
        reason = f"{held.id} of {held.issuer} is held"
    else:
        return
    raise RtgfError(
        _SIGNATURE,
        f"{issuer} may not speak for {place}: {reason}; who may is the operator's to say",
        pointer="/jurisdiction",
    )
