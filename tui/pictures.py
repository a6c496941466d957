"""Pictures of every screen, for documents: SVG files that load nothing from anywhere."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Final

from textual.pilot import Pilot

from rtgf_node.errors import Code, RtgfError
from tui.app import Dashboard
from tui.screens import SCREENS
from tui.screens.pane import Pane

LOOKS: Final = 12
"""At each node before the first picture: plots need something to show."""

LOOK_SECONDS: Final = 0.25
"""Between two of them."""

ROUNDS: Final = 3
"""Of asking and drawing: what is drawn may show that more has to be asked for."""

_ELSEWHERE: Final = re.compile(r"@font-face\s*\{[^}]*\}\s*|<!--.*?-->\s*", re.DOTALL)

_PREFIX: Final = re.compile(r"terminal-[0-9]+-")


def take(app: Dashboard, folder: Path, size: tuple[int, int]) -> list[Path]:
    """Write a picture of each screen in a terminal of this size, and return the files.

    Raises:
      RtgfError: RTGF_CONFIG_INVALID if they cannot be written.
    """
    written: list[Path] = []

    async def go_round(pilot: Pilot[object]) -> None:
        for _ in range(LOOKS):
            for watch in app.watches:
                await app.look(watch)
            await pilot.pause(LOOK_SECONDS)
        for number, screen in enumerate(SCREENS, 1):
            await app.action_show(screen.NAME)
            for _ in range(ROUNDS):
                await pilot.pause()
                await app.workers.wait_for_complete()
            path = folder / name_of(size, number, screen)
            path.write_text(picture_of(app), encoding="utf-8")
            written.append(path)
        app.exit()

    try:
        folder.mkdir(parents=True, exist_ok=True)
        app.run(headless=True, size=size, auto_pilot=go_round)
    except OSError as error:
        raise RtgfError(Code.RTGF_CONFIG_INVALID, f"{folder}: {error.strerror}") from error
    return written


def name_of(size: tuple[int, int], number: int, screen: type[Pane]) -> str:
    """Return the name of the file with the picture of a screen."""
    return f"{size[0]}x{size[1]}-{number:02}-{screen.NAME}.svg"


def picture_of(app: Dashboard) -> str:
    """Return what is on the screen as SVG, without the fonts that it would load, in short names."""
    svg = app.export_screenshot(title=f"rtgf dashboard: {app.pane.TITLE}")
    return _PREFIX.sub("t", _ELSEWHERE.sub("", svg))
