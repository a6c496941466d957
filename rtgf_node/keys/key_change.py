"""A change of the online keys: how it is prepared, what the root signs, when it is accepted."""

from __future__ import annotations

from collections.abc import Container
from typing import Final, Literal, NamedTuple, TypeAlias

import msgspec

from rtgf_node.core import base64url, jose, signed_keys, times
from rtgf_node.core.canonical_json import JsonValue, canonical_bytes
from rtgf_node.core.keys import KeySet, PublicKey, Signer
from rtgf_node.errors import Code, RtgfError
from rtgf_node.keys import key_files
from rtgf_node.keys.key_files import KeyFiles
from rtgf_node.keys.key_provider import FileKeyProvider, Purpose
from rtgf_node.replication.commands import KeyRow

ROTATED: Final[tuple[Purpose, ...]] = ("token", "log", "status", "receipt", "notify")
"""What gets a new key. The witness key is pinned by other logs, whose operators must be asked."""

OVERLAP_SECONDS: Final = 7 * 86_400
"""For so long after a change was prepared, the old keys verify beside the new ones."""

INSTALL_SECONDS: Final = 86_400
"""So long after it was prepared, a change is too old: it would leave too little of the overlap."""

KeyAct: TypeAlias = Literal["rotate", "revoke_key"]
"""In the words of `approvals.required`."""


