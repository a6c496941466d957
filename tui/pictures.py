"""Pictures of every screen, for documents: SVG files that load nothing from anywhere."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Final

from textual.pilot import Pilot

from rtgf_node.errors import Code, RtgfError
from tui.app import Dashboard
from tui.screens import SCREENS

SETTLE_SECONDS: Final = 0.3
"""For a screen to draw what it was told."""

LOOKS: Final = 24
"""At each node before the first picture, `SETTLE_SECONDS` apart: plots need something to show."""

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
            await pilot.pause(SETTLE_SECONDS)
        for number, screen in enumerate(SCREENS, 1):
            await app.action_show(screen.NAME)
            await pilot.pause(SETTLE_SECONDS)
            await app.workers.wait_for_complete()
            await pilot.pause(SETTLE_SECONDS)
            path = folder / f"{size[0]}x{size[1]}-{number:02}-{screen.NAME}.svg"
            picture = app.export_screenshot(title=f"rtgf dashboard: {screen.TITLE}")
            path.write_text(plain_picture(picture), encoding="utf-8")
            written.append(path)
        app.exit()

    try:
        folder.mkdir(parents=True, exist_ok=True)
        app.run(headless=True, size=size, auto_pilot=go_round)
    except OSError as error:
        raise RtgfError(Code.RTGF_CONFIG_INVALID, f"{folder}: {error.strerror}") from error
    return written


def plain_picture(svg: str) -> str:
    """Return an SVG without the fonts that it would load, without comments, with short names."""
    return _PREFIX.sub("t", _ELSEWHERE.sub("", svg))
