"""Who is told, when, and what becomes of a message that nobody takes."""

from __future__ import annotations

import json

import pytest
import trio
from prometheus_client import CollectorRegistry

from rtgf_node.alerts import messages
from rtgf_node.alerts.board import Standing
from rtgf_node.alerts.catalogue import CATALOGUE
from rtgf_node.alerts.delivery import (
    GATHER_SECONDS,
    QUIET_SECONDS,
    TRIES,
    Change,
    Delivery,
)
from rtgf_node.alerts.messages import Sender
from rtgf_node.core import jose, times
from rtgf_node.core.keys import KeySet, PublicKey, SeedSigner
from rtgf_node.errors import Code, RtgfError
from rtgf_node.figures.alerts import AlertFigures

NOON = times.parse("2026-11-23T12:00:00Z")
SENDER = Sender("did:web:fma.example", "did:web:fma.example#2")


class Seconds:
    """A clock that goes with the virtual one."""

    def now(self) -> int:
        return NOON + int(trio.current_time())


class Duty:
    """A channel that takes messages, or does not."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.works = True
        self.crash: Exception | None = None
        self.tries = 0
        self.tried = trio.Event()
        self.told: list[Change] = []

    async def send(self, change: Change) -> None:
        self.tries += 1
        self.tried.set()
        if self.crash is not None:
            raise self.crash
        if not self.works:
            raise RtgfError(Code.RTGF_UNREACHABLE, "no route")
        self.told.append(change)

    @property
    def names(self) -> list[tuple[list[str], list[str]]]:
        return [
            ([one.alert.name for one in change.risen], [one.alert.name for one in change.over])
            for change in self.told
        ]


class Standings:
    """What stands now; as the board, and with `alert_suppressed` as the rules have it."""

    def __init__(self) -> None:
        self.names: set[str] = set()
        self.delivery: Delivery

    def __call__(self) -> tuple[Standing, ...]:
        names = self.names | ({"alert_suppressed"} if self.delivery.undelivered else set())
        return tuple(Standing(CATALOGUE[one], NOON, "words") for one in CATALOGUE if one in names)


@pytest.fixture
def registry():
    return CollectorRegistry()


@pytest.fixture
def first():
    return Duty("first")


@pytest.fixture
def second():
    return Duty("second")


@pytest.fixture
async def standing(first, second, registry, nursery):
    seen = Standings()
    seen.delivery = Delivery([first, second], Seconds(), AlertFigures(registry))
    nursery.start_soon(seen.delivery.keep_telling, seen)
    return seen


async def test_what_rises_together_is_one_message_and_so_is_its_end(
    autojump_clock, standing, first, second
):
    standing.names = {"disk_low"}
    await trio.sleep(GATHER_SECONDS / 2)
    standing.names = {"disk_low", "no_leader"}
    await trio.sleep(600)
    assert first.names == [(["no_leader", "disk_low"], [])]
    standing.names = set()
    await trio.sleep(600)
    assert first.names[1:] == [([], ["no_leader", "disk_low"])]
    assert second.told == []


async def test_a_storm_is_a_message_a_minute(autojump_clock, standing, first):
    for number in range(600):
        standing.names = {["disk_low", "no_leader", "head_late"][number % 3]}
        await trio.sleep(1)
    assert 3 <= len(first.told) <= 600 / QUIET_SECONDS + 1


async def test_a_message_is_tried_again(autojump_clock, standing, first, second):
    first.works = False
    standing.names = {"disk_low"}
    await first.tried.wait()
    first.works = True
    await trio.sleep(60)
    assert first.names == [(["disk_low"], [])]
    assert second.told == []
    assert standing.delivery.undelivered is None


async def test_what_the_first_does_not_take_the_second_is_told(
    autojump_clock, standing, first, second, registry
):
    """RTGF-CT-92."""
    first.works = False
    standing.names = {"no_leader"}
    await trio.sleep(30)
    assert first.tries == TRIES
    assert second.names == [(["no_leader"], [])]
    assert second.told[0].missed_by == ("first",)
    assert standing.delivery.undelivered == "channel first: no route"
    await trio.sleep(2 * QUIET_SECONDS)
    assert second.names[1:] == [(["alert_suppressed"], [])]
    failed = {"channel": "first", "result": "failed"}
    assert registry.get_sample_value("rtgf_alert_deliveries_total", failed) >= 1
    # The first comes back: it is told all that it missed, and both that it is over.
    first.works = True
    standing.names = {"no_leader", "disk_low"}
    await trio.sleep(600)
    assert first.names[0] == (["no_leader", "disk_low", "alert_suppressed"], [])
    assert standing.delivery.undelivered is None
    standing.names = set()
    await trio.sleep(600)
    for channel in (first, second):
        told, over = ({name for pair in channel.names for name in pair[side]} for side in (0, 1))
        assert (
            told
            == over
            == {"no_leader", "alert_suppressed"} | ({"disk_low"} if channel is first else set())
        )


async def test_what_nobody_takes_is_told_when_somebody_does(
    autojump_clock, standing, first, second
):
    first.works = second.works = False
    standing.names = {"disk_low"}
    await trio.sleep(3600)
    assert first.tries > TRIES
    assert second.tries > TRIES
    second.works = True
    await trio.sleep(300)
    assert second.names == [(["disk_low", "alert_suppressed"], [])]


async def test_a_channel_that_is_broken_in_itself_harms_nobody(
    autojump_clock, standing, first, second
):
    first.crash = ValueError("a bug")
    standing.names = {"disk_low"}
    await trio.sleep(60)
    assert second.names == [(["disk_low"], [])]
    assert standing.delivery.undelivered == "channel first: ValueError"


async def test_without_a_channel_nothing_is_undelivered(autojump_clock, registry, nursery):
    seen = Standings()
    seen.delivery = Delivery([], Seconds(), AlertFigures(registry))
    seen.names = {"disk_low"}
    nursery.start_soon(seen.delivery.keep_telling, seen)
    await trio.sleep(600)
    assert seen.delivery.undelivered is None


# --- messages -------------------------------------------------------------------------------------

CHANGE = Change(
    risen=(Standing(CATALOGUE["head_late"], NOON - 90, "secret words"),),
    over=(Standing(CATALOGUE["disk_low"], NOON - 900, "secret words"),),
    missed_by=("duty",),
    at=NOON,
)


def test_a_webhook_is_signed_for_whom_it_is_sent_to():
    signer = SeedSigner("fma.example:ed25519:2026-11:001", bytes(32))
    (message,) = messages.webhook(CHANGE, SENDER, url="https://duty.example/x", signer=signer)
    keys = KeySet([PublicKey(signer.kid, signer.public, "notify", NOON - 1, NOON + 1)])
    signature = message.headers["RTGF-Signature"]
    jose.verify_detached(
        signature, message.body, keys, at=NOON, typ="rtgf-alerts+jws", uses=("notify",)
    )
    with pytest.raises(RtgfError):
        jose.verify_detached(
            signature, message.body + b" ", keys, at=NOON, typ="rtgf-alerts+jws", uses=("notify",)
        )
    assert (message.method, message.url) == ("POST", "https://duty.example/x")
    told = json.loads(message.body)
    assert told["audience"] == "https://duty.example/x"
    assert told["node"] == "did:web:fma.example#2"
    assert told["time"] == "2026-11-23T12:00:00Z"
    assert told["missed_by"] == ["duty"]
    assert [one["alert"] for one in told["over"]] == ["disk_low"]
    assert told["risen"] == [
        {
            "alert": "head_late",
            "severity": "P0",
            "sentence": CATALOGUE["head_late"].sentence,
            "since": "2026-11-23T11:58:30Z",
            "runbook": "docs/runbooks/head_late.md",
            "code": None,
        }
    ]


def test_pagerduty_has_an_event_for_each_alert_that_it_knows_again():
    sent = messages.pagerduty(CHANGE, SENDER, url="https://pd.example", secret="R0")
    events = [json.loads(message.body) for message in sent]
    assert [(one["event_action"], one["dedup_key"]) for one in events] == [
        ("trigger", "did:web:fma.example#2:head_late"),
        ("resolve", "did:web:fma.example#2:disk_low"),
    ]
    assert {one["routing_key"] for one in events} == {"R0"}
    assert [one["payload"]["severity"] for one in events] == ["critical", "warning"]


def test_matrix_has_a_line_for_each_alert():
    room = "https://m.example/_matrix/client/v3/rooms/!a:m.example/send/m.room.message"
    (message,) = messages.matrix(CHANGE, SENDER, url=room, secret="syt_0")
    assert message.method == "PUT"
    assert message.url.rpartition("/")[0] == room
    assert message.headers == {"Authorization": "Bearer syt_0"}
    text = json.loads(message.body)["body"].splitlines()
    assert text[1].startswith("P0 head_late: ")
    assert text[2:] == ["over: disk_low", "not taken by: duty"]
    assert messages.matrix(CHANGE, SENDER, url=room, secret="syt_0") == [message]


def test_what_a_case_is_about_stays_in_the_house():
    signer = SeedSigner("fma.example:ed25519:2026-11:001", bytes(32))
    sent = [
        *messages.webhook(CHANGE, SENDER, url="https://a.example", signer=signer),
        *messages.pagerduty(CHANGE, SENDER, url="https://a.example", secret="R0"),
        *messages.matrix(CHANGE, SENDER, url="https://a.example", secret="R0"),
    ]
    assert [message for message in sent if b"secret words" in message.body] == []
