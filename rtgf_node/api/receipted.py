"""`?receipt=1`: the answer with a signed receipt, as evidence that a partner can keep."""

from __future__ import annotations

from collections.abc import Awaitable, Callable

from rtgf_node.api.desk import Desk
from rtgf_node.api.exchange import Answered, Asked
from rtgf_node.api.parameters import Query
from rtgf_node.core import answer_receipt, digests, times
from rtgf_node.core.answer_receipt import Receipt
from rtgf_node.errors import Code, RtgfError


def wants_receipt(query: Query) -> bool:
    """Return whether the query asks for a receipt.

    Raises:
      RtgfError: RTGF_BAD_REQUEST if it says neither yes nor no.
    """
    said = query.text("receipt")
    if said not in {None, "0", "1"}:
        raise RtgfError(Code.RTGF_BAD_REQUEST, "receipt is 1 or 0", pointer="?receipt")
    return said == "1"


def receipted(
    desk: Desk, answer: Callable[[Asked], Answered | Awaitable[Answered]]
) -> Callable[[Asked], Answered | Awaitable[Answered]]:
    """Add the receipt that was asked for to what `answer` says, once that is on record."""

    def answer_receipted(asked: Asked) -> Answered | Awaitable[Answered]:
        answered = answer(asked)
        if "receipt" not in asked.query:
            return answered
        return add(asked, answered) if isinstance(answered, Answered) else _later(asked, answered)

    async def _later(asked: Asked, waiting: Awaitable[Answered]) -> Answered:
        return add(asked, await waiting)

    def add(asked: Asked, answered: Answered) -> Answered:
        if answered.status != 200:
            return answered
        query = Query("at", "receipt", of=asked.query)
        if not wants_receipt(query):
            return answered
        receipt = Receipt(
            issuer=desk.config.node.issuer,
            request_id=asked.request_id,
            request_digest=digests.sha256(asked.body),
            at=query.text("at"),
            answer_digest=digests.sha256(answered.body),
            time=times.to_text(desk.clock.now()),
        )
        body = answer_receipt.with_receipt(answered.body, receipt, desk.receipts)
        return answered._replace(body=body)

    return answer_receipted
