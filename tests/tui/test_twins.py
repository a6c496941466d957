"""What a screen has no room for stands in its detail; what it shows, a command prints."""

from __future__ import annotations

import re

import pytest

from tests.tui.driving import Driver, drive
from tests.tui.fake import FakeNode, cluster
from tests.tui.fake_overview import degraded
from tui.screens import SCREENS
from tui.tones import BAD, DIM, OK, WARN, sign

SIGNS = "".join(map(sign, (OK, WARN, BAD, DIM)))
TOLD_IN_FULL = {"at", "validity", "until", "ends", "asked ago", "left", "next in", "last"}
"""Columns of times, which the detail gives in full and not in the words of the table."""
ROWS = 6
"""Of each table."""


def bare(text: str) -> str:
    """Return a text without signs, breaks and the mark of a digest that was made short."""
    return re.sub(rf"[\s…{SIGNS}]", "", text)


def tables():
    """Return the screens that have one."""
    return [one for one in SCREENS if one.NAME not in {"overview", "verify", "corridors"}]


@pytest.mark.parametrize("screen", tables(), ids=lambda one: one.NAME)
def test_what_is_cut_at_80_columns_is_read_in_full_with_enter(screen):
    node = FakeNode()
    node.shown = degraded()
    node.cluster = cluster()

    async def story(driver: Driver) -> None:
        await driver.press(screen.KEY)
        table = driver.app.pane.filtered.table
        room = dict(table._shown)
        for place in range(min(ROWS, len(table.rows))):
            table.go_to(place)
            row = table.row
            cut = [
                text
                for at, (text, _) in enumerate(row.cells)
                if len(text) > room.get(at, 0) and table.columns[at].title not in TOLD_IN_FULL
            ]
            await driver.press("enter")
            window = bare(driver.all_of_the_window())
            await driver.press("escape")
            assert [text for text in cut if bare(text) not in window] == [], window

    drive(story, node)
