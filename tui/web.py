"""The dashboard in a browser of this computer: each visitor has a process of their own, read-only.

There is no login, so that it listens on the loopback address alone, and answers only pages of its
own: else any page that is open in the same browser could connect and read. From elsewhere one
comes through SSH.
"""

from __future__ import annotations

import importlib
import shlex
from collections.abc import Sequence
from typing import Any, Final

from textual import constants

from rtgf_node.errors import Code, RtgfError

LOOPBACK: Final = "127.0.0.1"

POLICY: Final = (
    f"style-src 'unsafe-inline' http://{LOOPBACK}:* http://localhost:*; frame-ancestors 'none'"
)
"""The page names a style sheet of fonts at a third party, who would see every visitor."""


def is_own(host: str, origin: str | None, port: int) -> bool:
    """Return whether a request names this server as its host, and comes from a page of its own.

    A foreign name that leads here is refused too: it may be another's, told to browsers anew.
    """
    own = {f"{name}:{port}" for name in (LOOPBACK, "localhost")}
    return host in own and (origin is None or origin in {f"http://{one}" for one in own})


def is_served() -> bool:
    """Return whether this process draws for a visitor, who has no terminal."""
    return constants.DRIVER is not None


def serve(command: Sequence[str], port: int) -> None:
    """Serve what this command shows in a terminal, until interrupted.

    Raises:
      RtgfError: RTGF_CONFIG_INVALID if what it takes is not installed.
    """
    try:
        server = importlib.import_module("textual_serve.server")
        web = importlib.import_module("aiohttp.web")
    except ImportError as error:
        raise RtgfError(
            Code.RTGF_CONFIG_INVALID,
            "--web takes the package textual-serve: pip install 'rtgf-node[web]'",
        ) from error

    @web.middleware  # type: ignore[untyped-decorator]
    async def guard(request: Any, handler: Any) -> Any:  # noqa: ANN401 - the package is optional
        if not is_own(request.host, request.headers.get("Origin"), port):
            raise web.HTTPForbidden(text=f"open http://{LOOPBACK}:{port} itself")
        response = await handler(request)
        if not response.prepared:
            response.headers["Content-Security-Policy"] = POLICY
        return response

    page = server.Server(shlex.join(command), host=LOOPBACK, port=port, title="rtgf")
    make = page._make_app  # noqa: SLF001 - it has no other place for a middleware

    async def guarded() -> Any:  # noqa: ANN401
        app = await make()
        app.middlewares.append(guard)
        return app

    page._make_app = guarded  # noqa: SLF001
    page.serve()
