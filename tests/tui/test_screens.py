"""What the keys do: going about, opening, filtering, copying; and what each screen shows."""

from __future__ import annotations

import msgspec
import pytest

from tests.tui.driving import Driver, drive
from tests.tui.fake import FakeNode, cluster, lost
from tests.tui.fake_overview import degraded
from tui.app import Dashboard
from tui.screens import SCREENS
from tui.widgets.table import Column, Table

HAS = {
    "overview": ["Needs you", "18 204", "4 s old", "valid", "mas-aml", "registry"],
    "log": ["18 204 entries", "18203", "token_issue", "RMT:"],
    "registry": ["RMT:AU:payments_aml:2026-10.1", "✓ in force", "✗ withdrawn", "✗ expired"],
    "verify": ["Question", "Answer"],
    "revocation": ["revEpoch 3", "policy_withdrawn", "✗ invalid"],
    "sources": ["eurlex-psd3", "✓ fresh", "5912"],
    "actors": ["limit 100 ms", "fetcher", "0/64"],
    "events": ["token_issue", "revoke RMT:SG:payments_aml:2026-10.1", "✗ denied"],
    "safety": ["node.pem", "✓ fine", "2026-11:001", "urn:rtgf:operator:alice"],
    "builds": ["21 of 58", "✓ published", "sha256:0054"],
    "corridors": ["AU  EU  KR", "!1", "✓2"],
    "approvals": ["! waiting", "publish"],
    "cluster": ["stands alone", "fma.example"],
}


@pytest.mark.parametrize("size", [(80, 24), (200, 50)], ids=str)
def test_every_screen_is_reached_by_its_key_and_shows_what_it_is_for(size):
    async def story(driver: Driver) -> None:
        for screen in SCREENS:
            await driver.press(screen.KEY)
            text = driver.text()
            title = screen.TITLE if size[0] > 80 else screen.SHORT
            assert f"[{screen.KEY} {title}]" in text
            assert f"$ {screen.TWIN}" in text
            for said in HAS[screen.NAME]:
                assert said in text, f"{said!r} is not in\n{text}"

    drive(story, size=size)


def test_brackets_go_round_all_screens():
    async def story(driver: Driver) -> None:
        seen = []
        for _ in SCREENS:
            await driver.press("right_square_bracket")
            seen.append(driver.app.pane.NAME)
        assert seen == [*(one.NAME for one in SCREENS[1:]), "overview"]
        await driver.press("left_square_bracket")
        assert driver.app.pane.NAME == "cluster"

    drive(story)


def test_a_filter_narrows_and_leaves_out_and_ends():
    async def story(driver: Driver) -> None:
        await driver.press("3", "slash")
        await driver.type("rmt !withdrawn eu")
        text = driver.text()
        assert "match “rmt !withdrawn eu”, of 16 tokens" in text
        assert "RMT:EU" in text
        assert "IMT" not in text
        assert "✗ withdrawn" not in text
        await driver.press("enter", "down", "escape")
        assert "IMT:EU-AU" in driver.text()

    drive(story)


def test_keys_that_are_typed_ahead_are_for_the_screen_that_comes():
    async def story(driver: Driver) -> None:
        await driver.type("8/")
        await driver.type("revoke")
        assert "5 match “revoke”" in driver.text()
        assert driver.app.pane.NAME == "events"

    drive(story)


def test_words_with_an_equals_sign_are_asked_of_the_node():
    async def story(driver: Driver) -> None:
        await driver.press("3", "slash")
        await driver.type("jurisdiction=EU")
        await driver.press("enter")
        asked = [given for path, given in driver.node.asked if path == "/catalog"]
        assert asked == [{"limit": 200}, {"jurisdiction": "EU", "limit": 200}]
        text = driver.text()
        assert "RMT:EU" in text
        assert "RMT:KR" not in text

    drive(story)


def test_an_entry_is_opened_with_its_proof_and_its_raw_form():
    async def story(driver: Driver) -> None:
        await driver.press("2", "down", "enter")
        text = driver.text()
        assert "entry 18202" in text
        await driver.press("pagedown")
        assert "✓ the path leads from the entry to the root" in driver.text()
        await driver.press("j", "home")
        assert '"event_id"' in driver.text()
        await driver.press("y")
        assert driver.app.clipboard.startswith("evt:token_issue:")
        await driver.press("escape")
        assert driver.app.pane.NAME == "log"

    drive(story)


def test_from_a_token_to_its_entry_and_from_an_entry_to_its_token():
    async def story(driver: Driver) -> None:
        await driver.press("3", "down", "down", "g")
        assert driver.app.pane.NAME == "log"
        row = driver.app.pane.row
        assert row is not None
        assert row.key == "2"
        await driver.press("g")
        assert driver.app.pane.NAME == "registry"
        assert "match “RMT:KR:payments_aml:2026-10.2”" in driver.text()

    drive(story)


