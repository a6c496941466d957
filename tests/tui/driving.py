"""Driving a dashboard by keys, and reading what is on its screen."""

from __future__ import annotations

import asyncio
import itertools
from collections.abc import Awaitable, Callable
from typing import Any

from textual import events
from textual.keys import _character_to_key
from textual.pilot import Pilot

from rtgf_node.client import operator_questions
from tests.tui.fake import FakeClock, FakeNode
from tui.app import Dashboard, Options
from tui.pictures import picture_of
from tui.watch import Target
from tui.widgets.box import Box

Drive = Callable[["Driver"], Awaitable[None]]

ROUNDS = 2_000
"""Of messages that follow from messages: a screen that has more never comes to rest."""

MOMENT_SECONDS = 0.002
"""Between two rounds: Textual's palette waits for timers of its own."""


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
        """Press keys, and wait after each until what follows from it is done."""
        for key in keys:
            self.app.post_message(events.Key(key, key if len(key) == 1 else None))
            await self.settle()

    async def type(self, text: str) -> None:
        """Type a text into the field that has the focus."""
        for letter in text:
            self.app.post_message(events.Key(_character_to_key(letter), letter))
        await self.settle()

    async def look(self) -> None:
        """Have it look at its nodes."""
        for watch in self.app.watches:
            await self.app.look(watch)
        await self.settle()

    async def remember(self, looks: int) -> None:
        """Give it a past of so many looks, none of which it draws."""
        watch = self.app.current
        for _ in range(looks):
            seen = await watch.target.reader.ask(operator_questions.overview())
            watch.take(seen, now=self.clock.now(), moment=self.app._moment())

    async def settle(self) -> None:
        """Wait until nothing is under way: no worker, no message, nothing to be drawn.

        Not until the machine is idle, as `Pilot.press` does: it may have other work for minutes.
        """
        for _ in range(ROUNDS):
            under_way = [one._task for one in self.app.workers if one._task is not None]
            if under_way:
                await asyncio.wait(under_way)
            await self.pilot._wait_for_screen()
            self.app.screen._on_timer_update()
            if not (self._is_busy() or any(not one.is_finished for one in self.app.workers)):
                return
            await asyncio.sleep(MOMENT_SECONDS)
        raise AssertionError("the dashboard does not come to rest")

    def _is_busy(self) -> bool:
        top = self.app.screen
        return bool(
            top._layout_required
            or top._callbacks
            or top._dirty_widgets
            or any(
                pump.message_queue_size or pump._pending_message or pump._next_callbacks
                for screen in self.app.screen_stack
                for pump in (self.app, *screen.walk_children(with_self=True))
            )
        )

    def text(self) -> str:
        """Return what is on the screen."""
        return "\n".join(strip.text.rstrip() for strip in self.strips()) + "\n"

    def picture(self) -> str:
        """Return what is on the screen as the documentation shows it."""
        return picture_of(self.app)

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


def drive(
    story: Drive,
    *nodes: Any,
    size: tuple[int, int] = (80, 24),
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
            await driver.look()
            await driver.look()  # figures are of what lies between two
            await story(driver)

    asyncio.run(run())
