"""The Quart application: every route, and what holds for all of them.

Request id in and out, problem pages for whatever goes wrong, limits before any work, the security
headers, and the golden signals. It has no rules of its own.
"""

from __future__ import annotations

from typing import Any, cast

import structlog
import trio
from quart import Response, g, request
from quart.globals import request_ctx
from quart_trio import QuartTrio
from quart_trio.wrappers import TrioRequest
from werkzeug.exceptions import HTTPException, MethodNotAllowed, RequestEntityTooLarge

from rtgf_node.api import (
    admin,
    approvals,
    audit_trail,
    authzen,
    batch,
    builds,
    cluster,
    decisions,
    docs,
    evidence,
    exchange,
    health,
    keys,
    log,
    overview,
    problems,
    registry,
    revocation,
    stream,
    terms,
    tiles,
    verify,
    waivers,
    wellknown,
    witness,
)
from rtgf_node.api.answers import PREFLIGHT, always
from rtgf_node.api.auditing import audit
from rtgf_node.api.deadlines import AsgiApp
from rtgf_node.api.desk import Desk
from rtgf_node.api.door import Door
from rtgf_node.api.exchange import Answered, Route, finish
from rtgf_node.api.limits import RateLimitedError
from rtgf_node.api.parameters import consistency_of
from rtgf_node.errors import Code, RtgfError
from rtgf_node.settings import HttpConfig

HOT = (health, registry, revocation, tiles, verify, batch, authzen)
"""Routes that the fast lane answers too."""

COLD = (
    wellknown,
    log,
    stream,
    evidence,
    decisions,
    waivers,
    terms,
    witness,
    admin,
    approvals,
    audit_trail,
    builds,
    cluster,
    keys,
    overview,
)


OF_ITSELF = (
    "/admin/status",
    "/admin/cluster",
    "/admin/overview",
    "/admin/decisions",
    "/admin/audit-trail",
)
"""Privileged reads of what one node is or did."""


class App(QuartTrio):
    """Quart, whose views may return `Answered`."""

    async def make_response(self, result: Any) -> Any:  # noqa: ANN401 - as Quart has it
        """Return the response of what a view returned."""
        if isinstance(result, Answered):
            made = finish(result, method=request.method, headers=exchange.headers())
            result = _response(made)
        return await super().make_response(result)

    async def make_default_options_response(self) -> Any:  # noqa: ANN401 - as Quart has it
        """Say what may be asked here; to a page of another origin, that it may read."""
        allowed = set(cast("Any", request_ctx).url_adapter.allowed_methods())
        response = Response("", status=204, headers={"Allow": ", ".join(sorted(allowed))})
        response.headers.remove("Content-Type")
        if "GET" in allowed and not request.path.startswith("/admin"):
            response.headers.update(PREFLIGHT)
        return response


def build_app(desk: Desk) -> AsgiApp:
    """Return the application over `desk`."""
    app = App("rtgf_node", static_folder=None)
    app.request_class = bounded_request(desk.config.http)
    app.config["MAX_CONTENT_LENGTH"] = None  # the request class sets it by path
    app.config["RESPONSE_TIMEOUT"] = desk.config.http.send_timeout_seconds
    app.config["BODY_TIMEOUT"] = desk.config.http.request_timeout_seconds
    app.url_map.strict_slashes = True
    app.register_blueprint(exchange.blueprint("hot", hot_routes(desk)))
    for module in COLD:
        app.register_blueprint(module.routes(desk))
    app.register_blueprint(docs.routes(desk.config.node.public_url))
    _before_and_after(app, desk)
    audit(app, desk)
    _failures(app, desk)
    return cast("AsgiApp", app)


def hot_routes(desk: Desk) -> list[Route]:
    """Return the routes that both lanes answer."""
    return [route for module in HOT for route in module.routes(desk)]


