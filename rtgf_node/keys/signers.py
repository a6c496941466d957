"""Which key signs now: of each purpose, the newest published one that the key store holds.

A key that is made and not yet published signs nothing: nobody could check it. The moment the log
publishes a new key set, whatever is signed next is signed with its keys.
"""

from __future__ import annotations

from collections.abc import Iterable

from rtgf_node.core.canonical_json import parse
from rtgf_node.core.keys import KeySet, Signer
from rtgf_node.keys.key_provider import FileKeyProvider, Purpose
from rtgf_node.replication import commands
from rtgf_node.replication.commands import Applied


class CurrentSigner:
    """A `Signer` that is always the current key of one purpose.

    Whoever signs several things that must agree takes `now()` once.
    """

    def __init__(self, signers: Signers, purpose: Purpose) -> None:
        self._signers = signers
        self._purpose = purpose

    def now(self) -> Signer:
        """Return the key that signs now; it stays the same."""
        return self._signers.current(self._purpose)

    @property
    def kid(self) -> str:
        """The key's id."""
        return self.now().kid

    @property
    def public(self) -> bytes:
        """The public key."""
        return self.now().public

    def sign(self, message: bytes) -> bytes:
        """Return the signature of the current key."""
        return self.now().sign(message)


class Signers:
    """The current keys of a node, as the published key set has them."""

    def __init__(self, provider: FileKeyProvider, published: Iterable[str]) -> None:
        """Choose among the keys with these ids, none of them revoked."""
        self._provider = provider
        self._published = frozenset(published)
        self._current: dict[Purpose, Signer] = {}

    def of(self, purpose: Purpose) -> CurrentSigner:
        """Return what signs for a purpose, now and after each change of keys.

        Raises:
          RtgfError: RTGF_KID_UNKNOWN if the key store holds no published key of it.
        """
        self.current(purpose)
        return CurrentSigner(self, purpose)

    def current(self, purpose: Purpose) -> Signer:
        """Return the key that signs for a purpose now.

        Raises:
          RtgfError: RTGF_KID_UNKNOWN if the key store holds no published key of it.
        """
        held = self._current.get(purpose)
        if held is None:
            held = self._provider.signer(purpose, among=self._published)
            self._current[purpose] = held
        return held

    def past(self, purpose: Purpose, then: KeySet) -> Signer:
        """Return the newest key of a purpose in an earlier key set that is good to this day.

        Raises:
          RtgfError: RTGF_KID_UNKNOWN if there is none.
        """
        among = self._published & {key.kid for key in then}
        return self._provider.signer(purpose, among=among)

    def hear(self, applied: Applied) -> None:
        """Follow the feed: sign with the keys of the set that was just published."""
        if isinstance(applied.command, commands.RecordKeys):
            keys = KeySet.from_jwks(parse(applied.command.jwks))
            self._published = frozenset(usable(keys))
            self._current.clear()


def usable(keys: KeySet) -> list[str]:
    """Return the ids of the keys of a set that are not revoked."""
    return [key.kid for key in keys if key.revoked_at is None]
