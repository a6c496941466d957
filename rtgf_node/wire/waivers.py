"""What is said over HTTP about waivers, and about the clauses that wait for one."""

from __future__ import annotations

from rtgf_node.wire import Answer, Document


class WaiverEntry(Answer, frozen=True):
    """A kept waiver: the document as its approver signed it, and the log entry that says so."""

    digest: str
    taken_at: str
    leafIndex: int  # noqa: N815 - the contract's spelling
    waiver: Document


class WaiversAnswer(Answer, frozen=True):
    """`GET /admin/waivers`: the newest first, and what halted the newest halted build."""

    waivers: list[WaiverEntry]
    manual_review: list[Document]