def test_a_corridor_opens_its_tokens():
    async def story(driver: Driver) -> None:
        await driver.press("m", "down", "right", "right", "right")
        assert "EU-SG  1 in force, 1 withdrawn" in driver.text()
        await driver.press("enter")
        assert driver.app.pane.NAME == "registry"
        assert ("/catalog", {"corridor": "EU-SG", "limit": 200}) in driver.node.asked

    drive(story)


def test_what_is_asked_of_verify_is_answered_token_by_token():
    async def story(driver: Driver) -> None:
        await driver.press("4", "i")
        await driver.type("RMT:SG:a:1 IMT:EU-SG:a:1")
        await driver.press("f5")
        text = driver.text()
        assert "✗ not valid  RTGF_VERIFY_REVOKED" in text
        assert "✓ valid  RMT:SG" in text
        await driver.press("1")
        assert driver.app.pane.NAME == "overview"

    drive(story)


def test_digits_in_the_question_are_not_screens():
    async def story(driver: Driver) -> None:
        await driver.press("4", "i", "2", "3")
        assert driver.app.pane.NAME == "verify"
        await driver.press("f5")
        assert "'23' is no token id" in driver.text()

    drive(story)


def test_a_lost_node_is_said_and_what_was_known_stays_and_it_comes_back():
    async def story(driver: Driver) -> None:
        driver.node.down = lost()
        driver.clock.at += 60
        await driver.look()
        text = driver.text()
        assert "✗ node unreachable since 12:04:11, retrying; what is shown is of 12:03:11" in text
        assert "✗ UNREACHABLE" in text
        assert "18 204" in text
        assert driver.app.query_one("#screens").has_class("-stale")
        await driver.press("3")  # a screen that never was loaded does not make it worse
        driver.node.down = None
        await driver.look()
        text = driver.text()
        assert "unreachable" not in text
        assert "RMT:AU" in text
        assert not driver.app.query_one("#screens").has_class("-stale")

    drive(story)


def test_a_node_that_never_answered_is_said():
    node = FakeNode()
    node.down = lost()

    async def story(driver: Driver) -> None:
        text = driver.text()
        assert "rtgf · fma.example:8443" in text
        assert "✗ node unreachable since 12:03:11, retrying" in text
        for screen in SCREENS:
            await driver.press(screen.KEY)

    drive(story, node)


def test_a_node_that_never_answered_has_nothing_said_of_it():
    node = FakeNode()
    node.down = lost()
    tables = {"log", "registry", "revocation", "sources", "actors", "events", "safety", "builds",
              "approvals", "cluster"}  # fmt: skip

    async def story(driver: Driver) -> None:
        for screen in SCREENS:
            await driver.press(screen.KEY)
            text = driver.text()
            assert "nothing here" not in text
            assert ("not known yet" in text) == (screen.NAME in tables), screen.NAME

    drive(story, node)


def test_several_nodes_are_gone_through_and_all_are_on_the_cluster_screen():
    other = FakeNode(size=77)
    other.url = "https://b.example:8443"

    async def story(driver: Driver) -> None:
        assert "fma.example:8443 · 1 of 2" in driver.text()
        await driver.press("n")
        assert "b.example:8443 · 2 of 2" in driver.text()
        assert "77" in driver.text()
        await driver.press("c")
        text = driver.text()
        assert "1 fma.example:8443  ✓ ready  18 204 entries" in text
        assert "2 b.example:8443  ✓ ready  77 entries" in text

    drive(story, FakeNode(), other)


def test_what_is_known_of_one_node_is_never_shown_as_anothers():
    other = FakeNode()
    other.url, other.down = "https://b.example:8443", lost()
    own = [one for one in SCREENS if one.NAME not in {"overview", "verify", "actors", "safety"}]

    async def story(driver: Driver) -> None:
        await driver.press(*(screen.KEY for screen in own), "n")
        for screen in own:
            await driver.press(screen.KEY)
            here = driver.text()
            assert "unreachable" in here
            for said in HAS[screen.NAME]:
                assert said not in here or said == "fma.example", here

    drive(story, FakeNode(), other)


def test_another_node_that_is_not_well_needs_somebody_too():
    other = FakeNode()
    other.url = "https://b.example:8443"

    async def story(driver: Driver) -> None:
        assert "nothing needs you" in driver.text()
        other.down = lost()
        await driver.look()
        assert "✗ b.example:8443 is unreachable  → cluster" in driver.text()
        await driver.press("g")
        assert driver.app.pane.NAME == "cluster"

    drive(story, FakeNode(), other)


