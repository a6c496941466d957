"""The compiler actor: finds what is due, builds it twice, signs and publishes it.

One build at a time; it runs beside the mailbox, so that its progress can be asked for. Until the
whole build is committed to the log none of its tokens is served, and a build that fails leaves
nothing but its record.
"""

from __future__ import annotations

import math
from collections import OrderedDict
from pathlib import Path

import structlog
import trio

from rtgf_node.actors.build_planner import Planner, Work
from rtgf_node.actors.mailbox import Mailbox
from rtgf_node.actors.messages import (
    BuildStatus,
    Compile,
    PrepareDatasets,
    Publish,
    RecordRefusal,
)
from rtgf_node.build_twice import build_twice
from rtgf_node.core import digests, tokens
from rtgf_node.core.build import BuildOutput
from rtgf_node.core.canonical_json import parse_object
from rtgf_node.core.clock import Clock
from rtgf_node.core.keys import Signer
from rtgf_node.core.times import to_text
from rtgf_node.errors import Code, RtgfError
from rtgf_node.telemetry import Metrics
from rtgf_node.wire import BuildAnswer, BuildStage, Document

log = structlog.get_logger(__name__)

BUILDS_REMEMBERED = 100
"""Builds whose stages can be asked for; older ones are in the log."""

SIGN_TRIES = 3
"""A key provider may be a device that hiccups; it gets this many chances a token."""

SIGN_PAUSE_SECONDS = 0.2
"""Before the next try, times the number of tries so far."""


class _Build:
    """A build under way or done, as it is told to whoever asks."""

    def __init__(self, build_id: str, clock: Clock) -> None:
        self.build_id = build_id
        self._clock = clock
        self.state = "running"
        self.stages: list[BuildStage] = []
        self.issued: list[str] = []
        self.held: list[str] = []
        self.unsatisfiable: list[Document] = []
        self.manifest_digest: str | None = None
        self.error: RtgfError | None = None

    def stage(self, name: str, detail: str) -> None:
        """Note that a stage was reached."""
        self.stages.append(BuildStage(name, detail, to_text(self._clock.now())))

    def answer(self) -> BuildAnswer:
        """Return it as it goes over the wire."""
        error = self.error
        return BuildAnswer(
            build_id=self.build_id,
            state=self.state,
            stages=list(self.stages),
            issued=list(self.issued),
            held=list(self.held),
            unsatisfiable=list(self.unsatisfiable),
            manifest_digest=self.manifest_digest,
            code=error.code.name if error else None,
            detail=error.detail if error else None,
            causes=[_cause(cause) for cause in error.causes] if error else [],
        )


