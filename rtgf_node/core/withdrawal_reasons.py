"""Why a token may be withdrawn. Only one of the reasons can be lifted again."""

from __future__ import annotations

from typing import Final, Literal, TypeAlias, get_args

Reason: TypeAlias = Literal[
    "key_compromise",
    "superseded",
    "policy_withdrawn",
    "issued_in_error",
    "corridor_suspended",
    "cessation",
]
REASONS: Final[tuple[Reason, ...]] = get_args(Reason)
LIFTABLE: Final = "corridor_suspended"
FINAL_REASONS: Final = frozenset(REASONS) - {LIFTABLE}
