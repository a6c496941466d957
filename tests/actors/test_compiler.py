"""What becomes of a build when something stops in the middle of it."""

from __future__ import annotations

import itertools
from typing import Any

import msgspec
import pytest
import structlog
import trio

from rtgf_node import telemetry
from rtgf_node.actors import build_making, build_record, issuing
from rtgf_node.actors.build_work import Work
from rtgf_node.actors.compiler import CompilerActor
from rtgf_node.actors.issuing import Issuing
from rtgf_node.actors.mailbox import Mailbox
from rtgf_node.actors.messages import BuildStatus, Compile, Publish
from rtgf_node.actors.supervisor import Child, Supervisor
from rtgf_node.core import build
from rtgf_node.errors import Code, RtgfError
from rtgf_node.store.objects import ObjectStore
from rtgf_node.store.registry_store import BuildRow
from rtgf_node.system_clock import SystemClock
from rtgf_node.wire import BuildAnswer
from tests import worlds

ALL = Compile(jurisdictions=None, domains=None, accept_conflicts=False, actor="operator")


@pytest.fixture(autouse=True)
def quiet_log():
    with structlog.testing.capture_logs():
        yield


class Planned:
    """A planner that always finds the same work."""

    def plan(self, request: Compile, now: int) -> Work:
        return Work(
            build_id="build-1",
            targets=1,
            request=b"",
            content_digests=(),
            failures={},
            accepted=lambda token: None,
        )


class Register:
    """A register with these builds that began and did not end."""

    def __init__(self, *running: Any) -> None:
        self._running = running

    def running_builds(self) -> list[Any]:
        return [*self._running]


async def answered(box: Mailbox, answer: Any) -> None:
    """An actor that answers everything, a `Publish` with `answer`."""
    async for envelope in box:
        with box.answering(envelope):
            if isinstance(envelope.request, Publish):
                await answer()
            envelope.reply(None)


def mailboxes() -> dict[str, Mailbox]:
    names = ("compiler", "registry", "verifier", "approvals")
    return {name: Mailbox(name, capacity=8) for name in names}


def actor_of(boxes: dict[str, Mailbox], tmp_path, register: Register) -> CompilerActor:
    return CompilerActor(
        boxes["compiler"],
        registry=boxes["registry"],
        issuing=Issuing(
            registry=boxes["registry"],
            verifier=boxes["verifier"],
            approvals=boxes["approvals"],
            required=(),
            signer=worlds.node().signer,
            objects=ObjectStore(tmp_path),
            metrics=telemetry.Metrics(version="test"),
        ),
        planner=Planned(),  # type: ignore[arg-type]
        builds=register,  # type: ignore[arg-type]
        alone=True,
        objects=ObjectStore(tmp_path),
        build_in=tmp_path / "building",
        keep_divergent_in=tmp_path,
        processes=1,
        # Long, because the clock jumps while a thread writes files.
        timeout_seconds=20_000,
        clock=SystemClock(),
        metrics=telemetry.Metrics(version="test"),
    )


async def built(monkeypatch, tmp_path, work: Any, publish: Any = trio.lowlevel.checkpoint) -> Any:
    """Run a build whose workers are replaced by `work` until it is no longer running."""
    monkeypatch.setattr(build_making, "build_twice", work)
    boxes = mailboxes()
    supervisor = Supervisor([Child("compiler", actor_of(boxes, tmp_path, Register()).run)])
    async with trio.open_nursery() as nursery:
        nursery.start_soon(answered, boxes["registry"], publish)
        nursery.start_soon(answered, boxes["verifier"], publish)
        await nursery.start(supervisor.run)
        await boxes["compiler"].ask(ALL)
        answer: BuildAnswer | None = None
        while answer is None or answer.state == "running":
            await trio.sleep(1)
            answer = await boxes["compiler"].ask(BuildStatus("build-1"))
        nursery.cancel_scope.cancel()
    return answer


