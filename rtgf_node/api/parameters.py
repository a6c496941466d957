"""Query parameters, read strictly: an unknown or repeated one is refused, as in a body."""

from __future__ import annotations

from quart import request

from rtgf_node.errors import Code, RtgfError


class Query:
    """The query of the current request, of which only `allowed` names may appear, each once."""

    def __init__(self, *allowed: str) -> None:
        self._given = request.args
        for name in self._given:
            if name not in allowed:
                raise _refused(f"unknown parameter; known are {', '.join(allowed) or 'none'}", name)
            if len(self._given.getlist(name)) > 1:
                raise _refused("given more than once", name)

    def text(self, name: str) -> str | None:
        """Return the parameter, or None when it is absent."""
        return self._given.get(name)

    def required(self, name: str) -> str:
        """Return the parameter, which must be there and not empty."""
        value = self._given.get(name)
        if not value:
            raise _refused("it is required", name)
        return value

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
