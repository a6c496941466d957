"""The compiler actor: finds what is due, has it made and issued, and knows what became of it.

One build at a time; it runs beside the mailbox, so that its progress can be asked for and it can be
cancelled. Until the whole build is committed to the log none of its tokens is served, and a build
that fails leaves nothing but its record. One that a crash ended is found at the next start, and the
same is asked for again, once; what was finished of it is not made again while its inputs hold.
"""

from __future__ import annotations

import shutil
from collections import OrderedDict
from pathlib import Path

import structlog
import trio

from rtgf_node.actors import build_record
from rtgf_node.actors.build_making import Making
from rtgf_node.actors.build_planner import Planner
from rtgf_node.actors.build_record import BuildRecord, Records
from rtgf_node.actors.build_work import Work, id_of
from rtgf_node.actors.issuing import WAITING, Issuing
from rtgf_node.actors.mailbox import Mailbox
from rtgf_node.actors.messages import BuildStatus, CancelBuild, Compile, SettleBuild
from rtgf_node.building.processes import Standby
from rtgf_node.building.twice import left_in
from rtgf_node.core.clock import Clock
from rtgf_node.errors import Code, RtgfError
from rtgf_node.store.objects import ObjectStore
from rtgf_node.store.registry_store import BuildRow, RegistryStore
from rtgf_node.telemetry import Metrics
from rtgf_node.wire import BuildAnswer

log = structlog.get_logger(__name__)

BUILDS_REMEMBERED = 100
"""Builds that are told from memory; older ones from the register."""


