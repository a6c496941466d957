"""What is wrong with a terms document, for its author: every part looked at by itself."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Final

import msgspec

from rtgf_node.core import terms
from rtgf_node.core.misfits import misfits
from rtgf_node.core.snapshot_faults import (
    Document,
    Fault,
    is_unfilled,
    shape_faults,
    unfilled,
    unsealed,
)
from rtgf_node.core.terms_document import TOKEN_TYPES, TermsDocument, disagreements
from rtgf_node.errors import Code, RtgfError

_SCHEMA: Final = Code.RTGF_POL_MATRIX_SCHEMA_INVALID
_BODIES: Final[dict[str, Any]] = {
    "CORT": terms.CorridorTerms,
    "PSRT": terms.PaymentRouteTerms,
    "RRMT": terms.RevenueRulesTerms,
}


def faults(document: Document, *, max_ttl_sec: int) -> Iterator[Fault]:
    """Yield what is wrong with the members of terms, and with how they agree."""
    yield from unfilled(document)
    found = [*shape_faults(document, TermsDocument), *_body(document)]
    yield from found
    # How members agree can be told of those that have their shape alone.
    try:
        stated = msgspec.convert(unsealed(document), TermsDocument, strict=True)
    except msgspec.ValidationError:
        return
    for error in disagreements(stated, max_ttl_sec=max_ttl_sec):
        place = error.pointer or ""
        told = any(fault.error.pointer == place for fault in found)
        if not told and not is_unfilled(document, place):
            yield Fault(error)


def _body(document: Document) -> Iterator[Fault]:
    token_type = TOKEN_TYPES.get(str(document.get("@type")))
    if token_type is None or not isinstance(document.get("terms"), dict):
        return  # told already
    for misfit in misfits(document["terms"], _BODIES[token_type], "terms"):
        if not is_unfilled(document, misfit.pointer):
            error = RtgfError(_SCHEMA, misfit.detail, pointer=misfit.pointer)
            yield Fault(error, misfit.nearest)
