"""What the store and the key files must agree on before a node starts."""

from __future__ import annotations

import msgspec

from rtgf_node.core import times, tree_head
from rtgf_node.core.canonical_json import parse
from rtgf_node.core.clock import Clock
from rtgf_node.core.keys import KeySet
from rtgf_node.errors import Code, RtgfError
from rtgf_node.keys import key_change, key_files
from rtgf_node.keys.key_files import KeyFiles
from rtgf_node.settings import KeysConfig
from rtgf_node.store import Store
from rtgf_node.store.snapshot_file import SignedState


def check_keys(store: Store, files: KeyFiles) -> None:
    """Refuse statements that are older than those in the log.

    Raises:
      RtgfError: RTGF_JWKS_SIGNATURE_INVALID.
    """
    held = store.keys.documents()
    if held is None or (held.jwks, held.manifest) == (files.jwks, files.manifest):
        return
    key_change.check_newer(files.sequence, key_files.sequence_of(held.manifest))


def check_foreign_state(config: KeysConfig, clock: Clock, state: SignedState) -> None:
    """Refuse another member's state if its newest head is of no log key that our root named.

    The key set is the one in the state: the keys may have been changed since this folder was made.

    Raises:
      RtgfError: as `key_files.verified` and `tree_head.verify`.
    """
    root, at, keys = key_files.pinned_root(config), clock.now(), state.keys
    if keys is None:
        files = key_files.load(config, at=at)
    else:
        files = key_files.verified(keys.manifest, keys.jwks_jws, root, at=at)
    check_foreign_head(files, state.head)


def check_foreign_head(files: KeyFiles, document: bytes) -> None:
    """Refuse another member's newest head if no log key of ours signed it when it was issued.

    Raises:
      RtgfError: as `tree_head.verify`.
    """
    head = tree_head.from_document(parse(document))
    keys = KeySet(msgspec.structs.replace(key, revoked_at=None) for key in files.key_set())
    tree_head.verify(head, keys, times.parse(head.issued_at))


def check_head(store: Store, files: KeyFiles, now: int, kid: str) -> None:
    """Refuse to start on a head that our log key did not sign, or if that key, `kid`, has expired.

    Raises:
      RtgfError: RTGF_TXP_ROOT_SIGNATURE_INVALID; RTGF_TXP_STORE_DAMAGED if it is none.
    """
    held = store.log.latest_head()
    if held is None:
        return
    try:
        head = tree_head.from_document(parse(held.document))
        issued_at = times.parse(head.issued_at)
    except RtgfError as error:
        raise RtgfError(
            Code.RTGF_TXP_STORE_DAMAGED,
            f"the newest signed head was altered ({error.detail}); restore the store from a backup",
        ) from error
    keys, at = files.key_set(), max(now, issued_at)
    if kid not in {one.kid for one in head.signatures}:
        # The keys were changed and no head was signed since. It was good when it was signed, also
        # by a key that was revoked: this start signs another.
        keys = KeySet(msgspec.structs.replace(key, revoked_at=None) for key in keys)
        at = issued_at
    tree_head.verify(head, keys, at)
