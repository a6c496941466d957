"""What screens look like, as text: kept in `looks/`, and compared with what is drawn.

`python -m tests.tui.looks` writes them anew; look at the difference before you keep it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, NamedTuple

from tests.tui.driving import Driver, drive
from tests.tui.fake import FakeNode, cluster, degraded, lost
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


def drawn(look: Look) -> str:
    """Return what this look looks like now."""
    node, found = FakeNode(busy=look.state != "degraded"), []
    if look.state == "degraded":
        node.shown = degraded()
    if look.state == "cluster":
        node.cluster = cluster()

    async def story(driver: Driver) -> None:
        if look.state == "unreachable":
            node.down = lost()
            driver.clock.at += 60
            await driver.look()
        if look.keys:
            await driver.press(*look.keys)
        found.append(driver.text())

    drive(story, node, size=look.size, looks=30, **dict(look.options))
    return found[0]


def write(say: Callable[[str], object]) -> None:
    FOLDER.mkdir(exist_ok=True)
    for look in looks():
        look.file.write_text(drawn(look))
        say(str(look.file))


if __name__ == "__main__":
    write(print)
