"""Questions to `/verify`, and tokens to ask about: as served, altered, or signed by a thief."""

from __future__ import annotations

import json
from typing import Any

from rtgf_node.core import tokens
from rtgf_node.core.keys import SeedSigner
from tests.nodes import Reply, TestNode

RMT = "RMT:SG:payments_aml:2026-10"
IMT = "IMT:EU-SG:payments_aml:2026-10"
FOREIGN = SeedSigner("fma.example:ed25519:2026-01:999", bytes(range(32)))


def question(rmt: Any = RMT, imt: Any = IMT, **members: Any) -> dict[str, Any]:
    return {"tokens": {"rmt": rmt, "imt": imt}, **members}


def verify(node: TestNode, body: Any, **options: Any) -> Reply:
    return node.ask("POST", "/verify", body, **options)


def verdict(node: TestNode, body: Any) -> tuple[bool, str | None]:
    reply = verify(node, body)
    assert reply.status == 200, reply
    answer = reply.json()
    return answer["valid"], answer["reason"]


def held(node: TestNode, token: str = RMT) -> dict[str, Any]:
    """The whole token, as a caller may hold it."""
    return node.ask("GET", f"/tokens?uri={token}").json()


def signed(node: TestNode, document: dict[str, Any], **changes: Any) -> dict[str, Any]:
    """The document with changes, sealed and signed with the node's own token key."""
    unsigned = {**document, **changes}
    del unsigned["signatures"]
    return json.loads(tokens.sign(unsigned, [node.key_store().signer("token")]))


def reissued(node: TestNode, document: dict[str, Any], issue: int) -> dict[str, Any]:
    """A genuinely signed token under an id that the log never issued."""
    token_id = f"{document['token_id'].rpartition('.')[0]}.{issue}"
    return signed(
        node,
        document,
        token_id=token_id,
        rmt_id=token_id,
        version=token_id.rpartition(":")[2],
        jti="0" * 32,
    )
