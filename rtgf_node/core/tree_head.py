"""A signed tree head: the log's own statement of its size and root at a time.

It says the same thing twice, as a JSON document with a detached JWS and as the C2SP checkpoint
inside it, both signed with the same log key; a head whose two halves differ is refused.
"""

from __future__ import annotations

from typing import Final, NoReturn

import msgspec

from rtgf_node.core import cosignature, jose, times
from rtgf_node.core.canonical_json import JsonValue, canonical_bytes
from rtgf_node.core.checkpoint import Checkpoint, open_note, sign_note, verifier_key
from rtgf_node.core.digests import check_form
from rtgf_node.core.keys import KeySet, Signer
from rtgf_node.core.merkle import MAX_TREE_SIZE
from rtgf_node.errors import Code, RtgfError

TYP: Final = "rtgf-head+jws"
"""The kind of document that the signature's header names."""

USE: Final = "log"
"""What the signing key must be for; a token key never signs a head."""

_ROOT_PREFIX: Final = "sha256:"


class TreeHead(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A signed tree head.

    Attributes:
      origin: the log's name.
      tree_size: the number of leaves.
      root_hash: the root, as `sha256:<hex>`.
      issued_at: when it was signed, as text.
      checkpoint: the same as a C2SP signed note; cosignatures may follow the log's signature.
      signatures: detached JWS over the other members, the checkpoint without cosignatures.
    """

    origin: str
    tree_size: int
    root_hash: str
    issued_at: str
    checkpoint: str
    signatures: tuple[jose.Signature, ...]

    def root(self) -> bytes:
        """Return the root hash as bytes."""
        return bytes.fromhex(self.root_hash.removeprefix(_ROOT_PREFIX))


def sign(origin: str, size: int, root: bytes, at: int, signer: Signer) -> TreeHead:
    """Return the head of a tree, signed twice with the log's key.

    Whoever calls has proved that this tree extends the last one that was signed.

    Raises:
      RtgfError: RTGF_INPUT_INVALID if the origin is no key name, or size or root cannot be.
    """
    note = sign_note(Checkpoint(origin, size, root), origin, signer)
    unsigned: dict[str, JsonValue] = {
        "origin": origin,
        "tree_size": size,
        "root_hash": _ROOT_PREFIX + root.hex(),
        "issued_at": times.to_text(at),
        "checkpoint": note.decode(),
    }
    return from_document(jose.sign_document(unsigned, [signer], typ=TYP))


def verify(head: TreeHead, keys: KeySet, at: int) -> None:
    """Return if a log key of the set, valid at `at`, has signed both halves of the head.

    What witnesses have added to the checkpoint is not looked at: the log signed without it.

    Raises:
      RtgfError: RTGF_TXP_ROOT_SIGNATURE_INVALID if not, if the halves differ, or if the head is
        dated later than `at` and the clock skew.
    """
    alone = detached(head)
    document = to_document(alone)
    del document["signatures"]
    try:
        kids = jose.verify_signatures(
            canonical_bytes(document), head.signatures, keys, at=at, typ=TYP, uses=(USE,)
        )
        vouching = [verifier_key(head.origin, keys.get(kid, at=at).public) for kid in kids]
        checkpoint = open_note(alone.checkpoint.encode(), vouching)
        issued_at = times.parse(head.issued_at)
    except RtgfError as error:
        raise RtgfError(
            Code.RTGF_TXP_ROOT_SIGNATURE_INVALID,
            f"the tree head is not trustworthy: {error.detail}",
            pointer=error.pointer,
            causes=(error,),
        ) from None
    if checkpoint != Checkpoint(head.origin, head.tree_size, head.root()):
        _refuse("the checkpoint inside the tree head says something else", "/checkpoint")
    if issued_at > at + times.SKEW_SECONDS:
        _refuse("the tree head is dated in the future; check the clocks", "/issued_at")


def detached(head: TreeHead) -> TreeHead:
    """Return the head as its log alone signed it: without the cosignatures on its checkpoint."""
    return msgspec.structs.replace(head, checkpoint=cosignature.detach(head.checkpoint))


def to_document(head: TreeHead) -> dict[str, JsonValue]:
    """Return the head as a JSON document."""
    return {
        "origin": head.origin,
        "tree_size": head.tree_size,
        "root_hash": head.root_hash,
        "issued_at": head.issued_at,
        "checkpoint": head.checkpoint,
        "signatures": [msgspec.structs.asdict(signature) for signature in head.signatures],
    }


def from_document(value: JsonValue) -> TreeHead:
    """Return the head that a JSON document states; its signatures are not verified.

    Raises:
      RtgfError: RTGF_TXP_PROOF_INVALID if the document is not a tree head.
    """
    try:
        head = msgspec.convert(value, TreeHead)
        times.parse(head.issued_at)
        if not check_form(head.root_hash).startswith(_ROOT_PREFIX):
            raise msgspec.ValidationError("root_hash is a sha256 digest")
        if not 0 <= head.tree_size <= MAX_TREE_SIZE:
            raise msgspec.ValidationError("tree_size is from 0 to 2^53-1")
    except (msgspec.ValidationError, RtgfError) as error:
        detail = error.detail if isinstance(error, RtgfError) else str(error)
        raise RtgfError(
            Code.RTGF_TXP_PROOF_INVALID, f"the document is not a tree head: {detail}"
        ) from None
    return head


def _refuse(detail: str, pointer: str) -> NoReturn:
    raise RtgfError(Code.RTGF_TXP_ROOT_SIGNATURE_INVALID, detail, pointer=pointer)
