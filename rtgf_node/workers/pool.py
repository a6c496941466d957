"""The node's side of its workers: further processes that answer reads and verifications.

Each is a fresh interpreter (`workers_main.py`) that the supervisor starts again when it dies. It
hears every applied command in order; whoever proposed one is told of it only when all workers have
heard it, or can no longer answer from what was before (`following.py`). They listen, the
node does not: what they cannot answer they hand over (`api/hop.py`).
"""

from __future__ import annotations

import math
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterable
from contextlib import suppress
from functools import partial
from typing import Final

import structlog
import trio

from rtgf_node.actors.supervisor import Child, ChildStatistics, Restarts, Supervisor
from rtgf_node.api import hop, ports, problems
from rtgf_node.api.behind import Behind
from rtgf_node.api.exchange import Answered, Route
from rtgf_node.api.limits import RateLimits
from rtgf_node.api.listeners import Bound
from rtgf_node.core.authzen import Rules
from rtgf_node.errors import RtgfError
from rtgf_node.figures import summed
from rtgf_node.ops.decision_log import DecisionLog
from rtgf_node.replication.commands import Applied
from rtgf_node.replication.followed import Followed
from rtgf_node.replication.replicator import Replicator
from rtgf_node.settings import Config
from rtgf_node.wire import Check
from rtgf_node.workers import frames
from rtgf_node.workers.frames import Channel, framed
from rtgf_node.workers.member import Member

log = structlog.get_logger(__name__)

BEAT_SECONDS: Final = 0.1
"""Between two beats: often enough that only a node that stands still is missed."""

BEATS_IN_LAG: Final = 5
"""Beats within the time that a worker may lag, however short that is."""

STUCK_SECONDS: Final = 5.0
"""A worker that says nothing for so long is killed, and another takes its place."""

STOP_SECONDS: Final = 5.0
"""For a worker to end, beside the time its requests have."""


