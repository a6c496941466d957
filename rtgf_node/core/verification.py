"""Is this token set valid, now, and may I do this?

The checks of a token set against what is known: tokens, keys, revocations, screening lists. Used by
the node's verifier and by whoever verifies offline; it reads no clock and no database. Order of the
checks: `tokens.md`; meaning of each answer: `http-api.md`.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from contextlib import contextmanager
from typing import NamedTuple

import msgspec

from rtgf_node.core import identifiers, proof_bundle, times
from rtgf_node.core import tokens as token_checks
from rtgf_node.core.as_of import AsOf
from rtgf_node.core.canonical_json import JsonValue, Writer, canonical_bytes
from rtgf_node.core.policy import decide
from rtgf_node.core.tokens import Token
from rtgf_node.core.trust import HeldToken, TrustState
from rtgf_node.errors import Code, RtgfError
from rtgf_node.wire import (
    Basis,
    Document,
    EvaluateRequest,
    ProofBundle,
    TokenVerdict,
    VerifyAnswer,
    VerifyRequest,
)

KINDS = ("rmt", "imt", "cort", "psrt", "rrmt")
"""Members of a token set, in the order in which they are checked."""

_RESTS_ON = {"imt": "rmt", "cort": "imt", "psrt": "cort"}


class Checked(NamedTuple):
    """A token of the set with what was found of it; `reason` None means valid."""

    kind: str
    token: Token
    held: HeldToken | None
    reason: Code | None


def verify(
    request: VerifyRequest,
    state: TrustState,
    *,
    as_of: AsOf,
    now: int,
    required: Collection[str] = ("rmt",),
    write: Writer = canonical_bytes,
) -> VerifyAnswer:
    """Return the verdict on `request.tokens`.

    Args:
      request: the question, but for its `at`.
      state: what is known.
      as_of: the state of the log that answers, and the instant at which the tokens must hold.
      now: the time, in seconds since the epoch.
      required: the kinds of token that must be there.
      write: writes the tokens that are handed in whole canonically.

    Raises:
      RtgfError: the request cannot be answered (400), names a token that is not here (404), or
        hands in an object that fails its own checks (422). A verdict is returned, not raised.
    """
    with _placed_at("/corridor"):
        corridor = identifiers.corridor(request.corridor) if request.corridor is not None else None
    with _placed_at("/domain"):
        domain = identifiers.domain(request.domain) if request.domain is not None else None
    given = {kind: getattr(request.tokens, kind) for kind in KINDS}
    for kind, token in given.items():
        # A blank token is refused even where none is required: whoever sent it meant one.
        needed = kind == "rmt" or kind in required or token is not None
        if needed and _is_blank(token):
            raise RtgfError(
                Code.RTGF_VERIFY_MISSING_TOKEN,
                f"an {kind.upper()} is required: give its URI, its id or the token itself",
                pointer=f"/tokens/{kind}",
            )
    checked = [
        check_token(kind, token, state, as_of=as_of, pointer=f"/tokens/{kind}", write=write)
        for kind, token in given.items()
        if token is not None
    ]
    reason = (
        _stale(request, state, as_of)
        or _first_reason(checked)
        or _unknown_yet(as_of.at, now=now)
        or _chain(checked)
        or _place(checked, corridor, domain)
        or _proofs(request.proofs or {}, checked, state)
    )
    decision = None
    basis = None
    # A token set that is not valid decides nothing: no answer may read like a permission.
    if request.context is not None and reason is None:
        deciding = next((c for c in checked if c.kind == "imt"), checked[0])
        decision = evaluate(deciding.token, request.context, state, as_of=as_of)
        basis = _basis(deciding.token)
        if decision.decision == "DENY":
            reason = Code.RTGF_VERIFY_POLICY_DENY
    return VerifyAnswer(
        valid=reason is None,
        revEpoch=state.rev_epoch_of(as_of.tree_size),
        reason=reason.name if reason else None,
        decision=decision.decision if decision else None,
        controls=list(decision.controls) if decision else [],
        reasons=list(decision.reasons) if decision else [],
        tokens=[_verdict(entry) for entry in checked],
        trace_digest=decision.trace_digest if decision else None,
        basis=basis,
    )


def evaluate(
    token: Token, context: JsonValue, state: TrustState, *, as_of: AsOf
) -> decide.Decision:
    """Return the policy decision of `token` (RMT or IMT) on `context`."""
    resolvers = state.resolvers(token, as_of.at, tree_size=as_of.tree_size)
    return decide.run(state.prepared(token), context, at=as_of.at, resolvers=resolvers)


def resolve(request: EvaluateRequest, state: TrustState, *, as_of: AsOf, now: int) -> Checked:
    """Return the token that an evaluation names, checked as `verify` checks it."""
    reference = request.token
    if isinstance(reference, str):
        with _placed_at("/token"):
            kind = identifiers.split_token_id(identifiers.token_reference(reference)).type.lower()
    else:
        kind = str(reference.get("type", "")).lower()
    if kind not in {"rmt", "imt"}:
        raise RtgfError(
            Code.RTGF_TOKEN_TYPE_UNSUPPORTED,
            "only an RMT or an IMT carries predicates that can be evaluated",
            pointer="/token",
        )
    checked = check_token(kind, reference, state, as_of=as_of, pointer="/token")
    if state.stale:
        return checked._replace(reason=Code.RTGF_TOKEN_REVOCATION_STALE)
    return checked._replace(reason=checked.reason or _unknown_yet(as_of.at, now=now))


def check_token(
    kind: str,
    reference: str | Document,
    state: TrustState,
    *,
    as_of: AsOf,
    pointer: str,
    write: Writer = canonical_bytes,
) -> Checked:
    """Find or check one token of the set.

    Args:
      kind: the type that is due.
      reference: its id, its URI or the token itself.
      state: what is known.
      as_of: the state of the log that counts, and the instant at which the token must hold.
      pointer: where the token stands in the request.
      write: writes it canonically, if it is handed in whole.

    Raises:
      RtgfError: RTGF_VERIFY_TOKEN_NOT_FOUND, or the code of the check that a handed-in object
        fails; a signature failure is RTGF_VERIFY_SIGNATURE_INVALID with its cause inside.
    """
    if isinstance(reference, str):
        with _placed_at(pointer):
            held = state.find(identifiers.token_reference(reference), tree_size=as_of.tree_size)
        if held is None:
            raise RtgfError(
                Code.RTGF_VERIFY_TOKEN_NOT_FOUND, f"no token {reference!r} here", pointer=pointer
            )
        token = held.token
    else:
        with _placed_at(pointer):
            token = _own_checks(reference, state, as_of, write)
        held = state.find(token.token_id)
    if token.type.lower() != kind:
        raise RtgfError(
            Code.RTGF_TOKEN_TYPE_UNSUPPORTED,
            f"{token.token_id} is an {token.type}, never accepted for an {kind.upper()}",
            pointer=pointer,
        )
    return Checked(kind, token, held, _token_reason(token, held, state, as_of))


def _is_blank(token: str | Document | None) -> bool:
    return not token or (isinstance(token, str) and not token.strip())


@contextmanager
def _placed_at(pointer: str) -> Iterator[None]:
    """Say of a failure inside where in the request it is."""
    try:
        yield
    except RtgfError as error:
        raise _placed(error, pointer) from error


def _placed(error: RtgfError, pointer: str) -> RtgfError:
    inner = tuple(_placed(cause, pointer) for cause in error.causes)
    return RtgfError(
        error.code, error.detail, pointer=pointer + (error.pointer or ""), causes=inner
    )


def _own_checks(document: Document, state: TrustState, as_of: AsOf, write: Writer) -> Token:
    """Run the checks that need only the token and the keys; the time window is a verdict."""
    try:
        keys = state.keys_of(as_of.tree_size)
        return token_checks.check(document, keys=keys, at=as_of.at, window=False, write=write)
    except RtgfError as error:
        if error.code is Code.RTGF_TOKEN_SIGNATURE_INVALID:
            raise RtgfError(
                Code.RTGF_VERIFY_SIGNATURE_INVALID,
                "the token handed in is not signed by a key of this node",
                causes=(error,),
            ) from error
        raise


def _token_reason(
    token: Token, held: HeldToken | None, state: TrustState, as_of: AsOf
) -> Code | None:
    tree_size, at = as_of.tree_size, as_of.at
    if at < token.nbf - times.SKEW_SECONDS:
        return Code.RTGF_VERIFY_NOT_YET_VALID
    if at > token.exp + times.SKEW_SECONDS:
        return Code.RTGF_VERIFY_EXPIRED
    if held is not None and held.leaf_index >= tree_size:
        # Nobody knew it then, so that nothing else can be said of it.
        return Code.RTGF_TXP_PROOF_NOT_FOUND
    if state.withdrawn(token.token_id, tree_size=tree_size):
        return Code.RTGF_VERIFY_REVOKED
    if (overtaken := state.overtaken(token, at=at, tree_size=tree_size)) is not None:
        return overtaken
    if token.revocation.revEpoch > state.rev_epoch:
        return Code.RTGF_TOKEN_REVOCATION_STALE
    if (unusable := state.unusable(token, at=at, tree_size=tree_size)) is not None:
        return unusable
    # Log first, publish after: a signed token that the log does not hold was issued in secret.
    if held is None or held.leaf_index >= state.tree_size:
        return Code.RTGF_TXP_PROOF_NOT_FOUND
    if held.token.canonical_hash != token.canonical_hash:
        return Code.RTGF_TOKEN_CANONICAL_MISMATCH
    return None


def _stale(request: VerifyRequest, state: TrustState, as_of: AsOf) -> Code | None:
    rev_epoch = state.rev_epoch_of(as_of.tree_size)
    behind = request.min_rev_epoch is not None and request.min_rev_epoch > rev_epoch
    return Code.RTGF_TOKEN_REVOCATION_STALE if behind or state.stale else None


def _unknown_yet(moment: int, *, now: int) -> Code | None:
    """Nobody knows yet what will be revoked until then."""
    future = moment > now + times.SKEW_SECONDS
    return Code.RTGF_TOKEN_REVOCATION_STALE if future else None


def _first_reason(checked: list[Checked]) -> Code | None:
    return next((entry.reason for entry in checked if entry.reason is not None), None)


def _chain(checked: list[Checked]) -> Code | None:
    """Each token must rest on the one below it in the set, where that one was given."""
    by_kind = {entry.kind: entry.token for entry in checked}
    for upper, lower in _RESTS_ON.items():
        above, below = by_kind.get(upper), by_kind.get(lower)
        if above is not None and (below is None or below.token_id not in above.derived_from):
            return Code.RTGF_VERIFY_CHAIN_MISMATCH
    return None


def _place(checked: list[Checked], corridor: str | None, domain: str | None) -> Code | None:
    """Corridor and domain must be one and the same over the set, and as asked."""
    corridors = {entry.token.corridor for entry in checked if entry.token.corridor is not None}
    if corridor is not None:
        corridors.add(corridor)
    if len(corridors) > 1:
        return Code.RTGF_VERIFY_CORRIDOR_MISMATCH
    ends = {end for one in corridors for end in one.split("-")}
    jurisdictions = {entry.token.jurisdiction for entry in checked} - {None}
    # Without a corridor, the prices must be those of the place whose law it is.
    if not jurisdictions <= ends if ends else len(jurisdictions) > 1:
        return Code.RTGF_VERIFY_CORRIDOR_MISMATCH
    if domain is not None and any(entry.token.domain != domain for entry in checked):
        return Code.RTGF_VERIFY_CORRIDOR_MISMATCH
    return None


def _proofs(
    given: Mapping[str, Document], checked: list[Checked], state: TrustState
) -> Code | None:
    """Each proof that was handed in must prove the log entry of its token.

    Raises:
      RtgfError: RTGF_VERIFY_BAD_REQUEST for a proof of a token that is not in the set, or no proof.
    """
    held = {entry.token.token_id: entry.held for entry in checked}
    for reference, document in given.items():
        token_id = identifiers.token_reference(reference)
        pointer = f"/proofs/{reference}"
        if token_id not in held:
            raise RtgfError(
                Code.RTGF_VERIFY_BAD_REQUEST, "no token of the set has this id", pointer=pointer
            )
        try:
            bundle = msgspec.convert(document, ProofBundle)
        except msgspec.ValidationError as error:
            raise RtgfError(Code.RTGF_VERIFY_BAD_REQUEST, str(error), pointer=pointer) from None
        entry = held[token_id]
        if entry is None or entry.leaf_index != bundle.leafIndex:
            return Code.RTGF_TXP_PROOF_INVALID
        try:
            leaf = proof_bundle.hash_of(bundle.leafHash)
            proof_bundle.verify(bundle, leaf_hash=leaf, verifier_keys=state.log_verifiers())
        except RtgfError:
            return Code.RTGF_TXP_PROOF_INVALID
    return None


def _basis(token: Token) -> Basis:
    plan: Mapping[str, JsonValue] = token.eval_plan or {}
    return Basis(
        token=token.canonical_hash,
        eval_plan=str(plan.get("hash", "")),
        datasets=sorted(dataset.content_sha256 for dataset in token.evidence.datasets),
    )


def _verdict(entry: Checked) -> TokenVerdict:
    return TokenVerdict(
        uri=identifiers.token_uri(entry.token.token_id),
        type=entry.token.type,
        canonical_hash=entry.token.canonical_hash,
        valid=entry.reason is None,
        reason=entry.reason.name if entry.reason else None,
        exp=entry.token.effective.exp,
    )
