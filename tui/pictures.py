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

FIRST_LOOK_TRIES: Final = 100
"""Times `SETTLE_SECONDS`: half a minute for a node to answer or to be called lost."""

_ELSEWHERE: Final = re.compile(r"@font-face\s*\{[^}]*\}\s*|<!--.*?-->\s*", re.DOTALL)


def take(app: Dashboard, folder: Path, size: tuple[int, int]) -> list[Path]:
    """Write a picture of each screen in a terminal of this size, and return the files.

    Raises:
      RtgfError: RTGF_CONFIG_INVALID if they cannot be written.
    """
    written: list[Path] = []

    async def go_round(pilot: Pilot[object]) -> None:
        for _ in range(FIRST_LOOK_TRIES):
            if app.current.seen is not None or app.current.lost_at is not None:
                break
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
    """Return an SVG without the fonts that it would load from elsewhere, and without comments."""
    return _ELSEWHERE.sub("", svg)