class CompilerActor:
    """Owns the build that runs, and remembers the last ones."""

    def __init__(
        self,
        mailbox: Mailbox,
        *,
        registry: Mailbox,
        verifier: Mailbox,
        planner: Planner,
        signer: Signer,
        keep_divergent_in: Path,
        timeout_seconds: float,
        clock: Clock,
        metrics: Metrics,
    ) -> None:
        self._mailbox = mailbox
        self._registry = registry
        self._verifier = verifier
        self._planner = planner
        self._signer = signer
        self._keep_divergent_in = keep_divergent_in
        self._timeout = timeout_seconds
        self._clock = clock
        self._metrics = metrics
        self._builds: OrderedDict[str, _Build] = OrderedDict()
        self._running: _Build | None = None

    async def run(self, *, task_status: trio.TaskStatus[None] = trio.TASK_STATUS_IGNORED) -> None:
        """Answer requests until cancelled; a build under way is cancelled with it."""
        async with trio.open_nursery() as nursery:
            task_status.started()
            async for envelope in self._mailbox:
                with self._mailbox.answering(envelope):
                    match envelope.request:
                        case Compile() as request:
                            envelope.reply(await self._start(request, nursery))
                        case BuildStatus(build_id):
                            envelope.reply(self._status(build_id))
                        case unknown:
                            raise TypeError(f"not a compiler request: {unknown!r}")

    async def _start(self, request: Compile, nursery: trio.Nursery) -> BuildAnswer:
        if self._running is not None:
            raise RtgfError(
                Code.RTGF_CONFLICT, f"build {self._running.build_id} is running; ask again after it"
            )
        try:
            work = self._planner.plan(request, self._clock.now())
        except RtgfError as error:
            self._metrics.build_done(0.0, error.code.name)
            await self._record(error, subject="plan", digest="")
            raise
        build = _Build(work.build_id, self._clock)
        self._builds[work.build_id] = build
        self._builds.move_to_end(work.build_id)
        if len(self._builds) > BUILDS_REMEMBERED:
            self._builds.popitem(last=False)
        build.stage("plan", f"{work.targets} tokens are due")
        if work.targets == 0:
            build.state = "nothing_due"
        else:
            self._running = build
            nursery.start_soon(self._build, build, work, request)
        return build.answer()

    def _status(self, build_id: str) -> BuildAnswer:
        if build_id not in self._builds:
            raise RtgfError(Code.RTGF_NOT_FOUND, f"no build {build_id!r} is remembered")
        return self._builds[build_id].answer()

    async def _build(self, build: _Build, work: Work, request: Compile) -> None:
        started = trio.current_time()
        failure: RtgfError | None = None
        try:
            try:
                with trio.fail_after(self._timeout) as limit:
                    await self._run_stages(build, work, request, limit)
            except RtgfError as error:
                failure = error
            except trio.TooSlowError:
                failure = RtgfError(
                    Code.RTGF_PIPELINE_PUBLISH_FAIL, f"the build took over {self._timeout:g} s"
                )
            if failure is not None:
                # Before the build is told to have failed: what is told is on record.
                await self._record(failure, subject=build.build_id, digest=build.build_id)
                self._failed(build, failure)
        finally:
            self._running = None
            if build.state == "running":
                # Nobody may wait for ever for a build that a crash ended.
                stopped = RtgfError(Code.RTGF_ACTOR_CRASHED, "the compiler stopped; build again")
                self._failed(build, failure or stopped)
            self._metrics.build_done(
                trio.current_time() - started, build.error.code.name if build.error else None
            )

    async def _record(self, error: RtgfError, *, subject: str, digest: str) -> None:
        await self._registry.ask(
            RecordRefusal(code=error.code.name, subject=subject, digest=digest, detail=error.detail)
        )

    async def _run_stages(
        self, build: _Build, work: Work, request: Compile, limit: trio.CancelScope
    ) -> None:
        build.stage("compile", "twice, in two fresh processes with other hash seeds and time zones")
        output = await self._compile(work)
        build.manifest_digest = digests.sha256(output.manifest)
        build.stage("compare", f"both gave {len(output.artefacts)} artefacts, byte for byte equal")
        build.unsatisfiable = output.unsatisfiable()
        accepted: list[Document] = []
        unsigned: list[bytes] = []
        for name, body in sorted(output.artefacts.items()):
            if not name.startswith("tokens/"):
                continue
            token: Document = parse_object(body)
            conflict = work.new_conflict(token)
            if conflict is not None and not request.accept_conflicts:
                build.held.append(token["token_id"])
                continue
            if conflict is not None:
                accepted.append(conflict)
            build.issued.append(token["token_id"])
            unsigned.append(body)
        if not unsigned:
            build.issued, build.state = [], "nothing_due"
            return
        build.stage("lists", "name indexes for screening")
        await self._verifier.ask(PrepareDatasets(work.content_digests))
        build.stage("sign", f"{len(unsigned)} tokens with {self._signer.kid}")
        signed = tuple([await self._sign(body) for body in unsigned])
        build.stage("log", "one commit: the build, every token and its event")
        # What the log has in hand is not undone by giving up, so it is not given up.
        limit.deadline = math.inf
        try:
            await self._registry.ask(
                Publish(
                    build_id=work.build_id,
                    manifest=output.manifest,
                    tokens=signed,
                    accepted_conflicts=tuple(accepted),
                    actor=request.actor,
                )
            )
        except RtgfError as error:
            unknown = error.code is Code.RTGF_ACTOR_CRASHED
            raise RtgfError(
                Code.RTGF_BUILD_TRANSPARENCY_FAIL,
                "the log stopped before it answered; whether the build is published, another build"
                " tells: it issues what is still due"
                if unknown
                else "the log did not take the build; nothing was published",
                causes=(error,),
            ) from error
        build.stage("publish", f"{len(signed)} tokens are served")
        build.state = "published"

    async def _compile(self, work: Work) -> BuildOutput:
        """Return what both processes built; a refusal by its stage, with its reason inside."""
        try:
            return await build_twice(work.request, keep_in=self._keep_divergent_in)
        except RtgfError as error:
            if _mentions(error, Code.RTGF_SANCTIONS_HASH_MISMATCH):
                self._metrics.hash_mismatch()
            if error.code is Code.RTGF_INTERNAL or error.code.name.startswith("RTGF_PIPELINE_"):
                raise
            raise RtgfError(
                Code.RTGF_PIPELINE_SNAPSHOT_FAIL,
                f"nothing was signed, logged or published; {error.detail}",
                causes=(error,),
            ) from error

    async def _sign(self, body: bytes) -> bytes:
        causes: list[RtgfError] = []
        for attempt in range(1, SIGN_TRIES + 1):
            try:
                signed = tokens.sign(parse_object(body), [self._signer])
            except RtgfError as error:
                self._metrics.signed("error")
                causes.append(error)
                await trio.sleep(SIGN_PAUSE_SECONDS * attempt)
            else:
                self._metrics.signed("ok")
                return signed
        raise RtgfError(
            Code.RTGF_BUILD_SIGNING_ERROR,
            f"signing failed {SIGN_TRIES} times; nothing was published",
            causes=tuple(causes),
        )

    def _failed(self, build: _Build, error: RtgfError) -> None:
        build.error, build.state = error, "failed"
        build.issued = []
        log.error("build_failed", build_id=build.build_id, code=error.code.name, detail=str(error))


def _mentions(error: RtgfError, code: Code) -> bool:
    return error.code is code or any(_mentions(cause, code) for cause in error.causes)


def _cause(error: RtgfError) -> Document:
    cause: Document = {"code": error.code.name, "detail": error.detail}
    if error.pointer is not None:
        cause["pointer"] = error.pointer
    if error.causes:
        cause["causes"] = [_cause(inner) for inner in error.causes]
    return cause
