"""Behind the screens may be any number of tokens and entries: never are all of them loaded."""

from __future__ import annotations

import statistics
import time

from rtgf_node.client import operator_questions
from tests.tui.driving import Driver, drive
from tests.tui.fake import FakeNode
from tui.widgets.pages import KEPT, PAGE, Pages
from tui.widgets.table import Row

TOKENS, ENTRIES = 10_000, 1_000_000
FRAME_SECONDS = 0.050


def entries_asked(node: FakeNode) -> int:
    return sum(given["limit"] for path, given in node.asked if path == "/transparency")


def test_of_a_million_entries_those_in_sight_are_asked_for():
    async def story(driver: Driver) -> None:
        node = driver.node
        await driver.press("2")
        assert "999999" in driver.text()
        assert entries_asked(node) <= PAGE
        await driver.press("end")
        assert "token_issue" in driver.text()
        assert driver.app.pane.row.key == "0"
        await driver.press("home")
        assert driver.app.pane.row.key == "999999"
        assert entries_asked(node) <= 4 * PAGE

    drive(story, FakeNode(size=ENTRIES, tokens=TOKENS))


def test_entries_that_come_while_one_reads_do_not_move_the_cursor():
    async def story(driver: Driver) -> None:
        await driver.press("2", "down", "down")
        assert driver.app.pane.row.key == str(ENTRIES - 3)
        driver.node.size += 5
        await driver.look()
        assert driver.app.pane.row.key == str(ENTRIES - 3)
        await driver.press("home")
        assert driver.app.pane.row.data["payload"] == {"leaf": ENTRIES + 4}

    drive(story, FakeNode(size=ENTRIES))


def test_pages_that_were_looked_at_long_ago_are_forgotten_and_can_be_had_again():
    pages = Pages(5, lambda: None)
    pages.grow(1_000_000)
    for number in range(KEPT + 5):
        assert pages[len(pages) - 1 - number * PAGE].data is None
        start, count = number * PAGE, PAGE
        pages.take({entry: Row(str(entry), (), entry) for entry in range(start, start + count)})
    assert len(list(pages.held())) == KEPT * PAGE
    assert pages[len(pages) - 1].data is None
    assert pages[len(pages) - 1 - (KEPT + 4) * PAGE].data == (KEPT + 4) * PAGE


def test_the_newest_entries_come_first_and_what_is_there_is_not_asked_for_again():
    pages = Pages(5, lambda: None)
    pages.grow(450)
    assert pages.wanted() == (400, 50)
    pages.take({entry: Row(str(entry), (), entry) for entry in range(400, 450)})
    assert pages.wanted() is None
    pages.grow(460)
    assert pages.wanted() == (450, 10)
    pages.give_up()
    assert pages.wanted() is None
    assert pages[0].data is None
    assert pages.wanted() == (450, 10)


def test_tokens_come_page_by_page_as_one_goes_down():
    async def story(driver: Driver) -> None:
        await driver.press("3")
        asked = [given for path, given in driver.node.asked if path == "/catalog"]
        assert asked == [{"limit": 200}]
        assert "of 10 000; more below" in driver.text()
        await driver.press("end")
        assert driver.node.asked[-1] == ("/catalog", {"cursor": "200", "limit": 200})
        assert "400 tokens" in driver.text()

    drive(story, FakeNode(size=ENTRIES, tokens=TOKENS))


def test_a_frame_takes_less_than_fifty_milliseconds():
    """A frame: new figures come in, and all of the screen is drawn anew."""

    async def story(driver: Driver) -> None:
        for screen in "123578bm":
            await driver.press(screen)
            took = []
            for _ in range(9):
                watch = driver.app.current
                seen = await watch.target.reader.ask(operator_questions.overview())
                started = time.thread_time()
                watch.take(seen, now=0, moment=started)
                driver.app.pane.watched()
                for widget in driver.app.screen.walk_children():
                    widget.refresh()
                driver.app.screen._compositor.render_update(full=True)
                took.append(time.thread_time() - started)
            assert statistics.median(took) < FRAME_SECONDS, (screen, took)

    drive(story, FakeNode(size=ENTRIES, tokens=TOKENS), size=(200, 50))
