"""How one build is made: twice in fresh processes, compared, and what is new of it handed on.

An entry that cannot be built fails with its own code and stops nothing else: what is due without it
is planned anew, under another id.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path

import trio

from rtgf_node.actors import build_record
from rtgf_node.actors.build_planner import Planner
from rtgf_node.actors.build_record import BuildRecord, Records
from rtgf_node.actors.build_work import Work, select
from rtgf_node.actors.issuing import Issuing, Ready
from rtgf_node.building.processes import Standby
from rtgf_node.building.twice import build_twice
from rtgf_node.core import digests
from rtgf_node.core.build import BuildOutput, UnbuildableError
from rtgf_node.core.build_inputs import Place
from rtgf_node.core.clock import Clock
from rtgf_node.core.times import to_text
from rtgf_node.errors import Code, RtgfError
from rtgf_node.manual_review import MANUAL_REVIEW, write_review
from rtgf_node.store.objects import ObjectStore
from rtgf_node.telemetry import Metrics
from rtgf_node.wire import Document


class Making:
    """Makes builds, one at a time.

    Args:
      records: is told of every step that outlives the process.
      objects: where manifests and reports are kept.
      build_in: a folder for the build that runs.
      processes: for both runs of a build together.
      standby: interpreters that wait for the next build.
      renamed: told of a build that goes on under another id.
    """

    def __init__(
        self,
        *,
        planner: Planner,
        issuing: Issuing,
        records: Records,
        objects: ObjectStore,
        build_in: Path,
        keep_divergent_in: Path,
        processes: int,
        standby: Standby,
        renamed: Callable[[BuildRecord], None],
        clock: Clock,
        metrics: Metrics,
    ) -> None:
        self._planner = planner
        self._issuing = issuing
        self._records = records
        self._objects = objects
        self._build_in = build_in
        self._review_file = build_in.with_name(MANUAL_REVIEW)
        self._keep_divergent_in = keep_divergent_in
        self._processes = processes
        self._standby = standby
        self._renamed = renamed
        self._clock = clock
        self._metrics = metrics

    async def make(self, build: BuildRecord, work: Work, limit: trio.CancelScope) -> None:
        """Make what is due and have it issued, by `limit`.

        Raises:
          RtgfError: it cannot be built or issued, with the code of its stage.
        """
        work, output = await self._compile(build, work)
        if output is None:
            build.end("nothing_due")
            return
        build.manifest_digest = digests.sha256(output.manifest)
        build.stage("compare", f"both gave {len(output.artefacts)} artefacts, byte for byte equal")
        build.unsatisfiable = output.unsatisfiable()
        names, accepted = await select(build, work, output, self._metrics.mapped)
        if not names:
            build.end("nothing_due")
            return
        await trio.to_thread.run_sync(self._keep_reports, output)
        ready = Ready(
            manifest=output.manifest,
            names=tuple(names),
            read=output.artefacts.__getitem__,
            accepted=tuple(accepted),
            content_digests=tuple(work.content_digests),
        )
        await self._issuing.issue(build, ready, limit=limit)

    async def _compile(self, build: BuildRecord, work: Work) -> tuple[Work, BuildOutput | None]:
        """Return what both runs built, without the entries that cannot be built.

        Those fail with their own code and stop nothing else: what is due without them is planned
        anew. None if nothing is.
        """
        refused: dict[Place, RtgfError] = {}
        failed = dict(work.failures)
        while True:
            build.failed = [build_record.failure(place, failed[place]) for place in sorted(failed)]
            if work.targets == 0:
                break
            build.stage("compile", "twice, in fresh processes with other hash seeds and time zones")
            try:
                output = await self._compile_once(build, work)
            except UnbuildableError as error:
                self._keep_review(build.build_id, error.failures)
                refused |= {
                    place: build_record.refused(each) for place, each in error.failures.items()
                }
            else:
                await self._record_failures(failed)
                return work, output
            work = self._planner.plan(build.asked, self._clock.now(), without=refused)
            failed = {**work.failures, **refused}
            if work.targets:
                await self._rename(build, work.build_id)
                build.stage("plan", f"{len(failed)} entries fail; {work.targets} tokens are due")
        if len(failed) > 1:
            await self._record_failures(failed)
        if failed:
            raise failed[min(failed)]
        return work, None

    def _keep_review(self, build_id: str, failures: Mapping[Place, RtgfError]) -> None:
        """Write down which clauses halted the build, for the person who has to look at them."""
        unsupported = Code.RTGF_MAP_UNSUPPORTED_CLAUSE
        places = {
            place for place, error in failures.items() if build_record.mentions(error, unsupported)
        }
        if places:
            halted: Document = {"build_id": build_id, "halted_at": to_text(self._clock.now())}
            clauses = self._planner.manual_review(places)
            self._metrics.clauses_mapped.labels("unmapped").inc(len(clauses))
            write_review(self._review_file, [{**clause, **halted} for clause in clauses])

    async def _compile_once(self, build: BuildRecord, work: Work) -> BuildOutput:
        """Return what both runs built; a refusal by its stage, with its reason inside."""
        try:
            return await build_twice(
                work.request,
                folder=self._build_in,
                keep_in=self._keep_divergent_in,
                processes=self._processes,
                progress=build.step,
                mapped=self._metrics.mapping_duration.observe,
                key=self._issuing.key_of(work.request),
                resumed=build.resumed,
                standby=self._standby,
            )
        except RtgfError as error:
            if build_record.mentions(error, Code.RTGF_SANCTIONS_HASH_MISMATCH):
                self._metrics.hash_mismatch()
            if isinstance(error, UnbuildableError):
                raise
            raise build_record.refused(error) from error

    async def _rename(self, build: BuildRecord, build_id: str) -> None:
        """Go on under the id of the inputs without what cannot be built; the old id stays known."""
        await self._records.keep(build, state="replanned")
        build.build_id = build_id
        self._renamed(build)
        await self._records.keep(build)

    def _keep_reports(self, output: BuildOutput) -> None:
        """Keep the manifest and all that is no token, to be asked for by digest."""
        self._objects.put(output.manifest)
        for name in output.artefacts:
            if not name.startswith("tokens/"):
                self._objects.put(output.artefacts[name])

    async def _record_failures(self, failed: Mapping[Place, RtgfError]) -> None:
        for place, error in failed.items():
            await self._records.refuse(error, subject=f"{place.name}:{place.domain}")