def test_a_cluster_shows_who_leads_and_who_is_gone():
    node = FakeNode()
    node.cluster = cluster()

    async def story(driver: Driver) -> None:
        await driver.press("c")
        text = driver.text()
        assert "led by node-a  term 7" in text
        assert "✗ unreachable" in text
        assert "2 399" in text

    drive(story, node)


def test_a_cluster_shows_the_change_of_members_that_waits_and_goes_to_it():
    node = FakeNode()
    node.cluster = cluster()
    change = msgspec.structs.replace(
        node.approvals[0], acts=["membership"], subject="add node-d 10.0.0.4:7443"
    )
    node.shown = degraded()

    async def story(driver: Driver) -> None:
        await driver.press("c")
        assert "node-d" not in driver.text()
        node.approvals.append(change)
        await driver.look()
        assert "waits    ! add node-d 10.0.0.4:7443" in driver.text()
        await driver.press("g")
        assert driver.app.pane.NAME == "approvals"

    drive(story, node)


def test_what_was_known_of_a_cluster_stays_when_its_node_is_lost_amid_a_question():
    node = FakeNode()
    node.cluster = cluster()

    async def story(driver: Driver) -> None:
        await driver.press("c")
        node.lost_at = "/admin/cluster"
        await driver.look()
        assert "led by node-a" in driver.text()

    drive(story, node)


def test_a_follower_that_hears_its_leader_says_so():
    node = FakeNode()
    held = cluster()
    unknown = [msgspec.structs.replace(one, active=None, match=None) for one in held.members]
    node.cluster = msgspec.structs.replace(held, name="node-b", role="follower", members=unknown)

    def state(driver: Driver, name: str) -> str:
        return next(line for line in driver.text().splitlines() if line.startswith(name))

    async def story(driver: Driver) -> None:
        await driver.press("c")
        assert "✓ active" in state(driver, "node-a")
        assert "not known here" in state(driver, "node-c")
        node.cluster = msgspec.structs.replace(node.cluster, staleness_seconds=60.0)
        await driver.look()
        assert "not known here" in state(driver, "node-a")

    drive(story, node)


def test_pause_stops_looking():
    async def story(driver: Driver) -> None:
        await driver.press("space")
        assert "PAUSED" in driver.text()
        looks = driver.node.looks
        driver.app._look()
        await driver.settle()
        assert driver.node.looks == looks
        await driver.press("space")
        assert driver.node.looks == looks + 1

    drive(story)


def test_help_says_the_keys_of_the_screen_and_its_twin():
    async def story(driver: Driver) -> None:
        await driver.press("5", "question_mark")
        text = driver.text()
        assert "Keys of Revocation" in text
        assert "Go to what it rests on" in text
        assert "Revoke" not in text.replace("Keys of Revocation", "")

    drive(story, size=(100, 50))


def test_the_palette_goes_to_screens():
    async def story(driver: Driver) -> None:
        await driver.press("ctrl+p")
        await driver.type("approv")
        await driver.press("enter")
        await driver.settle()
        assert driver.app.pane.NAME == "approvals"

    drive(story)


def test_the_palette_goes_from_a_window_too():
    async def story(driver: Driver) -> None:
        await driver.press("3", "enter", "ctrl+p")
        await driver.type("approv")
        await driver.press("enter")
        assert driver.app.pane.NAME == "approvals"
        assert len(driver.app.screen_stack) == 1

    drive(story)


def test_of_events_that_come_too_fast_the_newest_are_shown_and_the_others_counted():
    node = FakeNode(size=300)

    async def story(driver: Driver) -> None:
        await driver.press("8")
        assert "105 events" in driver.text()
        node.size += 1_000
        await driver.look()
        assert "205 events  without 900 in between: see Log" in driver.text()
        keys = {row.key for row in driver.app.pane.filtered.table.rows}
        assert "log:1299" in keys
        assert "log:1199" not in keys

    drive(story, node)


def test_a_line_that_just_fits_is_whole():
    table = Table(Column("a"), Column("b"))
    cells = table._line
    table._shown = [(0, 3), (1, 3)]
    assert "".join(text for text, _ in cells([("one", ""), ("two", "")])) == "one  two"


def test_a_table_is_exported_whole(tmp_path):
    async def story(driver: Driver) -> None:
        await driver.press("3", "e")
        (path,) = tmp_path.iterdir()
        assert path.name == "rtgf-registry-2026-11-23T120311Z.tsv"
        lines = path.read_text().splitlines()
        assert len(lines) == 17
        assert lines[0].split("\t") == ["token", "state", "validity", "until", "entry"]

    drive(story, exports=tmp_path)


def test_connections_are_closed_at_the_end():
    node = FakeNode()

    async def story(driver: Driver) -> None:
        assert isinstance(driver.app, Dashboard)

    drive(story, node)
    assert node.closed
