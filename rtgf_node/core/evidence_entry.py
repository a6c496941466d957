"""What an entry of an evidence file must be: an event of the kind that is due, in the tree."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from rtgf_node.core import canonical_json, event, merkle
from rtgf_node.core.event import Event
from rtgf_node.core.evidence import Entry
from rtgf_node.core.tree_head import TreeHead
from rtgf_node.errors import Code, RtgfError


def check_included(entry: Entry, head: TreeHead) -> None:
    """Return if the entry is in the head's tree where it says.

    Raises:
      RtgfError: RTGF_TXP_PROOF_INVALID.
    """
    with failing(Code.RTGF_TXP_PROOF_INVALID, f"entry {entry.index}"):
        merkle.verify_inclusion(
            leaf_hash=merkle.leaf_hash(canonical_json.canonical_bytes(entry.event)),
            index=entry.index,
            tree_size=head.tree_size,
            proof=[bytes.fromhex(node) for node in entry.path],
            root=head.root(),
        )


def event_of(entry: Entry, kind: str | None = None) -> Event:
    """Return the event of an entry, which must be of this kind if one is given.

    Raises:
      RtgfError: RTGF_TXP_EVENT_INVALID if it is no event, RTGF_TXP_PROOF_INVALID if it is one of
        another kind.
    """
    found = event.parse(canonical_json.canonical_bytes(entry.event))
    require(
        kind is None or found.type == kind,
        f"entry {entry.index} is a {found.type} event, not a {kind}",
    )
    return found


def require(holds: bool, problem: str) -> None:
    """Refuse the file as not being what the log holds, unless this holds.

    Raises:
      RtgfError: RTGF_TXP_PROOF_INVALID.
    """
    if not holds:
        raise RtgfError(Code.RTGF_TXP_PROOF_INVALID, problem)


@contextmanager
def failing(code: Code, what: str) -> Iterator[None]:
    """Give every refusal inside one code: that of the step that fails.

    A key outside its time stays that: the signature itself may well be right.
    """
    try:
        yield
    except RtgfError as error:
        if Code.RTGF_KID_EXPIRED in {error.code, *(cause.code for cause in error.causes)}:
            code = Code.RTGF_KID_EXPIRED
        raise RtgfError(
            code, f"{what}: {error.detail}", pointer=error.pointer, causes=(error,)
        ) from error