class KeyEntry(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A key as the manifest has it."""

    kid: str
    purpose: str
    public: str
    issued_at: str
    expires_at: str
    revoked_at: str | None = None
    predecessor: str | None = None


class KeyRequest(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What the root is asked to sign: every key of the node with its window, as it is to be."""

    format: Literal["rtgf-key-request-1"]
    issuer: str
    sequence: int
    prepared_at: str
    keys: tuple[KeyEntry, ...]


class Change(NamedTuple):
    """What a new statement changes in the one before."""

    added: tuple[KeyRow, ...]
    shortened: tuple[KeyRow, ...]
    revoked: tuple[KeyRow, ...]


def prepare(
    provider: FileKeyProvider, held: KeyFiles, *, issuer: str, at: int, revoke: str | None = None
) -> KeyRequest:
    """Make the new keys and return what the root is to sign.

    Args:
      provider: keeps the new keys, sealed beside the old ones.
      held: the statement in force.
      issuer: whose keys they are.
      at: now.
      revoke: only this key is replaced, and vouches for nothing from `at` on; else every key gets
        a successor and verifies for the overlap.

    Raises:
      RtgfError: RTGF_KID_UNKNOWN if there is no key `revoke`; RTGF_CONFLICT if it is revoked
        already, or is no key that a node can replace alone.
    """
    purposes = ROTATED
    if revoke is not None:
        old = next((key for key in held.keys if key.kid == revoke), None)
        if old is None:
            raise RtgfError(Code.RTGF_KID_UNKNOWN, f"{revoke} is no online key of this node")
        if old.revoked_at is not None:
            raise RtgfError(Code.RTGF_CONFLICT, f"{revoke} is revoked, which is final")
        purposes = tuple(one for one in ROTATED if one == old.purpose)
        if not purposes:
            raise RtgfError(
                Code.RTGF_CONFLICT,
                f"a {old.purpose} key is pinned elsewhere; have those who pin it take it out",
            )
    entries = [_entry(key, at=at, revoke=revoke) for key in held.keys]
    for purpose in purposes:
        before = max(
            (key for key in held.keys if key.purpose == purpose),
            key=lambda key: (key.issued_at, key.kid),
            default=None,
        )
        made = provider.generate(purpose, issuer=issuer, at=at)
        entries.append(_stated(made, None if before is None else before.kid))
    return KeyRequest(
        format="rtgf-key-request-1",
        issuer=issuer,
        sequence=held.sequence + 1,
        prepared_at=times.to_text(at),
        keys=tuple(entries),
    )


def sign(request: KeyRequest, root: Signer) -> bytes:
    """Return what the root says to a request, as `key_files.of_document` reads it."""
    keys = KeySet(_public(entry) for entry in request.keys)
    manifest: dict[str, JsonValue] = {
        "sequence": request.sequence,
        "prepared_at": request.prepared_at,
        "keys": [msgspec.to_builtins(entry) for entry in request.keys],
    }
    jwks = canonical_bytes({**keys.to_jwks(), "sequence": request.sequence})
    signed: dict[str, JsonValue] = {
        "manifest": jose.sign_document(manifest, [root], typ=key_files.MANIFEST_TYP),
        "jwks": jose.sign_compact(jwks, root, typ=signed_keys.TYP),
    }
    return canonical_bytes(signed)


def check(new: KeyFiles, held: KeyFiles, *, at: int, holds: Container[str]) -> Change:
    """Return what `new` changes in `held`, if the node can go on with it.

    Args:
      new: what the root signed.
      held: the statement in force.
      at: now.
      holds: the ids of the keys that the node can sign with.

    Raises:
      RtgfError: RTGF_JWKS_SIGNATURE_INVALID if `new` is not newer; RTGF_CONFLICT if it takes
        something back, is too old, or leaves a purpose without a key.
    """
    check_newer(new.sequence, held.sequence)
    if not -times.SKEW_SECONDS <= at - new.prepared_at <= INSTALL_SECONDS:
        raise _conflict(
            f"the change was prepared at {times.to_text(new.prepared_at)}, which is not within the"
            f" last {INSTALL_SECONDS // 3600} hours; prepare it again"
        )
    before = {key.kid: key for key in held.keys}
    after = {key.kid: key for key in new.keys}
    for kid, key in before.items():
        _check_kept(key, after.get(kid), at=at)
    for purpose in {key.purpose for key in held.keys} & set(ROTATED):
        if not any(
            key.purpose == purpose and key.kid in holds and _usable(key, at) for key in new.keys
        ):
            raise _conflict(f"no {purpose} key is left that this node holds and could sign with")
    changed = [(before[kid], after[kid]) for kid in before]
    return Change(
        added=tuple(key for key in new.keys if key.kid not in before),
        shortened=tuple(b for a, b in changed if b.expires_at < a.expires_at),
        revoked=tuple(b for a, b in changed if b.revoked_at != a.revoked_at),
    )


def check_act(change: Change, act: KeyAct, kid: str | None) -> None:
    """Return if a change is just what was asked for.

    Raises:
      RtgfError: RTGF_CONFLICT: each act may take a second person of its own.
    """
    if act == "rotate":
        if change.revoked or not change.added:
            raise _conflict("a rotation adds keys and revokes none; revoke that key by its id")
        return
    if [key.kid for key in change.revoked] != [kid]:
        raise _conflict(f"the root revoked other keys than {kid}; prepare it for that key")
    purpose = change.revoked[0].purpose
    if change.shortened or any(key.purpose != purpose for key in change.added):
        raise _conflict("it changes other keys too; rotate those")


def check_newer(sequence: int, held: int) -> None:
    """Return if a statement follows the one that the log has.

    Raises:
      RtgfError: RTGF_JWKS_SIGNATURE_INVALID if it does not.
    """
    if sequence <= held:
        raise RtgfError(
            Code.RTGF_JWKS_SIGNATURE_INVALID,
            f"the key set has the number {sequence}, the log has {held} already; an old one is"
            " never taken again, install the newest",
        )


def _check_kept(key: KeyRow, new: KeyRow | None, *, at: int) -> None:
    """A published key stays published, and vouches for no more than it did."""
    if new is None or (new.public, new.purpose) != (key.public, key.purpose):
        raise _conflict(f"{key.kid} is missing or another key; published keys stay published")
    if new.expires_at > key.expires_at or new.issued_at != key.issued_at:
        raise _conflict(f"the window of {key.kid} may only become shorter; make a new key")
    if key.revoked_at is not None and new.revoked_at != key.revoked_at:
        raise _conflict(f"{key.kid} is revoked, which is final")
    if key.revoked_at is None and new.revoked_at is not None and new.revoked_at > at:
        raise _conflict(f"{key.kid} is revoked in the future only; check the clocks")


def _usable(key: KeyRow, at: int) -> bool:
    return key.revoked_at is None and key.issued_at - times.SKEW_SECONDS <= at < key.expires_at


def _entry(key: KeyRow, *, at: int, revoke: str | None) -> KeyEntry:
    revoked_at, expires_at = key.revoked_at, key.expires_at
    if revoke is None and key.purpose in ROTATED:
        expires_at = min(expires_at, at + OVERLAP_SECONDS)
    if key.kid == revoke:
        revoked_at = at
    public = PublicKey(
        key.kid, key.public, key.purpose, key.issued_at, expires_at, revoked_at=revoked_at
    )
    return _stated(public, key.predecessor)


def _stated(key: PublicKey, predecessor: str | None) -> KeyEntry:
    return msgspec.convert(key_files.manifest_entry(key, predecessor), KeyEntry)


def _public(entry: KeyEntry) -> PublicKey:
    return PublicKey(
        kid=entry.kid,
        public=base64url.decode(entry.public),
        use=entry.purpose,
        created_at=times.parse(entry.issued_at),
        expires_at=times.parse(entry.expires_at),
        revoked_at=None if entry.revoked_at is None else times.parse(entry.revoked_at),
    )


def _conflict(detail: str) -> RtgfError:
    return RtgfError(Code.RTGF_CONFLICT, detail)
