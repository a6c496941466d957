"""What those read who watch a node: the overview, corridors, the newest revocations, verbs."""

from __future__ import annotations

import json

import pytest


def overview(node, role="operator"):
    return node.ask("GET", "/admin/overview", role=role).json()


def test_the_overview_has_what_status_has_and_says_who_asks(published):
    seen = overview(published, "auditor")
    assert seen["caller"] == "urn:rtgf:auditor:first"
    assert seen["roles"] == ["auditor"]
    status = published.ask("GET", "/admin/status", role="auditor").json()
    assert {**seen["status"], "ready": None} | {"actors": None} == {
        **status, "ready": None, "actors": None,
    }  # fmt: skip
    assert seen["cursors"]["log"] == status["tree_size"]
    assert {one["purpose"] for one in seen["keys"]} >= {"token", "log", "status"}
    assert [one["purpose"] for one in seen["certificates"]] == ["server", "client authority"]
    assert 0 < seen["disk"]["free_bytes"] <= seen["disk"]["total_bytes"]
    assert seen["build"]["state"] == "published"


def test_verdicts_are_counted_by_reason_and_by_time(own):
    before = overview(own)["figures"]
    own.verify()
    after = overview(own)["figures"]
    assert after["verdicts"]["valid"] == before["verdicts"].get("valid", 0) + 1
    assert sum(after["verify_ms"]["counts"]) == sum(before["verify_ms"]["counts"]) + 1
    assert len(after["verify_ms"]["counts"]) == len(after["verify_ms"]["bounds"]) + 1
    assert sum(after["requests"].values()) > sum(before["requests"].values())


def test_a_source_says_how_it_went_and_when_it_is_due(own):
    own.fetch("un-sc")
    found = {one["name"]: one for one in overview(own)["sources"]}
    assert found["un-sc"]["outcome"] == "unchanged"
    assert found["un-sc"]["seconds_ago"] <= 60
    assert 0 < found["un-sc"]["due_in_seconds"] <= found["un-sc"]["schedule_seconds"]
    assert found["eu-fsf"]["outcome"] is None
    assert found["eu-fsf"]["subject"]


def test_actors_have_their_inboxes_and_those_without_one_none(published):
    found = {one["name"]: one for one in overview(published)["actors"]}
    assert found["log"]["capacity"] == 1024
    assert found["registry"]["state"] == "running"
    assert found["decisions"]["capacity"] is None


def test_acts_and_denials_move_their_cursors(own):
    before = overview(own)["cursors"]
    own.ask("GET", "/admin/status", role="partner").problem(403, "RTGF_FORBIDDEN")
    own.fetch("un-sc")
    after = overview(own)["cursors"]
    assert after["denials"] == before["denials"] + 1
    assert after["acts"] == before["acts"] + 2


def test_corridors_count_what_stands_and_what_was_withdrawn(own):
    def standing():
        answer = own.ask("GET", "/admin/corridors", role="auditor").json()
        return {one["place"]: one for one in answer["jurisdictions"] + answer["corridors"]}

    before = standing()
    assert before["EU"]["in_force"] >= 1
    place = next(place for place in before if "-" in place)
    tokens = own.ask("GET", f"/catalog?corridor={place}").json()["tokens"]
    assert own.revoke(tokens[0]["uri"]).status == 200
    after = standing()
    assert after[place]["withdrawn"] == before[place]["withdrawn"] + 1
    assert after[place]["in_force"] == before[place]["in_force"] - 1


def test_the_newest_revocations_come_first_page_by_page(own):
    tokens = [one["uri"] for one in own.ask("GET", "/catalog?type=IMT").json()["tokens"]]
    for token in tokens[-2:]:
        assert own.revoke(token).status == 200
    whole = own.ask("GET", "/admin/revocations", role="auditor").json()
    epochs = [one["revEpoch"] for one in whole["entries"]]
    assert epochs == sorted(epochs, reverse=True)
    rows = own.cli("revocations").stdout.splitlines()[1:]
    assert [int(row.split()[0]) for row in rows] == epochs
    assert whole["next"] is None
    first = own.ask("GET", "/admin/revocations?limit=1", role="auditor").json()
    assert [one["revEpoch"] for one in first["entries"]] == epochs[:1]
    rest = own.ask("GET", f"/admin/revocations?before={first['next']}", role="auditor").json()
    assert [one["revEpoch"] for one in rest["entries"]] == epochs[1:]


@pytest.mark.parametrize(
    ("verb", "said"),
    [
        (("tokens", "--type", "RMT"), "RMT:EU:payments_aml:2026-10.1"),
        (("corridors",), "EU"),
        (("revocations",), "no status was changed"),
        (("sources",), "un-sc"),
        (("events", "log", "--limit", "5"), "log"),
        (("events", "acts"), "acts"),
    ],
)
def test_what_the_dashboard_shows_is_there_as_text_and_as_json(published, verb, said):
    text, document = published.cli(*verb), published.cli(*verb, "--json")
    assert (text.returncode, document.returncode) == (0, 0), text.stderr + document.stderr
    assert said in text.stdout
    assert json.loads(document.stdout) is not None
