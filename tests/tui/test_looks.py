"""Looks: every screen, and the states that nobody hopes for."""

from __future__ import annotations

from functools import cache
from pathlib import Path

import pytest

from tests.tui import looks
from tests.tui.driving import Driver, drive
from tests.tui.fake import FakeNode
from tests.tui.fake_overview import degraded
from tui.themes import BLUE_ORANGE, GREEN_RED
from tui.tones import STATES


@cache
def drawn() -> dict[Path, str]:
    return looks.drawn()


@pytest.mark.parametrize("look", list(looks.looks()), ids=lambda one: one.file.stem)
def test_it_looks_as_it_did_and_as_the_documentation_shows_it(look):
    for path in look.files:
        assert drawn()[path] == path.read_text(), "python -m tests.tui.looks"


def test_every_look_is_kept_for_something_and_every_picture_is_on_the_page():
    kept = {path for look in looks.looks() for path in look.files}
    assert {*looks.FOLDER.iterdir(), *looks.PICTURES.iterdir()} == kept
    page = looks.PICTURES.with_suffix(".md").read_text()
    assert [path.name for path in looks.PICTURES.iterdir() if path.name not in page] == []


def colours(**options: object) -> dict[str, str]:
    node, found = FakeNode(), []
    node.shown = degraded()

    async def story(driver: Driver) -> None:
        found.append(driver.colours())

    drive(story, node, **options)
    return found[0]


def parts(colour: str | None) -> tuple[int, ...]:
    assert colour is not None
    return tuple(int(colour[at : at + 2], 16) for at in (1, 3, 5))


def is_grey(colour: str) -> bool:
    return len(set(parts(colour))) == 1


@pytest.mark.parametrize("theme", [GREEN_RED, BLUE_ORANGE], ids=lambda one: one.name)
def test_states_have_the_colours_of_the_theme(theme):
    found = colours(theme=theme.name)
    for sign, colour in (("✓", theme.success), ("!", theme.warning), ("✗", theme.error)):
        # Textual's arithmetic of colours may be one off.
        assert all(abs(a - b) <= 1 for a, b in zip(parts(found[sign]), parts(colour), strict=True))


def test_blue_and_orange_have_no_green_and_no_red():
    for colour in (BLUE_ORANGE.success, BLUE_ORANGE.error):
        red, green, blue = parts(colour)
        assert not (green > red and green > blue), colour
        assert not (red > 2 * green), colour


def test_without_colour_everything_is_grey_and_says_the_same(monkeypatch):
    look = next(one for one in looks.looks() if one.name == "degraded")
    monkeypatch.setenv("NO_COLOR", "1")
    assert looks.together([look]) == {look.file: look.file.read_text()}
    monkeypatch.setenv("NO_COLOR", "1")
    found = colours()
    assert found
    assert all(is_grey(colour) for colour in found.values()), found


def test_no_two_states_that_differ_in_meaning_are_the_same_text():
    """What is told by colour is told by its word and sign too."""
    from tui.tones import told

    shown = {told(word) for word in STATES}
    assert len({text for text, _ in shown}) == len(shown)


def test_in_ascii_nothing_else_is_shown_but_frames():
    look = next(one for one in looks.looks() if one.name == "ascii")
    frames = set("╭╮╰╯─│")
    assert {letter for letter in look.file.read_text() if not letter.isascii()} <= frames
