"""What a process does before its node answers, and what it leaves when the node is over."""

from __future__ import annotations

import gc
import os
import signal
import threading
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress
from types import SimpleNamespace
from typing import Any

import structlog
import trio
import trio.testing

from rtgf_node import cluster, config, serving
from rtgf_node.errors import Code, RtgfError
from rtgf_node.process_signals import Signals
from rtgf_node.system_clock import SystemClock
from rtgf_node.waiting_room import WaitingRoom
from rtgf_node.wire import Check
from rtgf_node.wire.cluster import ClusterAnswer, StateFetch
from tests.e2e.test_lanes import TO_THE_FRAMEWORK
from tests.inside import serve_inside
from tests.nodes import PATIENCE_SECONDS, TestNode


def waiting(node: TestNode, *, reload: Callable[[], None], body: Callable[[], None]) -> None:
    """Run `body` on a thread while a member waits for its state, and then stop it by SIGTERM."""
    words = "it fetches the state of a: 1,024 of 4,096 bytes"
    shown = ClusterAnswer(
        alone=False,
        cluster="fma.example/log",
        name="b",
        role="learner",
        leader="a",
        term=2,
        last_index=0,
        commit=0,
        applied=0,
        tree_size=0,
        staleness_seconds=1e9,
        members=[],
        waits=words,
        fetching=StateFetch(member="a", bytes=1024, of_bytes=4096, objects=0, of_objects=0),
    )
    place: Any = SimpleNamespace(
        restart_needed=trio.Event(),
        failed=trio.Event(),
        reload=reload,
        waits=words,
        shown=lambda: shown,
        checks=lambda: [Check("cluster", ok=False, detail=words)],
    )

    async def asked() -> None:
        await trio.to_thread.run_sync(body)
        os.kill(os.getpid(), signal.SIGTERM)

    async def story() -> None:
        signals = Signals()
        async with trio.open_nursery() as nursery:
            await nursery.start(signals.listen)
            nursery.start_soon(asked)
            await WaitingRoom(config.load(node.toml, environ={}), place).open_until_told(signals)
            nursery.cancel_scope.cancel()

    with structlog.testing.capture_logs():
        trio.run(story)


def test_a_member_without_a_state_takes_its_certificates_anew_and_waits_on(
    tmp_path, template: TestNode
):
    """The certificates may be why it has none yet."""
    taken = threading.Event()

    def reload() -> None:
        taken.set()
        raise RtgfError(Code.RTGF_CONFIG_INVALID, "no certificate")

    def body() -> None:
        os.kill(os.getpid(), signal.SIGHUP)
        assert taken.wait(PATIENCE_SECONDS)

    waiting(template.copy(tmp_path / "node"), reload=reload, body=body)


def test_a_member_without_a_state_says_that_it_lives_and_what_it_waits_for(
    tmp_path, template: TestNode
):
    node = template.copy(tmp_path / "node")

    def body() -> None:
        with node.client() as client:
            for _ in range(5000):
                with suppress(RtgfError):
                    client.healthy()
                    break
                time.sleep(0.02)
        assert node.ask("GET", "/healthz").json() == {"status": "alive"}
        ready = node.ask("GET", "/readyz")
        assert ready.status == 503
        [check] = ready.json()["checks"]
        assert "1,024 of 4,096 bytes" in check["detail"]
        assert node.ask("HEAD", "/readyz").body == b""
        node.ask("GET", "/roots/latest").problem(503, "RTGF_UNAVAILABLE")
        assert node.ask("GET", "/roots/latest").headers["retry-after"] == "1"
        node.ask("GET", "/admin/cluster").problem(401, "RTGF_UNAUTHENTICATED")
        node.ask("GET", "/admin/cluster", role="partner").problem(403, "RTGF_FORBIDDEN")
        said = node.cli("cluster", "status")
        assert said.returncode == 0, said.stderr
        assert "waits: it fetches the state of a: 1,024 of 4,096 bytes" in said.stdout
        framed = node.ask("GET", "/readyz", headers=TO_THE_FRAMEWORK)
        assert (framed.status, framed.json()) == (503, ready.json())
        assert node.ask("HEAD", "/readyz", headers=TO_THE_FRAMEWORK).body == b""
        posted = node.ask("POST", "/verify", {}, headers=TO_THE_FRAMEWORK)
        posted.problem(503, "RTGF_UNAVAILABLE")

    waiting(node, reload=lambda: None, body=body)


def test_a_signal_is_heard_whatever_the_process_is_doing(tmp_path, template: TestNode, monkeypatch):
    """Also between two lives of the node: it is not lost, and does not end it as it stands."""
    lives = []

    @asynccontextmanager
    async def place(*_: object, **__: object) -> AsyncIterator[Any]:
        lives.append("begun")
        os.kill(os.getpid(), signal.SIGTERM)
        await trio.testing.wait_all_tasks_blocked()
        again = trio.Event()
        again.set()
        yield SimpleNamespace(has_state=False, restart_needed=again, failed=trio.Event())
        lives.append("over")

    monkeypatch.setattr(cluster, "place", place)
    told = config.load(template.copy(tmp_path / "node").toml, environ={})
    with structlog.testing.capture_logs():
        trio.run(serving.serve, told, SystemClock())
    assert lives == ["begun", "over"]


def test_a_node_that_is_over_can_be_forgotten(tmp_path, template: TestNode):
    """A member that took another's state begins anew in its process; the old parts must go."""
    before = gc.get_freeze_count()
    serve_inside(template.copy(tmp_path / "node"), lambda: None)
    assert gc.get_freeze_count() <= before
