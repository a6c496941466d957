"""What screens look like, as text: kept in `looks/`, and compared with what is drawn.

`python -m tests.tui.looks` writes them anew; look at the difference before you keep it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, NamedTuple

from tests.tui.driving import Driver, drive
from tests.tui.fake import FakeNode, cluster, lost
from tests.tui.fake_overview import degraded
from tui.screens import SCREENS

FOLDER = Path(__file__).parent / "looks"


class Look(NamedTuple):
    """A picture: its name, how the dashboard is started, and which keys lead to it."""

    name: str
    keys: tuple[str, ...] = ()
    size: tuple[int, int] = (80, 24)
    state: str = "normal"
    options: tuple[tuple[str, Any], ...] = ()

    @property
    def file(self) -> Path:
        return FOLDER / f"{self.name}-{self.size[0]}x{self.size[1]}.txt"


def looks() -> Iterator[Look]:
    for screen in SCREENS:
        yield Look(screen.NAME, (screen.KEY,))
    yield Look("overview", size=(200, 50))
    yield Look("actors", ("7",), size=(200, 50))
    yield Look("degraded", state="degraded")
    yield Look("degraded", state="degraded", size=(200, 50))
    yield Look("degraded-sources", ("6",), state="degraded", size=(120, 24))
    yield Look("unreachable", state="unreachable")
    yield Look("ascii", options=(("in_ascii", True),))
    yield Look("cluster-of-three", ("c",), state="cluster")
    yield Look("entry", ("2", "enter"))
    yield Look("revoke", ("3", "R"), options=(("operate", True),))


def drawn() -> dict[str, str]:
    """Return all looks as they are now, by the names of their files."""
    found: dict[str, str] = {}
    alike: dict[Any, list[Look]] = {}
    for look in looks():
        alike.setdefault((look.size, look.state, look.options), []).append(look)
    for group in alike.values():
        found |= together(group)
    return found


def together(group: list[Look]) -> dict[str, str]:
    """Return looks of one dashboard, which differ in their keys alone."""
    size, state, options = group[0].size, group[0].state, group[0].options
    node = FakeNode(busy=state != "degraded")
    found: dict[str, str] = {}
    if state == "degraded":
        node.shown = degraded()
    if state == "cluster":
        node.cluster = cluster()

    async def story(driver: Driver) -> None:
        if state == "unreachable":
            node.down = lost()
            driver.clock.at += 60
            await driver.look()
        for look in group:
            await driver.press(*look.keys)
            found[look.file.name] = driver.text()
            if len(driver.app.screen_stack) > 1:
                await driver.press("escape")

    drive(story, node, size=size, looks=30, **dict(options))
    return found


def write(say: Callable[[str], object]) -> None:
    FOLDER.mkdir(exist_ok=True)
    for name, text in drawn().items():
        (FOLDER / name).write_text(text)
        say(name)


if __name__ == "__main__":
    write(print)
