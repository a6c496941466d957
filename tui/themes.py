"""The colours: green and red, or blue and orange for eyes that do not tell those apart."""

from __future__ import annotations

from typing import Final

from textual.theme import Theme

GREEN_RED: Final = Theme(
    name="green-red",
    primary="#5f87af",
    secondary="#5f87af",
    accent="#87afd7",
    success="#5fd787",
    warning="#ffd75f",
    error="#ff5f5f",
    foreground="#d7dce2",
    background="#12161c",
    surface="#1a2029",
    panel="#232c38",
    dark=True,
)
BLUE_ORANGE: Final = Theme(
    name="blue-orange",
    primary="#5f87af",
    secondary="#5f87af",
    accent="#d7d7ff",
    success="#5fafff",
    warning="#ffd787",
    error="#ff8700",
    foreground="#d7dce2",
    background="#12161c",
    surface="#1a2029",
    panel="#232c38",
    dark=True,
)
THEMES: Final = {theme.name: theme for theme in (GREEN_RED, BLUE_ORANGE)}
