"""What holds for every request of the fast lane, as `app.py` holds for the others.

The answers are those of the same functions (`Route.answer`). A read is answered from ready bytes
while nothing was applied and the second has not passed: within those its answer cannot change.
"""

from __future__ import annotations

from collections.abc import Awaitable, Iterable
from functools import partial
from typing import Final, TypeAlias

import trio

from rtgf_node.api import problems
from rtgf_node.api.answers import always
from rtgf_node.api.desk import Desk
from rtgf_node.api.door import Door
from rtgf_node.api.exchange import Answered, Asked, Handler, Route, Written, finish, with_validator
from rtgf_node.api.limits import RateLimitedError
from rtgf_node.errors import RtgfError
from rtgf_node.replication.replicator import Feed

READY_BYTES: Final = 32 << 20
"""Of answers that are kept ready, with what was asked."""

ENTRY_BYTES: Final = 2 << 10
"""Of one of them, beside its body and its query."""

_Ready: TypeAlias = dict[tuple[str, str], Answered]


class Front:
    """The hot routes.

    Args:
      desk: what they answer from.
      routes: all of them; a rule has literal parts, `<name>` for one part, or `<path:name>` last.
      feed: tells that something was applied.
    """

    def __init__(self, desk: Desk, routes: Iterable[Route], feed: Feed) -> None:
        self._desk = desk
        self._door = Door(desk.access, desk.limits)
        self._url = desk.config.node.public_url
        self._exact: dict[tuple[str, str], Handler] = {}
        self._shaped: dict[tuple[str, str, int], Route] = {}
        self._deep: dict[tuple[str, str], Route] = {}
        for route in routes:
            parts = route.rule.split("/")[1:]
            if "<" not in route.rule:
                self._exact[route.method, route.rule] = partial(self._answer, route, ())
            elif "<path:" in route.rule:
                self._deep[route.method, parts[0]] = route
            else:
                self._shaped[route.method, parts[0], len(parts)] = route
        self._ready: _Ready = {}
        self._ready_bytes = 0
        self._ready_at = 0
        feed.subscribe("front", lambda _: self._forget())

    def find(self, method: str, path: str) -> Handler | None:
        """Return who answers this, or None for the framework."""
        verb = "GET" if method == "HEAD" else method
        exact = self._exact.get((verb, path))
        if exact is not None or "%" in path:
            return exact
        first, *rest = path.removeprefix("/").split("/")
        deep = self._deep.get((verb, first))
        if deep is not None and rest and all(rest):
            return partial(self._answer, deep, ("/".join(rest),))
        route = self._shaped.get((verb, first, len(rest) + 1))
        if route is None or not all(rest):
            return None
        parts = []
        for asked, wanted in zip(rest, route.rule.split("/")[2:], strict=True):
            if wanted.startswith("<"):
                parts.append(asked)
            elif wanted != asked:
                return None
        return partial(self._answer, route, tuple(parts))

    def turned_away(self, asked: Asked) -> Answered | None:
        """Refuse a request for the framework at once if its client has asked too often.

        To be told so by the framework would cost as much as an answer of it.
        """
        started = trio.current_time()
        authorization = asked.headers.get("authorization")
        try:
            self._door.look(asked.client, asked.address, authorization, path=asked.path, at=started)
        except RateLimitedError as error:
            self._desk.metrics.answers.rate_limited()
            answered = self._problem(error, asked)
            return self._done("none", asked, answered, started)
        return None

    def refused(self, status: int) -> None:
        """Count a request that could not be read."""
        self._desk.metrics.answers.answered("none", "other", status, 0.0)

    def _answer(
        self, route: Route, parts: tuple[str, ...], asked: Asked
    ) -> Answered | Written | Awaitable[Answered]:
        desk, started = self._desk, trio.current_time()
        try:
            asked = self._admitted(asked, started)
        except Exception as error:  # noqa: BLE001 - logged, and answered
            if isinstance(error, RateLimitedError):
                desk.metrics.answers.rate_limited()
            return self._done(route.rule, asked, self._problem(error, asked), started)
        if route.is_kept:
            ready = self._kept(asked)
            if ready is not None:
                return self._done(route.rule, asked, ready, started)
        into = self._ready
        try:
            before = route.again(asked) if route.again is not None else None
            if isinstance(before, Written):
                return self._written(route, asked, before, started)
            answered = route.answer(asked, *parts) if before is None else before
        except Exception as error:  # noqa: BLE001 - logged, and answered
            answered = self._problem(error, asked)
        if not isinstance(answered, Answered):
            return self._later(route, asked, answered, started, into)
        return self._done(route.rule, asked, self._keep(route, asked, answered, into), started)

    def _admitted(self, asked: Asked, now: float) -> Asked:
        authorization = asked.headers.get("authorization")
        caller = self._door.admit(
            asked.client, asked.address, authorization, path=asked.path, at=now
        )
        return asked if caller.identity is None else Asked(*asked[:-1], caller.identity)

    async def _later(
        self,
        route: Route,
        asked: Asked,
        waiting: Awaitable[Answered],
        started: float,
        into: _Ready,
    ) -> Answered:
        seconds = self._desk.config.http.request_timeout_seconds
        answered = None
        self._desk.metrics.answers.in_flight.inc()
        try:
            with trio.move_on_after(seconds):
                answered = await waiting
        except Exception as error:  # noqa: BLE001 - logged, and answered
            answered = self._problem(error, asked)
        finally:
            self._desk.metrics.answers.in_flight.dec()
        if answered is None:
            answered = self._problem(problems.late(seconds), asked)
        return self._done(route.rule, asked, self._keep(route, asked, answered, into), started)

    def _done(self, rule: str, asked: Asked, answered: Answered, started: float) -> Answered:
        finished = finish(answered, method=asked.method, headers=asked.headers)
        self._desk.metrics.answers.answered(
            rule, asked.method, finished.status, trio.current_time() - started
        )
        headers = {
            **self._desk.limits.told(asked.path, asked.identity, asked.address),
            **finished.headers,
            "X-Request-ID": asked.request_id,
            **always(asked.method, asked.path),
        }
        return finished._replace(headers=headers)

    def _written(self, route: Route, asked: Asked, answered: Written, started: float) -> Written:
        seconds = trio.current_time() - started
        self._desk.metrics.answers.verify_took(seconds * 1000)
        self._desk.metrics.answers.answered(route.rule, asked.method, 200, seconds)
        lines = self._desk.limits.lines(asked.path, asked.identity, asked.address)
        return Written(answered.head + lines, answered.body)

    def _problem(self, error: Exception, asked: Asked) -> Answered:
        if not isinstance(error, RtgfError):
            error = problems.bug(error, asked.path, asked.request_id)
        return problems.answered(error, asked.request_id, self._url)

    def _kept(self, asked: Asked) -> Answered | None:
        now = self._desk.clock.now()
        if now != self._ready_at:
            self._forget()
            self._ready_at = now
        return self._ready.get((asked.path, asked.query))

    def _keep(self, route: Route, asked: Asked, answered: Answered, into: _Ready) -> Answered:
        if not route.is_kept or answered.status != 200:
            return answered
        kept = with_validator(answered)
        size = len(kept.body) + len(asked.query) + ENTRY_BYTES
        # While it was being found, what it says may have become a thing of the past.
        if into is self._ready and self._ready_bytes + size <= READY_BYTES:
            into[asked.path, asked.query] = kept
            self._ready_bytes += size
        return kept

    def _forget(self) -> None:
        self._ready = {}
        self._ready_bytes = 0
