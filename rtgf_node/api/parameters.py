"""Query parameters, read strictly: an unknown or repeated one is refused, as in a body."""

from __future__ import annotations

from typing import Final
from urllib.parse import parse_qsl, unquote_plus

from quart import request

from rtgf_node.core.as_of import AsOf, present
from rtgf_node.errors import Code, RtgfError
from rtgf_node.store.log_store import LogStore

MAX_PARAMETERS: Final = 32
"""More than any route knows."""


CONSISTENCY: Final = "consistency"
"""On every route: `strong` for an answer that has all that was committed before it was asked."""


def consistency_of(query: str) -> str | None:
    """Return what a query, as it was sent, asks for; a view refuses what is no such word.

    Of several, `strong` counts.
    """
    asked = [
        value
        for name, _, value in (unquote_plus(one).partition("=") for one in query.split("&"))
        if name == CONSISTENCY
    ]
    return "strong" if "strong" in asked else next(iter(asked), None)


def wants_strong(query: str) -> bool:
    """Say whether a query, as it was sent, asks for all that was committed."""
    return consistency_of(query) == "strong"


class Query:
    """A query, of which only `allowed` names and `consistency` may appear, each once.

    Args:
      allowed: the names.
      of: the query as it was sent; that of the framework's current request if None.
    """

    def __init__(self, *allowed: str, of: str | None = None) -> None:
        text = request.query_string.decode("latin-1") if of is None else of
        self._given: dict[str, str] = {}
        if not text:
            return
        try:
            pairs = parse_qsl(text, keep_blank_values=True, max_num_fields=MAX_PARAMETERS)
        except ValueError as error:
            raise _refused("too many", "parameters") from error
        for name, value in pairs:
            if name not in (*allowed, CONSISTENCY):
                known = ", ".join((*allowed, CONSISTENCY))
                raise _refused(f"unknown parameter; known are {known}", name)
            if name == CONSISTENCY and value not in {"strong", "local"}:
                raise _refused("`strong` or `local`", name)
            if name in self._given:
                raise _refused("given more than once", name)
            self._given[name] = value

    def text(self, name: str) -> str | None:
        """Return the parameter, or None when it is absent."""
        return self._given.get(name)

    def required(self, name: str) -> str:
        """Return the parameter, which must be there and not empty."""
        value = self._given.get(name)
        if not value:
            raise _refused("it is required", name)
        return value

    def as_of(self, log: LogStore, *, now: int) -> AsOf:
        """Return the state of the log that `at` names; the present one without it.

        Raises:
          RtgfError: RTGF_INPUT_INVALID if it is neither a time nor a tree size, or one that the
            log has not come to.
        """
        text = self._given.get("at")
        if text is None:
            return present(now)
        state = log.named(text, now=now, pointer="?at")
        if state.at > now and not state.by_size:
            raise RtgfError(
                Code.RTGF_INPUT_INVALID, "the log of a later time is not known yet", pointer="?at"
            )
        return state

    def whole(self, name: str, *, default: int, least: int = 0, most: int = 2**53 - 1) -> int:
        """Return a whole number between `least` and `most`."""
        value = self._given.get(name)
        if value is None:
            return default
        if not value.isascii() or not value.isdigit() or len(value) > 16:
            raise _refused("not a whole number", name)
        if not least <= int(value) <= most:
            raise _refused(f"not between {least} and {most}", name)
        return int(value)


def _refused(detail: str, name: str) -> RtgfError:
    shown = name if name.isascii() and name.isidentifier() and len(name) < 64 else "a parameter"
    return RtgfError(Code.RTGF_BAD_REQUEST, f"{shown}: {detail}", pointer=f"?{shown}")