class CompilerActor:
    """Owns the build that runs, and remembers the last ones.

    Args:
      builds: the register, to read.
      objects: where manifests and reports are kept.
      build_in: a folder for the build that runs; emptied at the start.
      processes: for both runs of a build together.
    """

    def __init__(
        self,
        mailbox: Mailbox,
        *,
        registry: Mailbox,
        issuing: Issuing,
        planner: Planner,
        builds: RegistryStore,
        objects: ObjectStore,
        alone: bool,
        build_in: Path,
        keep_divergent_in: Path,
        processes: int,
        timeout_seconds: float,
        clock: Clock,
        metrics: Metrics,
    ) -> None:
        self._mailbox = mailbox
        self._issuing = issuing
        self._planner = planner
        self._register = builds
        self._alone = alone
        self._build_in = build_in
        self._timeout = timeout_seconds
        self._clock = clock
        self._metrics = metrics
        self._builds: OrderedDict[str, BuildRecord] = OrderedDict()
        self._running: BuildRecord | None = None
        self._standby = Standby()
        self._records = Records(registry)
        self._making = Making(
            planner=planner,
            issuing=issuing,
            records=self._records,
            objects=objects,
            build_in=build_in,
            keep_divergent_in=keep_divergent_in,
            processes=processes,
            standby=self._standby,
            renamed=self._remember,
            clock=clock,
            metrics=metrics,
        )
        self._interrupted = builds.running_builds()
        self.unpublished: str | None = None
        """The build that was finished or out of time, and could not be published since."""

    async def run(self, *, task_status: trio.TaskStatus[None] = trio.TASK_STATUS_IGNORED) -> None:
        """Answer requests until cancelled; a build under way is cancelled with it."""
        async with self._standby, trio.open_nursery() as nursery:
            await self._settle(nursery)
            task_status.started()
            async for envelope in self._mailbox:
                with self._mailbox.answering(envelope):
                    match envelope.request:
                        case Compile() as request:
                            envelope.reply(await self._start(request, nursery))
                        case BuildStatus(build_id):
                            envelope.reply(self._status(build_id))
                        case CancelBuild() as request:
                            envelope.reply(self._cancel(request))
                        case SettleBuild() as request:
                            await self._settle_waiting(request, nursery)
                            envelope.reply(None)
                        case unknown:
                            raise TypeError(f"not a compiler request: {unknown!r}")

    async def _settle(self, nursery: trio.Nursery) -> None:
        """Note what a crash ended as failed; what the process was building, go on with."""
        left = await trio.to_thread.run_sync(left_in, self._build_in)
        ours = id_of(left)

        def own(rows: list[BuildRow]) -> list[BuildRow]:
            # In a cluster the others are of other members, which may be at work on them.
            return [row for row in rows if self._alone or row.build_id == ours]

        interrupted, self._interrupted = own(self._interrupted), []
        for row in own(self._register.running_builds()):
            crashed = build_record.crashed(row, self._clock)
            if crashed is not None:
                await self._note_end(crashed, crashed.state)
        for row in interrupted:
            summary = build_record.kept(row)
            if summary is None or summary.again:
                continue
            log.warning("build_asked_again", build_id=row.build_id)
            try:
                await self._start(summary.asked, nursery, again=True, left=left)
            except RtgfError as error:
                log.error("build_not_asked_again", build_id=row.build_id, detail=str(error))
        if self._running is None:
            shutil.rmtree(self._build_in, ignore_errors=True)

    async def _start(
        self,
        request: Compile,
        nursery: trio.Nursery,
        *,
        again: bool = False,
        left: bytes | None = None,
    ) -> BuildAnswer:
        if self._running is not None:
            raise RtgfError(
                Code.RTGF_CONFLICT, f"build {self._running.build_id} is running; ask again after it"
            )
        try:
            work = self._planner.plan(request, self._clock.now()).going_on(left)
        except RtgfError as error:
            self._metrics.build_done(0.0, error.code.name)
            await self._records.refuse(error, subject="plan")
            raise
        build = BuildRecord(work.build_id, request, self._clock, again=again)
        self._remember(build)
        build.stage("plan", f"{work.targets} tokens are due")
        if work.targets == 0:
            build.end("nothing_due")
        else:
            self._running = build
            nursery.start_soon(self._build, build, work)
        return build.answer()

    def _remember(self, build: BuildRecord) -> None:
        self._builds[build.build_id] = build
        self._builds.move_to_end(build.build_id)
        if len(self._builds) > BUILDS_REMEMBERED:
            self._builds.popitem(last=False)

    def _status(self, build_id: str) -> BuildAnswer:
        if build_id in self._builds:
            return self._builds[build_id].answer()
        row = self._register.build(build_id)
        if row is None:
            raise RtgfError(Code.RTGF_NOT_FOUND, f"no build {build_id!r} is known")
        return build_record.recalled(row, self._register.ids_of_build(build_id))

    def _cancel(self, request: CancelBuild) -> BuildAnswer:
        build = self._builds.get(request.build_id)
        if build is None or build.state != "running":
            raise RtgfError(Code.RTGF_CONFLICT, f"build {request.build_id!r} is not running")
        if build.committing:
            raise RtgfError(
                Code.RTGF_CONFLICT, "the log has this build in hand; withdraw its tokens instead"
            )
        log.warning("build_cancelled", build_id=build.build_id, actor=request.actor)
        build.stage("cancel", f"asked for by {request.actor}")
        build.scope.cancel()
        return build.answer()

    async def _settle_waiting(self, settled: SettleBuild, nursery: trio.Nursery) -> None:
        row = self._register.build(settled.build_id)
        build = build_record.known(row, self._clock) if row and row.state == WAITING else None
        if row is None or build is None:
            raise RtgfError(Code.RTGF_CONFLICT, f"build {settled.build_id} does not wait")
        build.manifest_digest = row.manifest_digest
        build.stage("approval", f"{settled.state} by {settled.by or 'its deadline'}")
        self._remember(build)
        if settled.state == "approved":
            nursery.start_soon(self._publish_approved, build, settled)
        else:
            await self._records.keep(build, state=settled.state)
            build.end(settled.state)

    async def _publish_approved(self, build: BuildRecord, settled: SettleBuild) -> None:
        failure: RtgfError | None = None
        try:
            with trio.CancelScope() as limit:
                ready = await trio.to_thread.run_sync(self._issuing.recall, settled.request)
                build.issued = await trio.to_thread.run_sync(build_record.token_ids, ready.tokens())
                await self._issuing.issue(build, ready, limit=limit, approved_by=settled.by)
        except RtgfError as error:
            failure = error
        await self._ended(build, failure)

    async def _build(self, build: BuildRecord, work: Work) -> None:
        started = trio.current_time()
        failure: RtgfError | None = None
        try:
            with build.scope:
                try:
                    await self._records.keep(build)
                    with trio.fail_after(self._timeout) as limit:
                        await self._making.make(build, work, limit)
                except RtgfError as error:
                    failure = error
                except trio.TooSlowError:
                    failure = RtgfError(
                        Code.RTGF_PIPELINE_PUBLISH_FAIL, f"the build took over {self._timeout:g} s"
                    )
            await self._ended(build, failure)
        finally:
            self._running = None
            if build.state == "running":
                # Nobody may wait for ever for a build that a crash ended.
                build.end("failed", failure or build_record.stopped())
            shutil.rmtree(self._build_in, ignore_errors=True)
            self._metrics.build_done(
                trio.current_time() - started, build.error.code.name if build.error else None
            )

    async def _ended(self, build: BuildRecord, failure: RtgfError | None) -> None:
        """Note how a build ended; it is told only once it is on record."""
        state = build.state
        if failure is not None:
            build.error, state = failure, "failed"
            log.error(
                "build_failed", build_id=build.build_id, code=failure.code.name, detail=str(failure)
            )
        elif build.scope.cancelled_caught:
            state = "cancelled"
        if state in {"published", "nothing_due"}:
            self.unpublished = None
        if failure is not None and failure.code is Code.RTGF_PIPELINE_PUBLISH_FAIL:
            self.unpublished = f"{build.build_id} could not be published: {failure.detail}"
        if state != "published":
            await self._note_end(build, state, failure)
            build.end(state, failure)

    async def _note_end(self, build: BuildRecord, state: str, why: RtgfError | None = None) -> None:
        """Record how a build ended, if the log takes it; else the next start finds it running."""
        try:
            if why is not None:
                await self._records.refuse(why, subject=build.build_id, digest=build.build_id)
            await self._records.keep(build, state=state)
        except RtgfError as error:
            log.error("build_end_not_recorded", build_id=build.build_id, detail=error.detail)
