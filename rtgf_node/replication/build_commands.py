"""The commands of a build: how far it came, its tokens in pieces, and its publication."""

from __future__ import annotations

from rtgf_node.replication.state_change import StateChange
from rtgf_node.store.registry_store import TokenRow


class StageTokens(StateChange, frozen=True):
    """Keep tokens for a build that is not published yet, after the `first` that are kept already.

    Nobody is served them before `PublishBuild`. With `first` 0 the build begins anew: what was kept
    for it is forgotten, and without tokens that is all. Refused if there is a gap.
    """

    build_id: str
    first: int
    tokens: tuple[TokenRow, ...]


class PublishBuild(StateChange, frozen=True):
    """Publish a build, all or nothing: the `staged` tokens that are kept for it, then `tokens`.

    `events` are the build event and then one token_issue event for each of `tokens`, in their
    order; those of the staged ones, by `issuer`, the state machine makes itself. `approvals` are
    those of what people accepted for it. Tokens may rest on each other or on published ones, and
    only on valid ones. Refused if the newest issue of the same rules was withdrawn after
    `rev_epoch`, at which the build was planned: it would bring them back.
    """

    build_id: str
    manifest_digest: str
    at: int
    events: tuple[bytes, ...]
    tokens: tuple[TokenRow, ...]
    rev_epoch: int = 0
    approvals: tuple[bytes, ...] = ()
    summary: str = ""
    staged: int = 0
    issuer: str = ""


class NoteBuild(StateChange, frozen=True):
    """Note how far a build came that is not published: running, refused, diverged.

    What is staged for it is forgotten.
    """

    build_id: str
    state: str
    at: int
    summary: str
    manifest_digest: str | None = None
