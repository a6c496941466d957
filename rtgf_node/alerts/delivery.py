"""Telling what stands: to the first channel, and to the next where that fails for good.

A channel is told the difference between what it was told and what stands: many changes become one
message, a message that was lost is made good by the next one, and nothing piles up.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Final, NamedTuple, Protocol

import structlog
import trio

from rtgf_node.alerts.board import Standing
from rtgf_node.core.clock import Clock
from rtgf_node.errors import RtgfError
from rtgf_node.figures.alerts import AlertFigures

log = structlog.get_logger(__name__)

TRIES: Final = 3
FIRST_PAUSE_SECONDS: Final = 1.0
"""Before the second try of a message; doubled before the third."""

GATHER_SECONDS: Final = 2.0
"""What rises within it is one message: causes come with their consequences."""

QUIET_SECONDS: Final = 60.0
"""After a message, or all its tries, before the next one."""


class Change(NamedTuple):
    """What a channel does not know yet.

    Attributes:
      risen: stands since, the worst first.
      over: stood and does not stand any more.
      missed_by: names of the channels that did not take it.
      at: the time.
    """

    risen: tuple[Standing, ...]
    over: tuple[Standing, ...]
    missed_by: tuple[str, ...]
    at: int


class Channel(Protocol):
    """A way to people."""

    @property
    def name(self) -> str:
        """What it is called in the settings."""

    async def send(self, change: Change) -> None:
        """Return when it was taken.

        Raises:
          RtgfError: it was not, or nobody knows.
        """


class _Line:
    """A channel, what it was told, and why it did not take the last message."""

    def __init__(self, channel: Channel) -> None:
        self.channel = channel
        self.told: Mapping[str, Standing] = {}
        self.problem: str | None = None


class Delivery:
    """Owns what each channel was told.

    Args:
      channels: the one to use first, then those to fall back on.
    """

    def __init__(self, channels: Sequence[Channel], clock: Clock, figures: AlertFigures) -> None:
        self._lines = [_Line(channel) for channel in channels]
        self._clock = clock
        self._figures = figures

    @property
    def undelivered(self) -> str | None:
        """Why the first channel was not told what stands; None in good times."""
        if not self._lines or self._lines[0].problem is None:
            return None
        first = self._lines[0]
        return f"channel {first.channel.name}: {first.problem}"

    async def keep_telling(self, standing: Callable[[], tuple[Standing, ...]]) -> None:
        """Tell until cancelled."""
        while self._lines:
            if not self._due(standing()):
                await trio.sleep(GATHER_SECONDS)
                continue
            await trio.sleep(GATHER_SECONDS)
            await self.tell(standing())
            await trio.sleep(QUIET_SECONDS)
        await trio.sleep_forever()

    def _due(self, standing: tuple[Standing, ...]) -> bool:
        """Whether a channel does not know something that it should."""
        return any(
            _change(line, standing, whole=line is self._lines[0]) is not None
            for line in self._lines
        )

    async def tell(self, standing: tuple[Standing, ...]) -> None:
        """Tell the first channel that takes it what stands, and each what is over of what it knew.

        Never raises: what went wrong is `undelivered`.
        """
        missed: list[str] = []
        reached = False
        for line in self._lines:
            change = _change(line, standing, whole=not reached)
            if change is None:
                line.problem = None
                reached = True
                continue
            change = change._replace(missed_by=tuple(missed), at=self._clock.now())
            if await self._took(line, change):
                line.told = _known(line, standing, whole=not reached)
                reached = True
            else:
                missed.append(line.channel.name)

    async def _took(self, line: _Line, change: Change) -> bool:
        """Try a message `TRIES` times."""
        name, pause = line.channel.name, FIRST_PAUSE_SECONDS
        for left in reversed(range(TRIES)):
            try:
                await line.channel.send(change)
            except RtgfError as error:
                problem = error.detail
            except Exception as error:
                log.exception("alert_channel_crashed", channel=name)
                problem = type(error).__name__
            else:
                if line.problem is not None:
                    log.info("alert_channel_recovered", channel=name)
                line.problem = None
                self._figures.delivered(name, "ok")
                return True
            if left:
                await trio.sleep(pause)
                pause *= 2
        if line.problem is None:
            log.error("alert_channel_failed", channel=name, detail=problem)
        line.problem = problem
        self._figures.delivered(name, "failed")
        return False


def _known(line: _Line, standing: tuple[Standing, ...], *, whole: bool) -> Mapping[str, Standing]:
    """Return what a channel is to know: all that stands, or what stands still of what it knows."""
    return {one.alert.name: one for one in standing if whole or one.alert.name in line.told}


def _change(line: _Line, standing: tuple[Standing, ...], *, whole: bool) -> Change | None:
    """Return what a channel does not know yet; None if it knows."""
    wanted = _known(line, standing, whole=whole)
    risen = tuple(one for name, one in wanted.items() if name not in line.told)
    over = tuple(one for name, one in line.told.items() if name not in wanted)
    return Change(risen, over, (), 0) if risen or over else None
