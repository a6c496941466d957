"""The Quart application: every route, and what holds for all of them.

Request id in and out, problem pages for whatever goes wrong, limits before any work, the security
headers, and the golden signals. It has no rules of its own.
"""

from __future__ import annotations

import re
import uuid
from typing import cast

import structlog
import trio
from quart import Response, g, request
from quart_trio import QuartTrio
from quart_trio.wrappers import TrioRequest
from werkzeug.exceptions import HTTPException, MethodNotAllowed, RequestEntityTooLarge

from rtgf_node.api import (
    admin,
    decisions,
    evidence,
    health,
    log,
    problems,
    registry,
    revocation,
    tiles,
    verify,
    wellknown,
    witness,
)
from rtgf_node.api.deadlines import AsgiApp
from rtgf_node.api.desk import Desk
from rtgf_node.errors import Code, RtgfError
from rtgf_node.settings import HttpConfig

logger = structlog.get_logger(__name__)

REQUEST_ID = re.compile(r"[A-Za-z0-9._-]{1,64}")
"""A correlation id that is safe to log and to send back; any other is replaced."""


def build_app(desk: Desk) -> AsgiApp:
    """Return the application over `desk`."""
    app = QuartTrio("rtgf_node", static_folder=None)
    app.request_class = bounded_request(desk.config.http)
    app.config["MAX_CONTENT_LENGTH"] = None  # the request class sets it by path
    app.config["RESPONSE_TIMEOUT"] = desk.config.http.send_timeout_seconds
    app.config["BODY_TIMEOUT"] = desk.config.http.request_timeout_seconds
    app.url_map.strict_slashes = True
    for module in (
        wellknown,
        registry,
        log,
        tiles,
        revocation,
        evidence,
        verify,
        decisions,
        witness,
        health,
        admin,
    ):
        app.register_blueprint(module.routes(desk))
    app.register_blueprint(problems.routes())
    _before_and_after(app, desk)
    _failures(app, desk)
    return cast("AsgiApp", app)


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
    @app.before_request
    async def admit() -> None:
        given = request.headers.get("X-Request-ID", "")
        g.request_id = given if REQUEST_ID.fullmatch(given) else str(uuid.uuid4())
        g.started = trio.current_time()
        desk.metrics.http_in_flight.inc()
        structlog.contextvars.bind_contextvars(request_id=g.request_id)
        try:
            desk.limits.admit(desk.access.caller(request.scope), at=trio.current_time())
        except RtgfError:
            desk.metrics.verify_rate_limit.inc()
            raise

    @app.after_request
    async def finish(response: Response) -> Response:
        if "request_id" in g:
            response.headers["X-Request-ID"] = g.request_id
            desk.metrics.http_in_flight.dec()
            route = request.url_rule.rule if request.url_rule is not None else "none"
            desk.metrics.http_done(
                route, request.method, response.status_code, trio.current_time() - g.started
            )
        response.headers["Strict-Transport-Security"] = "max-age=31536000"
        response.headers["X-Content-Type-Options"] = "nosniff"
        return response


def _failures(app: QuartTrio, desk: Desk) -> None:
    @app.errorhandler(RtgfError)
    async def refused(error: RtgfError) -> Response:
        return _problem(error, desk)

    @app.errorhandler(HTTPException)
    async def standard(error: HTTPException) -> Response:
        if isinstance(error, MethodNotAllowed):
            allow = ", ".join(sorted(error.valid_methods or ()))
            failure = RtgfError(Code.RTGF_METHOD_NOT_ALLOWED, f"allowed here: {allow}")
            response = _problem(failure, desk)
            response.headers["Allow"] = allow
            return response
        if isinstance(error, RequestEntityTooLarge):
            return _problem(RtgfError(Code.RTGF_BODY_TOO_LARGE, "send a smaller body"), desk)
        if error.code == 404:
            return _problem(RtgfError(Code.RTGF_NOT_FOUND, "there is nothing at this path"), desk)
        return _problem(RtgfError(Code.RTGF_BAD_REQUEST, "the request cannot be read"), desk)

    @app.errorhandler(Exception)
    async def bug(error: Exception) -> Response:
        logger.error("request_failed", exc_info=error, path=request.path)
        return _problem(
            RtgfError(Code.RTGF_VERIFY_INTERNAL, "an internal error; it is logged"), desk
        )


def _problem(error: RtgfError, desk: Desk) -> Response:
    instance = g.get("request_id", "")
    body, headers = problems.render(
        error, instance=instance, public_url=desk.config.node.public_url
    )
    return Response(
        body,
        status=problems.status_of(error.code),
        headers=headers,
        content_type="application/problem+json",
    )
