"""What changes something: nothing without --operate, and then only when the word was typed."""

from __future__ import annotations

import pytest

from tests.tui.driving import Driver, drive
from tests.tui.fake import FakeNode, cluster
from tui.screens import SCREENS

TOKEN = "RMT:AU:payments_aml:2026-10.1"


def revoke(posted: FakeNode) -> list[object]:
    return [body for path, body in posted.posted if path == "/admin/revoke"]


def test_a_dashboard_that_only_reads_does_nothing_whatever_is_pressed():
    async def story(driver: Driver) -> None:
        for screen in SCREENS:
            await driver.press(screen.KEY)
            await driver.type("RUFLCKAXT")
            await driver.press("ctrl+f")
            assert len(driver.app.screen_stack) == 1
            assert "READ-ONLY" in driver.text()
            assert "revoke" not in driver.text().splitlines()[-1].replace(screen.TWIN, "")
        assert driver.node.posted == []

    drive(story)


def test_a_token_is_revoked_when_its_id_and_a_reason_are_typed():
    async def story(driver: Driver) -> None:
        await driver.press("3", "R")
        text = driver.text()
        assert f"This withdraws {TOKEN} and every token" in text
        assert f"rtgf revoke {TOKEN}" in text
        await driver.type("superseded")
        await driver.press("enter")
        await driver.type(TOKEN)
        assert revoke(driver.node) == []
        await driver.press("enter")
        assert revoke(driver.node) == [{"items": [{"token": TOKEN, "reason": "superseded"}]}]
        assert "Revoke: done" in driver.told()

    drive(story, operate=True)


@pytest.mark.parametrize(
    ("reason", "word", "said"),
    [
        ("superseded", "RMT:AU", "that is not the word"),
        ("because", TOKEN, "a reason is one of"),
        ("", TOKEN, "a reason is needed"),
    ],
)
def test_nothing_is_done_without_the_word_and_a_reason(reason, word, said):
    async def story(driver: Driver) -> None:
        await driver.press("3", "R")
        await driver.type(reason)
        await driver.press("tab")
        await driver.type(word)
        await driver.press("enter")
        assert said in driver.text()
        await driver.press("escape")
        assert driver.node.posted == []
        assert driver.app.pane.NAME == "registry"

    drive(story, operate=True)


def test_the_second_person_approves_with_their_own_certificate():
    approver = FakeNode()

    async def story(driver: Driver) -> None:
        await driver.press("a", "A")
        await driver.type("read it")
        await driver.press("enter")
        await driver.type("0b7c7a52")
        await driver.press("enter")
        path = "/admin/approvals/0b7c7a52-6bd3-5f0e-8f5d-1f6a2c4b8d11"
        assert approver.posted == [(path, {"decision": "approve", "reason": "read it"})]
        assert driver.node.posted == []

    drive(story, operate=True, approver=approver)


def test_a_request_is_refused():
    async def story(driver: Driver) -> None:
        await driver.press("a", "X")
        await driver.type("too old")
        await driver.press("enter")
        await driver.type("0b7c7a52")
        await driver.press("enter")
        assert [body for _, body in driver.node.posted] == [
            {"decision": "refuse", "reason": "too old"}
        ]

    drive(story, operate=True)


@pytest.mark.parametrize(
    ("keys", "word", "posted"),
    [
        (("6", "F"), "eurlex-psd3", ("/admin/fetch/eurlex-psd3", {})),
        (("6", "ctrl+f"), "all", ("/admin/fetch", {})),
        (("6", "down", "down", "L"), "un-sc", ("/admin/datasets/un-sc/release", {})),
        (("b", "C"), "compile", ("/admin/compile", {})),
        (("b", "K"), "00540054", (f"/admin/builds/sha256:{'0054' * 16}/cancel", {})),
        (("c", "down", "T"), "node-b", ("/admin/cluster/leader", {"to": "node-b"})),
    ],
)
def test_other_acts(keys, word, posted):
    node = FakeNode()
    node.cluster = cluster()

    async def story(driver: Driver) -> None:
        await driver.press(*keys)
        await driver.type(word)
        await driver.press("enter")
        assert driver.node.posted == [posted]

    drive(story, node, operate=True)


def test_what_an_act_came_to_is_said_in_the_nodes_words():
    async def story(driver: Driver) -> None:
        await driver.press("b", "C")
        await driver.type("compile")
        await driver.press("enter")
        assert driver.told() == ["Compile: running"]

    drive(story, operate=True)


def test_a_refusal_of_the_node_is_said():
    async def story(driver: Driver) -> None:
        await driver.press("6", "down", "down", "L")
        await driver.type("un-sc")
        await driver.press("enter")
        assert any("Release failed: RTGF_NOT_FOUND" in one for one in driver.told())

    drive(story, operate=True, size=(120, 30))


def test_the_palette_acts_too_and_asks_first():
    async def story(driver: Driver) -> None:
        await driver.press("b", "ctrl+p")
        await driver.type("build what")
        await driver.press("enter")
        assert "type compile" in driver.text()
        assert driver.node.posted == []

    drive(story, operate=True)
