"""Routes below `/admin`: their POSTs honour `Idempotency-Key`."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial, wraps
from typing import Any, Final

from quart import request

from rtgf_node.api import exchange, problems
from rtgf_node.api.desk import Desk
from rtgf_node.api.exchange import Answered, Asked, View, Views
from rtgf_node.errors import RtgfError
from rtgf_node.settings import Role

ROLES: Final[frozenset[Role]] = frozenset({"regulator", "compiler", "operator", "approver"})
"""Whoever has one of these may send the large bodies of privileged routes."""


class PrivilegedViews(Views):
    """Views whose POSTs are done once for each key of a client."""

    def __init__(self, name: str, import_name: str, desk: Desk, **options: Any) -> None:  # noqa: ANN401
        super().__init__(name, import_name, **options)
        self._desk = desk
        self._done: set[View] = set()

    def post(self, rule: str, **options: Any) -> Callable[[View], View]:  # type: ignore[override]  # noqa: ANN401
        """Register a view for POST."""
        register = super().post(rule, **options)

        def decorate(view: View) -> View:
            if view not in self._done:  # it may have several rules
                view = _once(self._desk, view)
                self._done.add(view)
            return register(view)

        return decorate


def _once(desk: Desk, view: View) -> View:
    @wraps(view)
    async def view_once(**parts: Any) -> Any:  # noqa: ANN401
        # Without a role the view itself refuses, before it takes the body.
        if "Idempotency-Key" not in request.headers or not _has_role(desk):
            return await view(**parts)
        body: bytes = await request.get_data(cache=True, as_text=False, parse_form_data=False)
        asked = exchange.current()._replace(body=body)
        return await desk.kept.answer(asked, partial(_settled, desk, view, parts), acts=True)

    return view_once


async def _settled(desk: Desk, view: View, parts: dict[str, Any], asked: Asked) -> Answered:
    """Return the answer of a view; a refusal is one too."""
    try:
        answered: Answered = await view(**parts)
    except RtgfError as error:
        return problems.answered(error, asked.request_id, desk.config.node.public_url)
    return answered


def _has_role(desk: Desk) -> bool:
    caller = desk.access.caller(request.scope)
    return not caller.by_token and not caller.roles.isdisjoint(ROLES)
