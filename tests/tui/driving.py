"""Driving a dashboard by keys, and reading what is on its screen."""

from __future__ import annotations

import asyncio
import itertools
from collections.abc import Awaitable, Callable
from typing import Any

from textual.pilot import Pilot

from tests.tui.fake import FakeClock, FakeNode
from tui.app import Dashboard, Options
from tui.watch import Target
from tui.widgets.box import Box

Drive = Callable[["Driver"], Awaitable[None]]


class Driver:
    """A dashboard that runs without a terminal."""

    def __init__(self, app: Dashboard, pilot: Pilot[None], nodes: list[Any], clock: FakeClock):
        self.app = app
        self.pilot = pilot
        self.nodes = nodes
        self.clock = clock

    @property
    def node(self) -> Any:
        return self.nodes[0]

    async def press(self, *keys: str) -> None:
        """Press keys, and wait until what follows from them is done."""
        await self.pilot.press(*keys)
        await self.settle()

    async def type(self, text: str) -> None:
        """Type a text."""
        await self.press(*(SPELLED.get(letter, letter) for letter in text))

    async def look(self, times: int = 1) -> None:
        """Have it look at its nodes."""
        for _ in range(times):
            for watch in self.app.watches:
                await self.app.look(watch)
        await self.settle()

    async def settle(self) -> None:
        for _ in range(2):
            await self.pilot.pause()
            # Of pages, those that came into sight are asked for a moment later.
            await self.pilot.pause(0.12 if self.app._shown == "log" else 0.0)
            await self.app.workers.wait_for_complete()
        await self.pilot.pause()

    def text(self) -> str:
        """Return what is on the screen."""
        return "\n".join(strip.text.rstrip() for strip in self.strips()) + "\n"

    def all_of_the_window(self) -> str:
        """Return all lines of the window on top, also those out of sight."""
        lines = self.app.screen.query_one(Box).lines
        return "\n".join("".join(text for text, _ in line) for line in lines)

    def told(self) -> list[str]:
        """Return the notices that were shown."""
        return [one.message for one in self.app._notifications]

    def strips(self) -> list[Any]:
        return self.app.screen._compositor.render_strips()

    def colours(self) -> dict[str, str]:
        """Return the foreground of each word on the screen that has one; the first place counts."""
        found: dict[str, str] = {}
        for strip in self.strips():
            for segment in strip:
                if segment.style is not None and segment.style.color is not None:
                    for word in segment.text.split():
                        found.setdefault(word, segment.style.color.name)
        return found


SPELLED = {":": "colon", "-": "minus", ".": "full_stop", "_": "underscore", " ": "space",
           "!": "exclamation_mark", "=": "equals_sign"}  # fmt: skip


def drive(
    story: Drive,
    *nodes: Any,
    size: tuple[int, int] = (80, 24),
    looks: int = 3,
    approver: Any = None,
    **options: Any,
) -> None:
    """Run a story against a dashboard over these nodes, or over one that is made up."""
    held = list(nodes) or [FakeNode()]
    clock = FakeClock()
    ticks = itertools.count(step=2.0)

    async def run() -> None:
        app = Dashboard(
            [Target(node, approver) for node in held],
            clock,
            Options(**{"poll_seconds": None, **options}),
            moment=lambda: next(ticks),
        )
        async with app.run_test(size=size) as pilot:
            driver = Driver(app, pilot, held, clock)
            await driver.look(looks)
            await story(driver)

    asyncio.run(run())
