"""What is said over HTTP about the audit trail."""

from __future__ import annotations

from rtgf_node.wire import Answer, Document


class AuditTrailPage(Answer, frozen=True):
    """`GET /admin/audit-trail`: lines as they are kept, and where to go on."""

    lines: list[Document]
    next: int | None
