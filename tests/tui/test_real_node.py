"""The dashboard against a running node: every screen, an act, and the program itself."""

from __future__ import annotations

import asyncio
import re

import pytest

from rtgf_node.client import AsyncNode
from tests.nodes import RATES, TestNode
from tests.tui.driving import Driver, drive
from tui.screens import SCREENS

SETTINGS = RATES + '\n[approvals]\nrequired = ["publish"]\n'


def asker(node: TestNode, role: str = "operator") -> AsyncNode:
    pki = node.folder / "pki"
    return AsyncNode(
        node.url,
        ca_file=pki / "ca.pem",
        certificate_file=pki / f"{role}.pem",
        key_file=pki / f"{role}.key",
        timeout_seconds=10,
    )


@pytest.fixture(scope="module")
def node(tmp_path_factory):
    """A node whose first build waits for a second person."""
    made = TestNode(tmp_path_factory.mktemp("watched") / "node", settings=SETTINGS)
    with made.running():
        made.fetch()
        assert made.compile(accept=False).state == "waiting"
        yield made


def test_a_build_is_approved_its_token_revoked_and_all_of_it_seen(node):
    async def story(driver: Driver) -> None:
        assert "1 request waits for a second person" in driver.text()
        await driver.press("a", "A")
        await driver.type("read it")
        await driver.press("enter")
        await driver.type(driver.app.pane.row.key[:8])
        await driver.press("enter")
        for _ in range(100):
            await driver.look()
            if driver.app.current.seen.status.tokens:
                break
            await asyncio.sleep(0.1)
        assert "✓ approved" in driver.text()
        await driver.press("3")
        token = driver.app.pane.row.key
        await driver.press("R")
        await driver.type("superseded")
        await driver.press("enter")
        await driver.type(token)
        await driver.press("enter")
        await driver.look()
        assert "✗ withdrawn" in driver.text()
        await driver.press("5")
        assert "✗ invalid" in driver.text()
        assert token in driver.text()
        await driver.press("8")
        assert f"revoke {token}" in driver.text()
        await driver.press("2", "enter", "end")
        assert "✓ the path leads from the entry to the root" in driver.all_of_the_window()
        await driver.press("escape")
        for screen in SCREENS:
            await driver.press(screen.KEY)
            await driver.look()
        assert not driver.told()[2:], driver.told()

    drive(story, asker(node), operate=True, approver=asker(node, "approver"), size=(120, 40))


AS_TEXT = {
    "log": {"index": "number", "type": "what", "subject": "about", "actor": "who"},
    "registry": {"validity": "from"},
    "approvals": {"asked ago": "asked at", "left": "until"},
}
"""Columns that a command calls otherwise: it gives times where the screen draws or counts."""


def test_every_table_is_printed_by_its_twin_with_the_same_columns(node):
    async def story(driver: Driver) -> None:
        for screen in SCREENS:
            await driver.press(screen.KEY)
            if (filtered := driver.app.pane.filtered) is None or screen.NAME == "cluster":
                continue  # of a cluster: tests/cli/test_cluster.py
            done = node.cli(*screen.TWIN.split()[1:])
            assert done.returncode == 0, done.stderr
            heads = re.split(r" {2,}", done.stdout.splitlines()[0])
            names = AS_TEXT.get(screen.NAME, {})
            due = {names.get(one.title, one.title) for one in filtered.table.columns}
            if filtered.table.rows:
                assert due <= set(heads), screen.NAME

    drive(story, asker(node), operate=False, size=(200, 50))


def test_pictures_of_every_screen_load_nothing(node, tmp_path):
    done = node.cli("dashboard", "--screenshot", tmp_path, "--size", "100x30")
    assert done.returncode == 0, done.stderr
    written = sorted(tmp_path.iterdir())
    assert len(written) == len(SCREENS)
    assert done.stdout.split() == [str(path) for path in written]
    for path in written:
        text = path.read_text()
        assert "http" not in text.replace("http://www.w3.org/2000/svg", ""), path
    assert "Needs" in written[0].read_text()


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("--web", "8000", "--operate"), "--web only reads"),
        (("--web", "8000"), "pip install 'rtgf-node[web]'"),
        (("--screenshot", "x", "--size", "wide"), "--size is columns x rows"),
        (("--screenshot", "x", "--keys", "none.toml"), "none.toml"),
    ],
)
def test_what_cannot_be_is_said(node, arguments, said):
    done = node.cli("dashboard", *arguments)
    assert done.returncode != 0
    assert said in done.stderr
