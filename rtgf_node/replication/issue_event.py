"""The log's entry of an issued token: the same bytes, whoever makes it."""

from __future__ import annotations

from rtgf_node.core import event, times
from rtgf_node.store.registry_store import TokenRow


def token_issued(token: TokenRow, *, build_id: str, at: int, issuer: str) -> bytes:
    """Return the token_issue event of a token."""
    made = event.make(
        type="token_issue",
        at=at,
        subject=token.token_id,
        digest=token.canonical_hash,
        refs={"build": build_id, "derived_from": list(token.parents)},
        actor=issuer,
        payload={"jti": token.jti, "exp": times.to_text(token.exp)},
    )
    return event.to_bytes(made)