async def one_token(*_: object, **__: object) -> build.BuildOutput:
    """What the workers give for one jurisdiction."""
    snapshots = worlds.by_id(worlds.document())
    inputs = worlds.build_inputs(snapshots, ["EU"])
    return build.build(
        inputs, snapshots=snapshots, parents={}, library=worlds.library(), datasets={}
    )


async def test_a_build_that_crashes_has_failed(autojump_clock, monkeypatch, tmp_path):
    async def full_disk(*_: object, **__: object) -> None:
        raise OSError(28, "No space left on device")

    answer = await built(monkeypatch, tmp_path, full_disk)
    assert (answer.state, answer.code) == ("failed", "RTGF_ACTOR_CRASHED")
    assert answer.issued == []


async def test_a_start_without_a_majority_does_not_end_the_node(autojump_clock, tmp_path):
    """A member that was killed in a build and finds nobody who leads; RTGF-CT-84."""
    boxes = mailboxes()
    summary = msgspec.json.encode(build_record.Summary(ALL)).decode()
    register = Register(BuildRow("build-1", "running", None, 0, summary))
    supervisor = Supervisor([Child("compiler", actor_of(boxes, tmp_path, register).run)])

    async def nobody_leads() -> None:
        async for envelope in boxes["registry"]:
            envelope.fail(RtgfError(Code.RTGF_UNAVAILABLE, "nobody leads"))

    async with trio.open_nursery() as nursery:
        nursery.start_soon(nobody_leads)
        await nursery.start(supervisor.run)
        await trio.sleep(60)
        [life] = supervisor.statistics()
        answer: BuildAnswer = await boxes["compiler"].ask(BuildStatus("build-1"))
        nursery.cancel_scope.cancel()
    assert (answer.state, answer.code, life.restarts_total) == ("failed", "RTGF_UNAVAILABLE", 0)


async def test_a_build_that_takes_too_long_has_failed(autojump_clock, monkeypatch, tmp_path):
    async def endless(*_: object, **__: object) -> None:
        await trio.sleep_forever()

    answer = await built(monkeypatch, tmp_path, endless)
    assert (answer.state, answer.code) == ("failed", "RTGF_PIPELINE_PUBLISH_FAIL")


async def test_a_slow_log_is_waited_for(autojump_clock, monkeypatch, tmp_path):
    """To give up would say "failed" of tokens that are served."""

    async def slow() -> None:
        await trio.sleep(600)

    answer = await built(monkeypatch, tmp_path, one_token, slow)
    assert answer.state == "published"


@pytest.mark.parametrize("code", [Code.RTGF_ACTOR_CRASHED, Code.RTGF_UNAVAILABLE])
@pytest.mark.parametrize("failures", [1, 2, 3])
async def test_publishing_is_tried_three_times(
    autojump_clock, monkeypatch, tmp_path, code, failures
):
    """RTGF-CT-83."""
    asked = []

    async def hiccup() -> None:
        asked.append(trio.current_time())
        if len(asked) <= failures:
            raise RtgfError(code, "no")

    answer = await built(monkeypatch, tmp_path, one_token, hiccup)
    if failures < issuing.PUBLISH_TRIES:
        assert (answer.state, len(asked)) == ("published", failures + 1)
    else:
        assert (answer.state, answer.code) == ("failed", "RTGF_PIPELINE_PUBLISH_FAIL")
        assert "whether the build is published" in answer.detail
        assert [cause["code"] for cause in answer.causes] == [code.name] * 3
    assert all(later - before >= 2 for before, later in itertools.pairwise(asked))


async def test_what_the_log_refuses_is_not_tried_again(autojump_clock, monkeypatch, tmp_path):
    """RTGF-CT-84."""
    asked = []

    async def refuse() -> None:
        asked.append("publish")
        raise RtgfError(Code.RTGF_CONFLICT, "no")

    answer = await built(monkeypatch, tmp_path, one_token, refuse)
    assert (answer.state, answer.code) == ("failed", "RTGF_BUILD_TRANSPARENCY_FAIL")
    assert "nothing was published" in answer.detail
    assert len(asked) == 1
