"""Receipts of external proofs: who checked what about whom, signed by a verifier that is pinned.

A receipt is a compact JWS (RFC 7515) with `typ` `rtgf-proof+jws` over
`{"type", "subject", "issued_at", "expires_at"}`. Its subject is the digest of the canonical JSON of
the party as it stands in the context, so that a receipt about one party is worth nothing for
another, nor for the same one described otherwise. What stands beside a receipt is not read.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Annotated, Final, NamedTuple

from msgspec import Meta, Struct

from rtgf_node.core import canonical_json, digests, jose, times
from rtgf_node.core.canonical_json import JsonValue
from rtgf_node.core.keys import KeySet, Signer
from rtgf_node.core.shapes import fit
from rtgf_node.errors import Code, RtgfError

SIGNATURE_TYPE: Final = "rtgf-proof+jws"
USE: Final = "proof"


class Receipt(Struct, frozen=True, forbid_unknown_fields=True):
    """What a verifier states: a proof of this type about this subject held when it was issued."""

    type: Annotated[str, Meta(pattern=r"^[a-z0-9][a-z0-9_]{0,63}$")]
    subject: Annotated[str, Meta(pattern=r"^sha256:[0-9a-f]{64}$")]
    issued_at: str
    expires_at: str


class Verifier(NamedTuple):
    """A verifier of proofs that is believed: its name, what for, and its pinned keys."""

    did: str
    proofs: frozenset[str]
    keys: KeySet


class PinnedVerifiers:
    """The verifiers that a node believes, by the type of proof."""

    def __init__(self, verifiers: Iterable[Verifier] = ()) -> None:
        self._by_type: dict[str, list[Verifier]] = {}
        for verifier in verifiers:
            for proof in sorted(verifier.proofs):
                self._by_type.setdefault(proof, []).append(verifier)

    def types(self) -> dict[str, list[Verifier]]:
        """Return who is believed for each type of proof, in the order of the types."""
        return {proof: self._by_type[proof] for proof in sorted(self._by_type)}

    def resolve(self, arguments: Mapping[str, JsonValue], *, at: int) -> JsonValue:
        """Answer the resolver `proof`: whether the receipt proves it of the subject at `at`.

        Raises:
          LookupError: no verifier is pinned for this type of proof, so that nobody can say.
        """
        proof = str(arguments["proof"])
        verifiers = self._by_type.get(proof)
        if not verifiers:
            raise LookupError(f"no verifier is pinned for the proof {proof!r}")
        subject = digests.of_document(arguments["subject"])
        held = arguments["receipt"]
        jws = held.get("receipt") if isinstance(held, dict) else None
        return {
            "valid": isinstance(jws, str)
            and any(_holds(jws, proof, subject, verifier.keys, at) for verifier in verifiers)
        }


def _holds(jws: str, proof: str, subject: str, keys: KeySet, at: int) -> bool:
    try:
        payload = jose.verify_compact(jws, keys, at=at, typ=SIGNATURE_TYPE, uses={USE})
        receipt = fit(canonical_json.parse(payload), Receipt, code=Code.RTGF_INPUT_INVALID)
        begins, ends = times.parse(receipt.issued_at), times.parse(receipt.expires_at)
    except RtgfError:
        return False
    return (
        receipt.type == proof
        and receipt.subject == subject
        and begins - times.SKEW_SECONDS <= at <= ends
    )


def sign(proof: str, subject: JsonValue, *, issued_at: int, expires_at: int, signer: Signer) -> str:
    """Return the receipt of a proof about `subject`, a party as it stands in a context."""
    payload: JsonValue = {
        "type": proof,
        "subject": digests.of_document(subject),
        "issued_at": times.to_text(issued_at),
        "expires_at": times.to_text(expires_at),
    }
    return jose.sign_compact(canonical_json.canonical_bytes(payload), signer, typ=SIGNATURE_TYPE)
