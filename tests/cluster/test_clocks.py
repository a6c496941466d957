"""The clock of a machine jumps or runs at another speed: nothing changes.

Elections and leases count monotonic time only; what is written carries its time with it.
"""

from __future__ import annotations

import time
from pathlib import Path

import pytest
import trio

from tests.cluster.harm import Harm
from tests.cluster.playing import play

TRIES = 5
"""A machine that stands still may cost the lead once and again; a clock would every time."""
LIBRARIES = sorted(Path("/usr/lib").glob("*/faketime/libfaketime.so.1"))


@pytest.fixture
def clock(tmp_path):
    """A clock that a test can set; and the environment of a process that goes by it."""
    if not LIBRARIES:
        pytest.skip("libfaketime is not installed (Debian: faketime)")
    file = tmp_path / "clock"
    file.write_text("+0")
    environment = {
        "LD_PRELOAD": str(LIBRARIES[0]),
        "FAKETIME_TIMESTAMP_FILE": str(file),
        "FAKETIME_NO_CACHE": "1",
        # The kernel's monotonic clock does not jump either.
        "FAKETIME_DONT_FAKE_MONOTONIC": "1",
        "DONT_FAKE_MONOTONIC": "1",
    }
    return file, environment


def test_the_clock_of_one_jumps_and_drifts(quick_path, clock):
    file, environment = clock

    async def story(arena):
        machine = arena.machines[1]
        # It leads, if it can: the leader's clock is the one that could matter.
        await (await arena.leader()).ask("transfer", name=machine.name)
        for setting in ("+1h", "-30m", "+20d", "+0 x3", "+0 x0.3", "+0"):
            for _ in range(TRIES):
                term = (await arena.look(await arena.leader()))["term"]
                file.write_text(setting)
                arena.faults["clock set"] += 1
                await trio.sleep(0.5)
                await arena.answered(10)
                ahead = (await arena.look(machine))["clock"] - time.time()
                assert (abs(ahead) < 1500) == setting.startswith("+0"), setting
                if (await arena.look(await arena.leader()))["term"] == term:
                    break
                file.write_text("+0")
            else:
                raise AssertionError(f"every time, {setting} costs the lead")
        file.write_text("+40m")
        await Harm(arena).inject(("kill leader", "kill follower"), 4, pause=0.5)
        file.write_text("+0")

    # A busy machine alone costs no lead within a second and a half.
    play(story, quick_path, seed=61, environments={1: environment}, election_ticks=50)
