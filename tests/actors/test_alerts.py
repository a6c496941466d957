"""The alerts actor: its pace, and that nothing of it can harm the node."""

from __future__ import annotations

import pytest
import trio
from prometheus_client import CollectorRegistry

from rtgf_node.actors.alerts import FIRST_SECONDS, AlertsActor
from rtgf_node.alerts.board import Board
from rtgf_node.alerts.delivery import Change, Delivery
from rtgf_node.alerts.seen import Seen
from rtgf_node.figures.alerts import AlertFigures

PACE = 10.0


class Seconds:
    """A wall clock that goes with the virtual one, and stood still while the machine did."""

    def __init__(self) -> None:
        self.slept = 0

    def now(self) -> int:
        return 1_800_000_000 + self.slept + int(trio.current_time())


class Silence:
    """A channel that never answers."""

    name = "silence"

    async def send(self, change: Change) -> None:
        await trio.sleep_forever()


class Watched:
    """A node whose looks are counted, and what they see."""

    def __init__(self) -> None:
        self.seen = Seen(head_age=1)
        self.looks: list[float] = []
        self.fault: Exception | None = None

    def look(self) -> Seen:
        self.looks.append(trio.current_time())
        if self.fault is not None:
            raise self.fault
        return self.seen


@pytest.fixture
def clock():
    return Seconds()


@pytest.fixture
def registry():
    return CollectorRegistry()


@pytest.fixture
def watched():
    return Watched()


@pytest.fixture
def actor(clock, registry, watched):
    figures = AlertFigures(registry)
    return AlertsActor(
        look=watched.look,
        board=Board(PACE),
        delivery=Delivery([Silence()], clock, figures),
        every_seconds=PACE,
        clock=clock,
        figures=figures,
    )


def active(registry, name, severity):
    return registry.get_sample_value("rtgf_alert_active", {"alert": name, "severity": severity})


async def test_it_keeps_its_pace_while_a_channel_is_silent(
    autojump_clock, nursery, actor, watched, registry
):
    await nursery.start(actor.run)
    watched.seen = watched.seen._replace(free_share=0.01, damage="a fork")
    await trio.sleep(600)
    assert watched.looks == [FIRST_SECONDS + number * PACE for number in range(60)]
    assert active(registry, "append_violation", "P0") == 1
    assert active(registry, "disk_low", "P2") == 1
    assert active(registry, "no_leader", "P1") == 0
    assert registry.get_sample_value("rtgf_alert_gaps_total") == 0


async def test_a_look_that_fails_harms_nothing_and_is_an_alert(
    autojump_clock, nursery, actor, watched, registry
):
    """RTGF-CT-91."""
    await nursery.start(actor.run)
    watched.fault = KeyError("a metric that is gone")
    await trio.sleep(300)
    assert len(watched.looks) == 30
    assert active(registry, "data_gap", "P2") == 1
    assert registry.get_sample_value("rtgf_alert_gaps_total") == 30
    watched.fault = None
    await trio.sleep(1200)
    assert active(registry, "data_gap", "P2") == 0


async def test_a_machine_that_slept_is_a_gap(
    autojump_clock, nursery, actor, watched, clock, registry
):
    """RTGF-CT-91."""
    await nursery.start(actor.run)
    await trio.sleep(60)
    clock.slept = 3600
    await trio.sleep(PACE)
    assert active(registry, "data_gap", "P2") == 1
    assert registry.get_sample_value("rtgf_alert_gaps_total") == 1
