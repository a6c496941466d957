"""What a process does before its node answers, and what it leaves when the node is over."""

from __future__ import annotations

import gc
import os
import signal
from types import SimpleNamespace
from typing import Any

import structlog
import trio
import trio.testing

from rtgf_node import serving
from rtgf_node.errors import Code, RtgfError
from tests.inside import serve_inside
from tests.nodes import TestNode


def test_a_member_without_a_state_takes_its_certificates_anew_and_waits_on():
    """The certificates may be why it has none yet."""
    taken = trio.Event()

    def reload() -> None:
        taken.set()
        raise RtgfError(Code.RTGF_CONFIG_INVALID, "no certificate")

    place: Any = SimpleNamespace(
        has_state=False, restart_needed=trio.Event(), failed=trio.Event(), reload=reload
    )

    async def story() -> bool:
        async with trio.open_nursery() as nursery:
            nursery.start_soon(told)
            return await serving._has_state(place)

    async def told() -> None:
        await trio.testing.wait_all_tasks_blocked()
        os.kill(os.getpid(), signal.SIGHUP)
        await taken.wait()
        os.kill(os.getpid(), signal.SIGTERM)

    with structlog.testing.capture_logs():
        assert trio.run(story) is False


def test_a_node_that_is_over_can_be_forgotten(tmp_path, template: TestNode):
    """A member that took another's state begins anew in its process; the old parts must go."""
    before = gc.get_freeze_count()
    serve_inside(template.copy(tmp_path / "node"), lambda: None)
    assert gc.get_freeze_count() <= before
