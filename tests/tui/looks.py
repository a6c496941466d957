"""What screens look like: kept as text, those of the documentation as pictures too, and compared.

`python -m tests.tui.looks` writes them anew; look at the difference before you keep it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, NamedTuple

from tests.tui.driving import Driver, drive
from tests.tui.fake import FakeNode, cluster, lost
from tests.tui.fake_overview import degraded
from tui.pictures import name_of
from tui.screens import SCREENS

FOLDER = Path(__file__).parent / "looks"
PICTURES = Path(__file__).parents[2] / "docs/dashboard"
SIZES = ((80, 24), (200, 50))
LED_TO = {"verify": ("3", "v")}
"""Keys of screens that show little before something is asked."""


class Look(NamedTuple):
    """How the dashboard is started and which keys lead to it; the screens alone are pictures."""

    name: str
    keys: tuple[str, ...] = ()
    size: tuple[int, int] = (80, 24)
    state: str = "normal"
    options: tuple[tuple[str, Any], ...] = ()

    @property
    def file(self) -> Path:
        return FOLDER / f"{self.name}-{self.size[0]}x{self.size[1]}.txt"

    @property
    def files(self) -> Iterator[Path]:
        """Yield where it is kept, as text and as a picture."""
        yield self.file
        for number, screen in enumerate(SCREENS, 1):
            if self.name == screen.NAME:
                yield PICTURES / name_of(self.size, number, screen)


def looks() -> Iterator[Look]:
    for size in SIZES:
        for screen in SCREENS:
            yield Look(screen.NAME, LED_TO.get(screen.NAME, (screen.KEY,)), size)
    yield Look("degraded", state="degraded")
    yield Look("degraded", state="degraded", size=(200, 50))
    yield Look("degraded-sources", ("6",), state="degraded", size=(120, 24))
    yield Look("unreachable", state="unreachable")
    yield Look("ascii", options=(("in_ascii", True),))
    yield Look("cluster-alone", ("c",), state="alone")
    yield Look("entry", ("2", "enter"))
    yield Look("revoke", ("3", "R"), options=(("operate", True),))


def drawn() -> dict[Path, str]:
    """Return all looks as they are now, by their files."""
    found: dict[Path, str] = {}
    alike: dict[Any, list[Look]] = {}
    for look in looks():
        alike.setdefault((look.size, look.state, look.options), []).append(look)
    for group in alike.values():
        found |= together(group)
    return found


def together(group: list[Look]) -> dict[Path, str]:
    """Return looks of one dashboard, which differ in their keys alone."""
    size, state, options = group[0].size, group[0].state, group[0].options
    node = FakeNode(busy=state != "degraded")
    found: dict[Path, str] = {}
    if state == "degraded":
        node.shown = degraded()
    if state != "alone":
        node.cluster = cluster()

    async def story(driver: Driver) -> None:
        await driver.remember(27)
        await driver.look()
        if state == "unreachable":
            node.down = lost()
            driver.clock.at += 60
            await driver.look()
        for look in group:
            await driver.press(*look.keys)
            for path, form in zip(look.files, (driver.text, driver.picture), strict=False):
                found[path] = form()
            if len(driver.app.screen_stack) > 1:
                await driver.press("escape")

    drive(story, node, size=size, **dict(options))
    return found


def write(say: Callable[[str], object]) -> None:
    for path, text in drawn().items():
        path.write_text(text)
        say(path.name)


if __name__ == "__main__":
    write(print)
