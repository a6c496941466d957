"""What a seed stands for: how many members, what weather, which faults, what happens to members."""

from __future__ import annotations

import random
from typing import Final, Literal, NamedTuple, TypeAlias

from rtgf_node.replication.raft_settings import RaftSettings

Plan: TypeAlias = Literal["none", "add", "replace", "exchange", "demote", "grow"]

STEPS: Final = (
    "before_save",
    "after_save",
    "before_send",
    "after_apply",
    "before_take",
    "after_take",
    "vote",
)
"""Where a member may be killed: the replicator's steps, and when its vote has just left."""

TICK_SECONDS: Final = 0.1
ELECTION_TICKS: Final = 5
LONG_EVERY: Final = 25
"""One seed in so many is a long one."""


class Weather(NamedTuple):
    """How the network and the disks are.

    Attributes:
      loss, repeats, late: of all messages, the share that is lost, comes twice, or comes late.
      late_seconds: how late at most.
      delay: of every message, in seconds.
      reorders: whether messages overtake each other.
      slow_disk: of all that is written, the share that takes up to `slow_seconds`.
      broken_fetch: of all pieces of states and objects, the share that breaks the transfer.
      spoilt_fetch: of all states that come, the share that comes damaged.
    """

    loss: float = 0.0
    repeats: float = 0.0
    late: float = 0.0
    late_seconds: float = 0.0
    delay: float = 0.002
    reorders: bool = False
    slow_disk: float = 0.0
    slow_seconds: float = 0.0
    broken_fetch: float = 0.0
    spoilt_fetch: float = 0.0


FAIR: Final = Weather()


class Scenario(NamedTuple):
    """One seed's.

    Attributes:
      voters: how many there are at first.
      seconds: how long faults are injected.
      settings: of every member.
      weather: until all is healed.
      faults: the weight of every kind of fault.
      pause: between two faults, in seconds, on average.
      clients: how many ask.
      pace: between two questions of one client, in seconds, on average.
      plan: what happens to members.
    """

    voters: int
    seconds: float
    settings: RaftSettings
    weather: Weather
    faults: dict[str, int]
    pause: float
    clients: int
    pace: float
    plan: Plan


def scenario(seed: int) -> Scenario:
    """Return what a seed stands for."""
    chance = random.Random(f"scenario {seed}")
    bad = chance.random() < 0.75
    weather = Weather(
        loss=chance.choice((0.0, 0.01, 0.05, 0.15)) if bad else 0.0,
        repeats=chance.choice((0.0, 0.05, 0.2)) if bad else 0.0,
        late=chance.choice((0.0, 0.02, 0.1)) if bad else 0.0,
        late_seconds=chance.choice((0.2, 1.5)),
        delay=chance.choice((0.001, 0.01, 0.04)),
        reorders=chance.random() < 0.5,
        slow_disk=chance.choice((0.0, 0.0, 0.1, 0.4)),
        slow_seconds=chance.choice((0.01, 0.05, 0.6)),
        broken_fetch=chance.choice((0.0, 0.2)),
        spoilt_fetch=chance.choice((0.0, 0.3)),
    )
    faults = {
        "kill": chance.choice((0, 1, 3)),
        "kill at step": chance.choice((0, 2, 5)),
        "kill at vote": chance.choice((0, 0, 3)),
        "kill all": chance.choice((0, 0, 1)),
        "disk error": chance.choice((0, 0, 1)),
        "one cut off": chance.choice((0, 1, 3)),
        "cut in two": chance.choice((0, 1)),
        "cut one way": chance.choice((0, 1, 2)),
        "cut healed": 3,
        "disk stalls": chance.choice((0, 0, 1)),
        "lead handed over": chance.choice((0, 1)),
    }
    plans: tuple[Plan, ...] = (*("none",) * 5, "add", "replace", "exchange", "demote")
    voters = chance.choices((1, 3, 5), (1, 10, 1))[0]
    found = Scenario(
        voters=voters,
        seconds=chance.uniform(1.0, 3.0),
        settings=RaftSettings(TICK_SECONDS, ELECTION_TICKS, chance.choice((4, 8, 16, 10_000))),
        weather=weather,
        faults=faults,
        pause=chance.choice((0.1, 0.3)),
        clients=chance.randint(2, 3),
        pace=chance.choice((0.03, 0.15)),
        plan="grow" if voters == 1 else chance.choice(plans),
    )
    return _longer(found, chance) if seed % LONG_EVERY == 0 else found


def _longer(short: Scenario, chance: random.Random) -> Scenario:
    """Return one that costs as much as five: some mistakes need many faults one after the other."""
    plan: Plan = chance.choice(("add", "replace", "exchange", "demote"))
    return short._replace(
        seconds=chance.uniform(5.0, 12.0),
        settings=short.settings._replace(compact_every=chance.choice((4, 6, 10, 30))),
        weather=short.weather._replace(broken_fetch=chance.choice((0.0, 0.2, 0.5))),
        faults=short.faults
        | {"kill": 2, "kill at step": 5, "disk error": 1, "one cut off": 2, "lead handed over": 1},
        pause=chance.choice((0.15, 0.5)),
        plan=plan if short.plan == "none" else short.plan,
    )
