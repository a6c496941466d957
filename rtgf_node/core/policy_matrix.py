"""The policy matrix index: which snapshots and terms documents there are, and where."""

from __future__ import annotations

from urllib.parse import urljoin

import msgspec

from rtgf_node.core.canonical_json import JsonValue
from rtgf_node.errors import Code, RtgfError

MAX_ENTRIES = 4096
"""More than all jurisdictions of the world times four domains four times over."""


class Entry(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One snapshot's place."""

    jurisdiction: str
    domain: str
    source_uri: str
    issuing_authority_did: str
    last_updated: str
    jwks_uri: str | None = None
    jwks: dict[str, object] | None = None


class TermsEntry(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One terms document's place; what it is of is as its tokens say it."""

    type: str
    place: str
    name: str
    source_uri: str
    issuing_authority_did: str
    last_updated: str


def sources(document: JsonValue, *, base: str) -> list[str] | None:
    """Return the URIs an index names, relative ones against `base`; None if it is no index.

    Those of terms come after those of snapshots.

    The keys that an index offers are ignored: only pinned keys count.

    Raises:
      RtgfError: RTGF_POL_MATRIX_SCHEMA_INVALID for an index that does not fit its schema.
    """
    listed, terms = document, None
    if isinstance(document, dict):
        listed, terms = document.get("snapshots"), document.get("terms")
    if not isinstance(listed, list):
        return None
    terms = [] if terms is None else terms
    if isinstance(terms, list) and len(listed) + len(terms) > MAX_ENTRIES:
        raise RtgfError(
            Code.RTGF_POL_MATRIX_SCHEMA_INVALID, f"the index has more than {MAX_ENTRIES} entries"
        )
    try:
        entries: list[Entry | TermsEntry] = [
            *msgspec.convert(listed, list[Entry]),
            *msgspec.convert(terms, list[TermsEntry]),
        ]
    except msgspec.ValidationError as error:
        raise RtgfError(Code.RTGF_POL_MATRIX_SCHEMA_INVALID, f"the index: {error}") from None
    return [urljoin(base, entry.source_uri) for entry in entries]