class Workers:
    """The workers of a node; none at all where `workers.count` is 0."""

    def __init__(
        self, config: Config, replicator: Replicator, limits: RateLimits, rules: Rules
    ) -> None:
        self._config = config
        self._limits = limits
        self._rules = rules
        self._replicator = replicator
        self._members: list[Member] = []
        self._number = 0
        self._lists: tuple[str, ...] = ()
        self._prepares = 0
        self._moved = trio.Event()
        self._gone: summed.Samples = {}
        self._addresses: list[ports.Address] = []
        self._attending = trio.CancelScope(shield=True)
        self._supervisors = [
            Supervisor(
                [
                    Child(
                        f"worker-{number}",
                        partial(self._live, number),
                        stop_within_seconds=config.http.shutdown_seconds + 2 * STOP_SECONDS,
                    )
                ],
                Restarts(),
            )
            for number in range(1, config.workers.count + 1)
        ]
        self._behind: Behind
        self._routes: dict[tuple[str, str], Route] = {}
        self._decisions: DecisionLog
        self._may_answer: Callable[[], bool]
        self._send, self._receive = trio.open_memory_channel[tuple[Member, frames.Decided]](
            math.inf
        )
        if self._supervisors:
            replicator.feed.subscribe("workers", self._tell)

    # --- what the node has from them ------------------------------------------------------------

    def followed(self) -> Replicator:
        """Return the replicator for whoever proposes: its answers wait for the workers."""
        return (
            Followed(self._replicator, self.wait_heard) if self._supervisors else self._replicator
        )

    async def wait_heard(self) -> None:
        """Return when no worker answers any more from a state before the newest news."""
        number = self._number
        # After that time those who have not heard are silent: their newest beat is older.
        with trio.move_on_after(self._config.workers.max_lag_seconds):
            while any(one.is_open and one.heard < number for one in self._members):
                await self._moved.wait()

    async def prepare(self, content_digests: tuple[str, ...]) -> None:
        """Return when each worker has these lists ready to screen against."""
        self._lists = content_digests
        self._prepares += 1
        number = self._prepares
        self._put(frames.Prepare(number, content_digests))
        while any(one.is_open and one.prepared < number for one in self._members):
            await self._moved.wait()

    def read_certificates(self) -> None:
        """Have each worker take the certificates anew."""
        self._put(frames.ReadCertificates())

    def statistics(self) -> tuple[ChildStatistics, ...]:
        """Return the state of each."""
        return tuple(one for each in self._supervisors for one in each.statistics())

    def figures(self) -> Iterable[summed.Samples]:
        """Return what they have counted, also those that are gone."""
        return [self._gone, *(one.figures for one in self._members)]

    def checks(self) -> list[Check]:
        """Return whether all of them live, as a part of the node's readiness."""
        if not self._supervisors:
            return []
        missing = [one.name for one in self.statistics() if one.state.value != "running"]
        detail = f"not running: {', '.join(missing)}" if missing else f"{len(self._supervisors)}"
        return [Check("workers", not missing, detail)]

    # --- their life -----------------------------------------------------------------------------

    async def run(
        self,
        behind: Behind,
        routes: Iterable[Route],
        decisions: DecisionLog,
        may_answer: Callable[[], bool],
        *,
        task_status: trio.TaskStatus[Bound] = trio.TASK_STATUS_IGNORED,
    ) -> None:
        """Keep them running until cancelled; then let them finish what they have in hand.

        Args:
          behind: answers what they hand over.
          routes: the hot ones, of which they ask for some.
          decisions: where their decisions go.
          may_answer: whether the log contradicts nobody.
          task_status: is told when all of them answer, and where.

        Raises:
          RtgfError: RTGF_CONFIG_INVALID if they cannot listen where the settings say.
          ExceptionGroup: holds a `GaveUpError` if one died too often.
        """
        self._behind = behind
        self._routes = {(route.method, route.rule): route for route in routes}
        self._decisions, self._may_answer = decisions, may_answer
        held = ports.reserve(self._config.http.bind)
        self._addresses = ports.addresses(held)
        try:
            async with trio.open_nursery() as nursery:
                nursery.start_soon(self._attend)
                try:
                    async with trio.open_nursery() as crews:
                        async with trio.open_nursery() as starting:
                            for one in self._supervisors:
                                starting.start_soon(crews.start, one.run)
                        task_status.started(Bound(*self._addresses[0][1:]))
                        await trio.sleep_forever()
                finally:
                    # What they sent before they ended is still recorded.
                    self._send.close()
                    self._attending.deadline = trio.current_time() + STOP_SECONDS
        finally:
            for sock in held:
                sock.close()

    async def _live(
        self, number: int, *, task_status: trio.TaskStatus[None] = trio.TASK_STATUS_IGNORED
    ) -> None:
        """Run one worker process until cancelled.

        Raises:
          RuntimeError: it ended by itself.
        """
        member = await self._spawn(number)
        try:
            async with trio.open_nursery() as nursery:
                nursery.start_soon(self._talk, member)
                try:
                    nursery.start_soon(_crash_with, member.process)
                    await member.listening.wait()
                    task_status.started()
                    await trio.sleep_forever()
                finally:
                    await self._end(member)
        finally:
            self._members.remove(member)
            self._gone = summed.add(self._gone, member.figures)
            self._put(frames.Connected(number, [(client, 0) for client in member.connected]))
            member.channel.close()
            member.door.close()
            self._wake()

    async def _spawn(self, number: int) -> Member:
        talk, their_talk = socket.socketpair()
        door, their_door = hop.door()
        with their_talk, their_door:
            handed = (their_talk.fileno(), their_door.fileno())
            try:
                process = await trio.lowlevel.open_process(
                    [sys.executable, "-m", "rtgf_node.workers.main", *map(str, handed)],
                    stdin=subprocess.DEVNULL,
                    pass_fds=handed,
                )
            except BaseException:
                talk.close()
                door.close()
                raise
        member = Member(number, process, Channel(talk), door, self._number)
        begin = frames.Begin(
            number,
            frames.pack_config(self._config),
            [(one.method, one.rule, one.is_kept) for one in self._routes.values()],
            self._lists,
            self._number,
            self._rules,
        )
        member.channel.put(framed(begin))
        for other in self._members:
            told = frames.Connected(other.number, [*other.connected.items()])
            member.channel.put(framed(told))
        # In one step with what was said: all later news is for it too.
        self._members.append(member)
        return member

    async def _end(self, member: Member) -> None:
        """Let it finish what it has in hand, and kill it if it does not."""
        member.channel.put(framed(frames.Stop()))
        seconds = self._config.http.shutdown_seconds + STOP_SECONDS
        with trio.move_on_after(seconds, shield=True):
            await member.process.wait()
        with trio.CancelScope(shield=True):
            if member.process.returncode is None:
                log.error("worker_killed", pid=member.process.pid)
                member.process.kill()
            await member.process.wait()
            # The end of what it sent is still in the socket.
            await member.silent.wait()
        member.scope.cancel()

    async def _talk(self, member: Member) -> None:
        with member.scope:
            async with trio.open_nursery() as nursery:
                nursery.start_soon(member.channel.send)
                nursery.start_soon(hop.receive, member.door, self._behind)
                await member.channel.listen(partial(self._take, member, nursery))
                member.silent.set()

    def _take(self, member: Member, nursery: trio.Nursery, body: bytes) -> None:
        match frames.from_worker(body):
            case frames.Heard(number):
                member.heard, member.heard_at = number, trio.current_time()
                self._wake()
            case frames.Decided() as decided:
                self._send.send_nowait((member, decided))
            case frames.Request() as request:
                nursery.start_soon(self._answer, member, request)
            case frames.Spent(spent) as told:
                self._limits.owe_all(spent, at=trio.current_time())
                self._put(told, besides=member)
            case frames.Connected(_, changes) as told:
                member.connect(changes)
                self._put(told, besides=member)
            case frames.Figures(samples):
                member.figures = {(name, labels): value for name, labels, value in samples}
            case frames.Prepared(number):
                member.prepared = number
                self._wake()
            case frames.Loaded():
                # From here on its hearing counts. All earlier news is before this in the socket.
                member.is_open, member.heard_at = True, trio.current_time()
                member.channel.put(framed(frames.Open(self._addresses)))
            case frames.Listening():
                member.listening.set()

    def _tell(self, applied: Applied) -> None:
        assert not isinstance(applied.outcome, RtgfError)
        self._number += 1
        if self._members:
            command, outcome = applied.command, applied.outcome
            self._put(frames.News(self._number, applied.index, command, outcome))

    def _put(self, frame: frames.Frame, *, besides: Member | None = None) -> None:
        data = framed(frame)
        for member in self._members:
            if member is not besides:
                member.channel.put(data)

    def _wake(self) -> None:
        self._moved.set()
        self._moved = trio.Event()

    # --- what is done for them ------------------------------------------------------------------

    async def _attend(self) -> None:
        """Record their decisions and tell them how the node is, until the last has ended."""
        with self._attending:
            async with trio.open_nursery() as nursery:
                nursery.start_soon(self._beat)
                await self._record()
                nursery.cancel_scope.cancel()

    async def _beat(self) -> None:
        seconds = min(BEAT_SECONDS, self._config.workers.max_lag_seconds / BEATS_IN_LAG)
        awake_since = last = trio.current_time()
        while True:
            beat = frames.Beat(
                time.monotonic(),
                self._replicator.staleness_seconds(),
                may_answer=self._may_answer(),
                recording=self._decisions.fault is None,
            )
            self._put(beat)
            if spent := self._limits.spent():
                self._put(frames.Spent(spent))
            now = trio.current_time()
            if now - last > STUCK_SECONDS / 2:
                # This process stood still itself: it has not read yet what they said meanwhile.
                awake_since = now
            last = now
            for member in self._members:
                heard_at = max(member.heard_at, awake_since)
                silent = member.is_open and now - heard_at > STUCK_SECONDS
                if silent or member.channel.overrun:
                    log.error("worker_stuck", pid=member.process.pid)
                    member.process.kill()
            await trio.sleep(seconds)

    async def _record(self) -> None:
        async for first in self._receive:
            waiting = [first]
            with suppress(trio.WouldBlock):
                while True:
                    waiting.append(self._receive.receive_nowait())
            ok = True
            try:
                await self._decisions.take(
                    [draft for _, decided in waiting for draft in decided.drafts]
                )
            except RtgfError:
                ok = False
            for member, _ in waiting:
                member.channel.put(framed(frames.Kept(1, ok)))

    async def _answer(self, member: Member, request: frames.Request) -> None:
        asked, node = request.asked, self._config.node
        answered: Answered | None = None
        try:
            with trio.move_on_after(self._config.http.request_timeout_seconds):
                answer = self._routes[request.method, request.rule].answer(asked, *request.parts)
                answered = answer if isinstance(answer, Answered) else await answer
        except RtgfError as error:
            answered = problems.answered(error, asked.request_id, node.public_url)
        except Exception as error:  # noqa: BLE001 - logged, and answered
            bug = problems.bug(error, asked.path, asked.request_id)
            answered = problems.answered(bug, asked.request_id, node.public_url)
        if answered is not None:
            # The worker has its own limit of time.
            told = answered._replace(headers=dict(answered.headers))
            member.channel.put(framed(frames.Reply(request.number, told)))


async def _crash_with(process: trio.Process) -> None:
    raise RuntimeError(f"worker process {process.pid} ended with {await process.wait()}")
