"""What a member answers that has nothing to serve yet: that it lives, and what it waits for."""

from __future__ import annotations

from functools import partial
from typing import Any

import structlog
import trio

from rtgf_node.api import admin_socket, listeners, problems
from rtgf_node.api.access import Access
from rtgf_node.api.answers import always, document
from rtgf_node.api.behind import Framework
from rtgf_node.api.deadlines import Receive, Send
from rtgf_node.api.door import Door
from rtgf_node.api.exchange import Answered, Asked, Handler, request_id
from rtgf_node.api.limits import RateLimits
from rtgf_node.api.server_tls import ServerTls
from rtgf_node.errors import Code, RtgfError
from rtgf_node.place import Place, end_with
from rtgf_node.process_signals import Signals
from rtgf_node.settings import Config
from rtgf_node.wire import ReadyAnswer
from rtgf_node.wire.about import AliveAnswer

log = structlog.get_logger(__name__)


class WaitingRoom:
    """The listeners of a member whose state is still with the others."""

    def __init__(self, config: Config, place: Place) -> None:
        self._config = config
        self._place = place
        self._access = Access(admin_socket.own_role(config.role))
        self._door = Door(self._access, RateLimits(config.limits))

    async def open_until_told(self, signals: Signals) -> None:
        """Answer until the node is told to stop, or is to begin anew with a state.

        Raises:
          RtgfError: RTGF_CONFIG_INVALID if it cannot listen where the settings say; as `end_with`.
        """
        files, http = self._config.tls, self._config.http
        tls = ServerTls(files.certificate_file, files.key_file, files.client_ca_file)
        log.info("waiting_for_the_state_of_the_cluster")
        async with trio.open_nursery() as nursery:
            framework = Framework(self._app, http, self._config.node.public_url)
            serve = partial(listeners.serve, framework, http, hot=self)
            if http.admin_socket is not None:
                here = admin_socket.listen(http.admin_socket)
                await nursery.start(partial(serve, tls=None, bind=here))
            await nursery.start(partial(serve, tls=tls, bind=http.bind))

            async def until(told: trio.Event) -> None:
                await told.wait()
                nursery.cancel_scope.cancel()

            nursery.start_soon(until, signals.stop)
            nursery.start_soon(until, self._place.restart_needed)
            nursery.start_soon(end_with, self._place)
            nursery.start_soon(signals.at_hang_up, partial(self._read_certificates, tls))

    def find(self, method: str, path: str) -> Handler | None:
        """Return who answers: all is answered here."""
        return self._answer

    def turned_away(self, asked: Asked) -> Answered | None:
        """Return None: what goes through the framework comes back here."""

    def refused(self, status: int) -> None:
        """Hear of a request that could not be read."""

    def _answer(self, asked: Asked) -> Answered:
        try:
            answered = self._found(asked)
        except RtgfError as error:
            url = self._config.node.public_url
            answered = problems.answered(error, asked.request_id, url)
        return answered._replace(
            headers={
                **answered.headers,
                "X-Request-ID": asked.request_id,
                **always(asked.method, asked.path),
            }
        )

    def _found(self, asked: Asked) -> Answered:
        now = trio.current_time()
        self._door.admit(asked.client, asked.address, None, path=asked.path, at=now)
        verb = "GET" if asked.method == "HEAD" else asked.method
        match verb, asked.path:
            case "GET", "/healthz":
                return document(AliveAnswer("alive"))
            case "GET", "/readyz":
                return document(ReadyAnswer("not_ready", self._place.checks()), status=503)
            case "GET", "/admin/cluster":
                caller = {"client": asked.client, "address": asked.address}
                self._access.require(caller, "operator", "approver", "auditor")
                return document(self._place.shown())
            case _:
                raise RtgfError(
                    Code.RTGF_UNAVAILABLE,
                    f"nothing is held here yet: {self._place.waits}; ask another member",
                )

    async def _app(self, scope: Any, _: Receive, send: Send) -> None:  # noqa: ANN401  as ASGI has it
        """Answer what the fast lane leaves: HTTP/2, above all."""
        headers = {
            name.decode("latin-1"): text.decode("latin-1") for name, text in scope["headers"]
        }
        asked = Asked(
            method=scope["method"],
            path=scope["path"],
            query=scope["query_string"].decode("latin-1"),
            headers=headers,
            body=b"",
            client=scope["state"].get("client"),
            address=str(scope["state"].get("address", "")),
            request_id=request_id(headers),
        )
        status, told, body = self._answer(asked)
        said = [(name.lower().encode(), text.encode()) for name, text in told.items()]
        await send({"type": "http.response.start", "status": status, "headers": said})
        sent = b"" if asked.method == "HEAD" else body
        await send({"type": "http.response.body", "body": sent})

    def _read_certificates(self, tls: ServerTls) -> None:
        """Take the certificates anew: they may be why nobody lets this member in."""
        try:
            tls.reload()
            self._place.reload()
        except RtgfError as error:
            log.error("certificates_not_reloaded", detail=str(error))
        else:
            log.info("certificates_reloaded")
