"""What is said over HTTP about withdrawing tokens, and reinstating them."""

from __future__ import annotations

import msgspec

from rtgf_node.wire.log import ProofBundle
from rtgf_node.wire.shapes import Answer, Body


class RevocationEntry(Answer, frozen=True):
    """One committed change of a token's status."""

    token_id: str
    jti: str
    status: str
    reason: str
    revEpoch: int  # noqa: N815 - the contract's spelling
    at: str
    root: str | None = None


class RevokeItem(Body, frozen=True):
    """One token to withdraw, by id, URI or jti, and why."""

    token: str
    reason: str


class RevokeRequest(Body, frozen=True):
    """`POST /admin/revoke` and `/admin/reinstate`: 1 to 1,000 items, all or nothing."""

    items: list[RevokeItem]
    proofs: bool = False


class RevokeAnswer(Answer, frozen=True):
    """The epoch after it, every token that fell, the dependants included, and proofs if asked for.

    `proofs` are of the entries in the log, in their order; none while nothing may be signed.
    """

    revEpoch: int  # noqa: N815 - the contract's spelling
    entries: list[RevocationEntry]
    proofs: list[ProofBundle] = msgspec.field(default_factory=list)
