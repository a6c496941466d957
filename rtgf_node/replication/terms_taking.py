"""Taking in a terms document, inside the savepoint of the running command."""

from __future__ import annotations

from rtgf_node.errors import Code, RtgfError
from rtgf_node.replication.commands import TakeTerms
from rtgf_node.replication.version_order import is_newer
from rtgf_node.store.log_writer import LogWriter, frame_of
from rtgf_node.store.terms_store import TermsRow, TermsStore


def take_terms(command: TakeTerms, terms: TermsStore, log: LogWriter) -> int:
    """Take the document in and return the place of its event.

    Raises:
      RtgfError: RTGF_POL_MATRIX_STALE for an older or equal version with other bytes,
        RTGF_POL_MATRIX_SCHEMA_INVALID for a version that is none, RTGF_CONFLICT if its id is taken.
    """
    held = terms.by_digest(command.digest)
    if held is not None:
        return held.leaf_index
    newest = terms.newest(command.token_type, command.place, command.name)
    if newest is not None and not is_newer(command.version, newest.version):
        raise RtgfError(
            Code.RTGF_POL_MATRIX_STALE,
            f"{newest.terms_id} is held; terms with other bytes need a version after"
            f" {newest.version}, these have {command.version}",
        )
    if terms.document(command.terms_id) is not None:
        raise RtgfError(
            Code.RTGF_CONFLICT, f"{command.terms_id} is held with other bytes or members"
        )
    leaf_index = log.append(command.event)
    terms.insert(
        TermsRow(
            terms_id=command.terms_id,
            digest=command.digest,
            type=command.token_type,
            place=command.place,
            name=command.name,
            domain=command.domain,
            version=command.version,
            body=command.body,
            at=frame_of(command.event).at,
            leaf_index=leaf_index,
        )
    )
    return leaf_index