def bounded_request(config: HttpConfig) -> type[TrioRequest]:
    """Return a request type whose body is bounded from its first byte, by who may send more."""

    class BoundedRequest(TrioRequest):
        def __init__(
            self, method: str, scheme: str, path: str, *args: object, **kwargs: object
        ) -> None:
            privileged = path.startswith("/admin/")
            limit = config.max_admin_body_bytes if privileged else config.max_body_bytes
            kwargs["max_content_length"] = limit
            super().__init__(method, scheme, path, *args, **kwargs)  # type: ignore[arg-type]  # passed on as they came

    return BoundedRequest


def _before_and_after(app: QuartTrio, desk: Desk) -> None:
    figures, door = desk.metrics.answers, Door(desk.access, desk.limits)

    @app.before_request
    async def admit() -> None:
        given = exchange.headers()
        g.request_id = exchange.request_id(given)
        g.started = trio.current_time()
        figures.in_flight.inc()
        structlog.contextvars.bind_contextvars(request_id=g.request_id)
        state = request.scope.get("state", {})
        try:
            g.identity = door.admit(
                state.get("client"),
                str(state.get("address", "")),
                given.get("authorization"),
                path=request.path,
                at=g.started,
            ).identity
        except RateLimitedError:
            figures.rate_limited()
            raise
        asked = consistency_of(request.query_string.decode("latin-1"))
        if (asked or _consistency(request.method, request.path)) == "strong":
            await desk.cluster.replicator.read_barrier()

    @app.after_request
    async def done(response: Response) -> Response:
        if "request_id" in g:
            response.headers["X-Request-ID"] = g.request_id
            route = request.url_rule.rule if request.url_rule is not None else "none"
            seconds = trio.current_time() - g.started
            figures.answered(route, request.method, response.status_code, seconds)
            address = str(request.scope.get("state", {}).get("address", ""))
            told = desk.limits.told(request.path, g.get("identity"), address)
            for name, text in told.items():
                response.headers.setdefault(name, text)
        response.headers.update(always(request.method, request.path))
        return response

    @app.teardown_request
    async def over(_: BaseException | None) -> None:
        # Also when the client has left, or it took too long.
        if "request_id" in g:
            figures.in_flight.dec()


def _consistency(method: str, path: str) -> str:
    """Return what holds where nothing is asked for: a privileged read knows all that is committed.

    What a node says of itself has to be seen without a majority too.
    """
    reads = method in {"GET", "HEAD"} and path.startswith("/admin/")
    return "strong" if reads and not path.startswith(OF_ITSELF) else "local"


def _failures(app: QuartTrio, desk: Desk) -> None:
    def problem(error: RtgfError) -> Response:
        url = desk.config.node.public_url
        return _response(problems.answered(error, g.get("request_id", ""), url))

    @app.errorhandler(RtgfError)
    async def refused(error: RtgfError) -> Response:
        return problem(error)

    @app.errorhandler(HTTPException)
    async def standard(error: HTTPException) -> Response:
        if isinstance(error, MethodNotAllowed):
            allow = ", ".join(sorted(error.valid_methods or ()))
            response = problem(RtgfError(Code.RTGF_METHOD_NOT_ALLOWED, f"allowed here: {allow}"))
            response.headers["Allow"] = allow
            return response
        if isinstance(error, RequestEntityTooLarge):
            return problem(RtgfError(Code.RTGF_BODY_TOO_LARGE, "send a smaller body"))
        if error.code == 404:
            return problem(RtgfError(Code.RTGF_NOT_FOUND, "there is nothing at this path"))
        return problem(RtgfError(Code.RTGF_BAD_REQUEST, "the request cannot be read"))

    @app.errorhandler(Exception)
    async def bug(error: Exception) -> Response:
        return problem(problems.bug(error, request.path, g.get("request_id", "")))


def _response(answered: Answered) -> Response:
    response = Response(answered.body, status=answered.status)
    if "Content-Type" not in answered.headers:
        response.headers.remove("Content-Type")
    response.headers.update(answered.headers)
    return response
