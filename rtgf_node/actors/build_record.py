"""What is known of one build: told while it runs, and kept in the register of builds after it."""

from __future__ import annotations

from collections.abc import Iterable

import msgspec
import trio

from rtgf_node.actors.mailbox import Mailbox
from rtgf_node.actors.messages import Compile, RecordBuild, RecordRefusal
from rtgf_node.core.build_inputs import Place
from rtgf_node.core.canonical_json import parse_object
from rtgf_node.core.clock import Clock
from rtgf_node.core.times import to_text
from rtgf_node.errors import Code, RtgfError
from rtgf_node.store.registry_store import BuildRow
from rtgf_node.wire import BuildAnswer, BuildProgress, BuildStage, Document


class Summary(msgspec.Struct, frozen=True):
    """What the register keeps of a build beside its tokens.

    Attributes:
      asked: what was asked for, so that it can be asked for again after a crash.
      again: it was asked for again; a second crash is not followed by a third try.
    """

    asked: Compile
    again: bool = False
    stages: list[BuildStage] = []
    held: list[str] = []
    unsatisfiable: list[Document] = []
    failed: list[Document] = []
    code: str | None = None
    detail: str | None = None
    causes: list[Document] = []


class BuildRecord:
    """A build under way or done.

    Attributes:
      committing: the log has it in hand; it can no longer be given up.
      scope: ends it when it is cancelled.
    """

    def __init__(self, build_id: str, asked: Compile, clock: Clock, *, again: bool) -> None:
        self.build_id = build_id
        self.asked = asked
        self._clock = clock
        self._again = again
        self.state = "running"
        self.stages: list[BuildStage] = []
        self.progress: BuildProgress | None = None
        self.issued: list[str] = []
        self.held: list[str] = []
        self.unsatisfiable: list[Document] = []
        self.failed: list[Document] = []
        self.manifest_digest: str | None = None
        self.error: RtgfError | None = None
        self.committing = False
        self.scope = trio.CancelScope()

    def stage(self, name: str, detail: str) -> None:
        """Note that a stage was reached."""
        self.stages.append(BuildStage(name, detail, to_text(self._clock.now())))
        self.progress = None

    def step(self, done: int, total: int) -> None:
        """Note how much of the stage is done."""
        self.progress = BuildProgress(self.stages[-1].stage, done, total)

    def resumed(self, done: int, total: int) -> None:
        """Note how much of the stage was done before a crash."""
        self.stage("resume", f"{done} of {total} targets were finished before the process died")
        self.step(done, total)

    def end(self, state: str, error: RtgfError | None = None) -> None:
        """Note how it ended."""
        self.state, self.error, self.progress = state, error, None
        if state != "published":
            self.issued = []

    def answer(self) -> BuildAnswer:
        """Return it as it goes over the wire."""
        return msgspec.structs.replace(
            _answer(self.build_id, self.state, self._summary(), list(self.issued)),
            manifest_digest=self.manifest_digest,
            progress=self.progress,
        )

    def summary(self) -> str:
        """Return what the register keeps of it."""
        return msgspec.json.encode(self._summary()).decode()

    def _summary(self) -> Summary:
        error = self.error
        return Summary(
            asked=self.asked,
            again=self._again,
            stages=list(self.stages),
            held=list(self.held),
            unsatisfiable=list(self.unsatisfiable),
            failed=list(self.failed),
            code=error.code.name if error else None,
            detail=error.detail if error else None,
            causes=[problem(cause) for cause in error.causes] if error else [],
        )


class Records:
    """What outlives the process of builds: the registry puts it into the register."""

    def __init__(self, registry: Mailbox) -> None:
        self._registry = registry

    async def keep(self, build: BuildRecord, *, state: str | None = None) -> None:
        """Keep how far a build is; its state, or the one that it is about to have."""
        await self._registry.ask(RecordBuild(build.build_id, state or build.state, build.summary()))

    async def refuse(self, error: RtgfError, *, subject: str, digest: str = "") -> None:
        """Keep what was refused, and why."""
        await self._registry.ask(
            RecordRefusal(code=error.code.name, subject=subject, digest=digest, detail=error.detail)
        )


def kept(row: BuildRow) -> Summary | None:
    """Return what the register keeps of a build; None if it was made before it kept anything."""
    return msgspec.json.decode(row.summary, type=Summary) if row.summary else None


def known(row: BuildRow, clock: Clock) -> BuildRecord | None:
    """Return a build of the register as one that goes on."""
    summary = kept(row)
    if summary is None:
        return None
    build = BuildRecord(row.build_id, summary.asked, clock, again=summary.again)
    build.stages += summary.stages
    build.held, build.failed = summary.held, summary.failed
    build.unsatisfiable = summary.unsatisfiable
    return build


def crashed(row: BuildRow, clock: Clock) -> BuildRecord | None:
    """Return a build that the register has as running, and that runs no more, as failed."""
    build = known(row, clock)
    if build is not None:
        build.end("failed", stopped())
    return build


def recalled(row: BuildRow, issued: list[str]) -> BuildAnswer:
    """Return a build that is over as the register has it."""
    summary = kept(row) or Summary(Compile(None, None, accept_conflicts=False, actor=""))
    answer = _answer(row.build_id, row.state, summary, issued)
    return msgspec.structs.replace(answer, manifest_digest=row.manifest_digest)


def token_ids(artefacts: Iterable[bytes]) -> list[str]:
    """Return what unsigned tokens are called."""
    return [str(parse_object(artefact)["token_id"]) for artefact in artefacts]


def problem(error: RtgfError) -> Document:
    """Return a failure with its causes as a document."""
    found: Document = {"code": error.code.name, "detail": error.detail}
    if error.pointer is not None:
        found["pointer"] = error.pointer
    if error.causes:
        found["causes"] = [problem(inner) for inner in error.causes]
    return found


def failure(place: Place, error: RtgfError) -> Document:
    """Return how an entry is told that cannot be built."""
    # The entry of terms is named as a token's id begins.
    name = "terms" if ":" in place.name else "jurisdiction"
    return {name: place.name, "domain": place.domain, **problem(error)}


def refused(error: RtgfError) -> RtgfError:
    """Return a refusal by its stage, with its reason inside."""
    if error.code is Code.RTGF_INTERNAL or error.code.name.startswith("RTGF_PIPELINE_"):
        return error
    return RtgfError(
        Code.RTGF_PIPELINE_SNAPSHOT_FAIL,
        f"nothing was signed, logged or published; {error.detail}",
        causes=(error,),
    )


def mentions(error: RtgfError, code: Code) -> bool:
    """Tell whether a failure, or a cause of it, has this code."""
    return error.code is code or any(mentions(cause, code) for cause in error.causes)


def stopped() -> RtgfError:
    """Return how a build is told that a crash ended."""
    return RtgfError(Code.RTGF_ACTOR_CRASHED, "the compiler stopped; build again")


def _answer(build_id: str, state: str, summary: Summary, issued: list[str]) -> BuildAnswer:
    return BuildAnswer(
        build_id=build_id,
        state=state,
        stages=summary.stages,
        issued=issued,
        held=summary.held,
        unsatisfiable=summary.unsatisfiable,
        failed=summary.failed,
        code=summary.code,
        detail=summary.detail,
        causes=summary.causes,
    )
