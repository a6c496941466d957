"""Checking on the caller's side that the log holds a token: from the root key to the leaf."""

from __future__ import annotations

from typing import NamedTuple

from rtgf_node.cli.pinned import log_keys
from rtgf_node.client import Node
from rtgf_node.core import canonical_json, event, identifiers, merkle, proof_bundle, tokens
from rtgf_node.errors import Code, RtgfError


class Proved(NamedTuple):
    """What was proved, and by how many hashes."""

    token_id: str
    event_id: str
    leaf_index: int
    tree_size: int
    root_hash: str
    steps: int

    def lines(self) -> list[str]:
        """Return it as lines for people."""
        return [
            f"token     {self.token_id}",
            f"event     {self.event_id}",
            f"leaf      {self.leaf_index} of {self.tree_size}",
            f"path      {self.steps} hashes lead from the leaf to {self.root_hash}",
            "signed    the checkpoint with this root is signed by the log's key",
            "PROVED    the log holds this token",
        ]


def check(node: Node, token_id: str, *, root_public: bytes) -> Proved:
    """Fetch the proof that the log holds `token_id`, and check it here.

    Raises:
      RtgfError: RTGF_TXP_PROOF_INVALID, or the code of the step that does not hold.
    """
    token = tokens.parse(node.token(identifiers.token_uri(token_id)))
    entry = next(
        (one for one in node.catalog_entries() if one.uri == identifiers.token_uri(token_id)), None
    )
    if entry is None:
        raise RtgfError(Code.RTGF_VERIFY_TOKEN_NOT_FOUND, f"the catalogue lacks {token_id}")
    leaf = node.log_page(entry.leafIndex, limit=1).entries[0]
    data = canonical_json.canonical_bytes(leaf.event)
    issue = event.parse(data)
    if (issue.type, issue.digest) != ("token_issue", token.canonical_hash):
        raise RtgfError(Code.RTGF_TXP_PROOF_INVALID, f"leaf {leaf.index} is not of {token_id}")
    bundle = node.proof(issue.event_id)
    signed = proof_bundle.verify(
        bundle,
        leaf_hash=merkle.leaf_hash(data),
        verifier_keys=log_keys(node, root_public=root_public),
    )
    return Proved(
        token_id=token_id,
        event_id=issue.event_id,
        leaf_index=bundle.leafIndex,
        tree_size=bundle.treeSize,
        root_hash=f"sha256:{signed.root.hex()}",
        steps=len(bundle.path),
    )
