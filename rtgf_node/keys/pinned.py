"""The keys that the configuration pins, read from their files; none is ever fetched."""

from __future__ import annotations

from pathlib import Path

from rtgf_node.core.canonical_json import parse
from rtgf_node.core.identifiers import DID_PREFIX
from rtgf_node.core.keys import KeySet
from rtgf_node.core.policy import receipts
from rtgf_node.core.policy.receipts import PinnedVerifiers, Verifier
from rtgf_node.errors import Code, RtgfError
from rtgf_node.settings import Config


def authorities(config: Config) -> dict[str, KeySet]:
    """Return each authority's pinned keys.

    Raises:
      RtgfError: RTGF_CONFIG_INVALID when a file cannot be read, or what is wrong with a key.
    """
    return {one.did: _keys(one.did, one.jwks_file) for one in config.authority}


def approvers(config: Config) -> dict[str, KeySet]:
    """Return each approver's pinned keys.

    Raises:
      RtgfError: RTGF_CONFIG_INVALID when a file cannot be read, or what is wrong with a key.
    """
    return {one.did: _keys(one.did, one.jwks_file) for one in config.approver}


def proof_verifiers(config: Config) -> PinnedVerifiers:
    """Return the verifiers of external proofs, each with its own keys.

    Raises:
      RtgfError: RTGF_CONFIG_INVALID when a file cannot be read, or holds a key for something else
        than proofs, or of somebody else.
    """
    found = []
    for one in config.proof_verifier:
        keys = _keys(one.did, one.jwks_file)
        owned = one.did.removeprefix(DID_PREFIX) + ":ed25519:"
        for key in keys:
            if key.use != receipts.USE or not key.kid.startswith(owned):
                raise RtgfError(
                    Code.RTGF_CONFIG_INVALID,
                    f"{one.jwks_file}: {key.kid!r} is no proof key of {one.did}; its id begins with"
                    f" {owned!r} and its use is {receipts.USE!r}",
                )
        found.append(Verifier(one.did, frozenset(one.proofs), keys))
    return PinnedVerifiers(found)


def _keys(did: str, file: Path) -> KeySet:
    try:
        return KeySet.from_jwks(parse(file.read_bytes()))
    except OSError as error:
        raise RtgfError(
            Code.RTGF_CONFIG_INVALID, f"the keys of {did}: {file}: {error.strerror}"
        ) from error
