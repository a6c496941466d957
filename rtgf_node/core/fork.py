"""When two signed heads of one log cannot both be true: the document that shows it to anybody."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from rtgf_node.core import event, times
from rtgf_node.core.canonical_json import JsonValue, canonical_bytes
from rtgf_node.errors import Code

TYPE: Final = "rtgf-fork-evidence/1"


def evidence(
    origin: str,
    *,
    heads: Sequence[str],
    detail: str,
    at: int,
    proof: Sequence[bytes] = (),
    proved_root: bytes | None = None,
) -> bytes:
    """Return the canonical bytes of the evidence.

    Args:
      origin: the log that signed both heads.
      heads: the checkpoints as signed notes, the smaller tree first. Two of one size with two
        roots need no more.
      detail: what contradicts what, in words.
      at: when it was found.
      proof: consistency proof from `proved_root`, at the smaller size, to the larger head: the
        larger tree begins with another tree than the smaller head says.
      proved_root: that other tree's root.
    """
    document: dict[str, JsonValue] = {
        "type": TYPE,
        "origin": origin,
        "heads": list(heads),
        "detail": detail,
        "found_at": times.to_text(at),
    }
    if proved_root is not None:
        document["proved_root"] = proved_root.hex()
        document["proof"] = [node.hex() for node in proof]
    return canonical_bytes(document)


def incident(detail: str, *, evidence: str, reporter: str, at: int) -> bytes:
    """Return the incident that logs a fork; `evidence` is the digest of its document."""
    return event.to_bytes(
        event.make(
            type="incident",
            at=at,
            subject=Code.RTGF_TXP_GOSSIP_INCONSISTENT.name,
            digest=evidence,
            refs={"evidence": evidence},
            actor=reporter,
            payload={"detail": detail},
        )
    )
