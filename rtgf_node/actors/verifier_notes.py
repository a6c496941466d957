"""What the verifier's memory takes from single rows of the store."""

from __future__ import annotations

from rtgf_node.core import feeds
from rtgf_node.core.trust import TrustState
from rtgf_node.store.revocation_store import RevocationRow


def note_change(state: TrustState, change: RevocationRow) -> None:
    """Note that a token was withdrawn or reinstated."""
    state.set_status(
        change.token_id, change.status, leaf_index=change.leaf_index, rev_epoch=change.rev_epoch
    )


def note_feeds(state: TrustState, digest: str, body: bytes) -> None:
    """Note how old an authority lets its lists be.

    Of a snapshot that cannot be read, none is young enough: the store was edited, or is another
    version's, and what rests on it is not decided.
    """
    state.feeds[digest] = feeds.ages(body)
