"""How sanctions lists come in, and what keeps them out."""

from __future__ import annotations

import hashlib
import json
from functools import partial

import pytest

from rtgf_node.cli.demo_world import SMALL_LISTS
from rtgf_node.core import base64url, digests
from rtgf_node.core.keys import SeedSigner
from rtgf_node.core.lists.readers import READERS
from rtgf_node.core.lists.record import content_digest
from tests.held_lists import (
    FETCH_FAILED,
    IMPLAUSIBLE,
    MISMATCH,
    UNREADABLE,
    UNSIGNED,
    assert_nothing_taken,
    check_of,
    fetched,
    hold,
    in_force,
    kept,
)
from tests.nodes import RATES, TestNode
from tests.observing import counted, events, refusals, rtgf, tree_size
from tests.providers import Providers, dataset, fetch_settings, good_lists, persons, un_list

FAILURES = (
    "eu_2021-02-09_http500.html",
    "ofac_2024-05-04_empty.csv",
    "un_2021-08-26_http403.html",
    "un_2025-05-08_maintenance-redirect.html",
)
READER_IDS = sorted(READERS)
PUBLISHER = SeedSigner("publisher.example:ed25519:2026-11:001", bytes(32))
TEN = persons(10)
PLAIN = (
    *("basic", "conditional", "reworded", "shrinks", "backdated", "mends", "reverts"),
    *("dtd", "partly", "pushed", "stays"),
)


@pytest.fixture(scope="module")
def providers():
    with Providers() as running:
        yield running


@pytest.fixture(scope="module")
def desk(tmp_path_factory, providers):
    """A running node with a list for each test, published by simulated providers or in files."""
    world, folder = providers.world, tmp_path_factory.mktemp("lists")
    url = partial(world.url, host="127.0.0.1")
    tables = [dataset(name, url(f"/{name}.xml")) for name in PLAIN]
    tables += [
        dataset("few", url("/few.xml"), min_records=5),
        dataset("many", url("/many.xml"), max_records=11),
        dataset(
            "summed", url("/summed.xml"), authenticity="checksum", checksum_uri=url("/summed.sum")
        ),
        dataset(
            "signed",
            url("/signed.xml"),
            authenticity="signed",
            key=base64url.encode(PUBLISHER.public),
            checksum_uri=url("/signed.sig"),
        ),
    ]
    for reader in READER_IDS:
        name = f"fails-{reader}"
        parts = {"sdn", "alt", "add", "comments"} if reader == "ofac-csv" else {""}
        uris = {part: f"{name}{part}" for part in sorted(parts)}
        if parts == {""}:
            tables.append(dataset(name, uris[""], reader=reader))
        else:
            rows = ", ".join(f'{part} = "{uri}"' for part, uri in uris.items())
            tables.append(
                f'\n[[dataset]]\nname = "{name}"\nprovider = "sim"\nreader = "{reader}"\n'
                f"uris = {{ {rows} }}\n"
            )
    node = TestNode(folder / "node", settings=RATES + "".join(tables))
    fetch_settings(
        node,
        allowed_hosts=["127.0.0.1"],
        allow_file=True,
        allow_private_addresses=True,
        ca_file=str(world.ca_file),
    )
    with node.running():
        yield node


# --- what is taken ------------------------------------------------------------------------------


def test_a_fetched_list_has_both_digests_and_an_event(desk, providers):
    """RTGF-CT-10."""
    body, size = un_list(*TEN), tree_size(desk)
    item = hold(desk, providers, "basic", body)
    content = content_digest(READERS["un-xml"].read(body).records, "un-xml", "1")
    assert (item.records, item.unreadable) == (10, 0)
    assert (item.raw_sha256, item.content_sha256) == (digests.sha256(body), content)
    told = desk.ask("GET", f"/datasets/{item.subject.replace(':', '/')}").json()
    assert (told["raw_sha256"], told["content_sha256"]) == (digests.sha256(body), content)
    assert (told["record_count"], told["published"]) == (10, "2026-09-30")
    assert (told["provider"], told["reader"]) == ("sim", "un-xml")
    (event,) = events(desk, "dataset", since=size)
    assert (event["subject"], event["digest"]) == (item.subject, content)
    assert event["refs"]["raw"] == digests.sha256(body)
    assert event["payload"]["records"] == 10
    assert told["leafIndex"] == size
    assert kept(desk, body)
    assert counted(desk, 'rtgf_sanctions_fetch_seconds_count{provider="sim"}') >= 1


def test_what_did_not_change_is_not_sent_again_and_not_logged(desk, providers):
    """RTGF-CT-10."""
    hold(desk, providers, "conditional", un_list(*TEN), etag='"v1"', last_modified="then")
    size = tree_size(desk)
    again = fetched(desk, "conditional")
    assert (again.outcome, again.records) == ("unchanged", 10)
    asked = [one for one in providers.world.asked if one.path == "/conditional.xml"][-1]
    assert asked.headers["if-none-match"] == '"v1"'
    assert asked.headers["if-modified-since"] == "then"
    assert tree_size(desk) == size


def test_other_bytes_with_the_same_records_have_the_same_content(desk, providers):
    """RTGF-CT-10: every fetched file is logged, but its content is what counts."""
    first = hold(desk, providers, "reworded", un_list(*TEN))
    providers.world.serve("/reworded.xml", body=un_list(*TEN, day="2026-10-01"))
    second = fetched(desk, "reworded")
    assert (second.outcome, second.content_sha256) == ("unchanged", first.content_sha256)
    assert second.raw_sha256 != first.raw_sha256


def test_a_list_may_be_pushed(desk):
    body, size = un_list(*TEN), tree_size(desk)
    desk.ask("POST", "/admin/datasets/pushed", body).problem(401, "RTGF_UNAUTHENTICATED")
    desk.ask("POST", "/admin/datasets/pushed", body, role="operator").problem(403, "RTGF_FORBIDDEN")
    reply = desk.ask("POST", "/admin/datasets/pushed", body, role="regulator")
    assert (reply.status, reply.json()["outcome"]) == (201, "accepted")
    again = desk.ask("POST", "/admin/datasets/pushed", body, role="regulator")
    assert (again.status, again.json()["outcome"]) == (200, "unchanged")
    assert [event["subject"] for event in events(desk, "dataset", since=size)] == [
        f"pushed:{in_force(desk, 'pushed')['version']}"
    ]
    for bad, status, code in ((b"", 422, UNREADABLE), (un_list(*TEN[:5]), 409, IMPLAUSIBLE)):
        reply = desk.ask("POST", "/admin/datasets/pushed", bad, role="regulator")
        reply.problem(status, code)
        assert refusals(desk)[-1] == (code, "pushed", digests.sha256(bad))
    assert in_force(desk, "pushed")["records"] == 10
    desk.ask("POST", "/admin/datasets/no-list", body, role="regulator").problem(
        404, "RTGF_NOT_FOUND"
    )


def test_the_names_stay_in_the_list(desk, providers):
    """Log, figures, answers and log lines carry digests and counts only."""
    hold(desk, providers, "stays", un_list("Xylophia Brontide", *TEN))
    places = [
        json.dumps(events(desk)),
        desk.metrics(),
        json.dumps(desk.ask("GET", "/admin/status", role="operator").json()),
        (desk.folder / "node.log").read_text(),
    ]
    assert not [place for place in places if "brontide" in place.lower()]


# --- authenticity -------------------------------------------------------------------------------


def test_a_checksum_that_differs_is_refused(desk, providers):
    """RTGF-CT-11."""
    body, other, world = un_list(*TEN), un_list(*TEN, day="2026-10-01"), providers.world
    world.serve("/summed.sum", body=hashlib.sha256(body).hexdigest().encode() + b"  summed.xml\n")
    hold(desk, providers, "summed", body)
    assert in_force(desk, "summed")["records"] == 10
    world.serve("/summed.xml", body=other)
    metric = counted(desk, "rtgf_sanctions_hash_mismatch_total")
    assert_nothing_taken(desk, "summed", MISMATCH)
    assert counted(desk, "rtgf_sanctions_hash_mismatch_total") == metric + 1
    world.serve("/summed.sum", body=b"")
    assert_nothing_taken(desk, "summed", MISMATCH)
    world.serve("/summed.sum", status=404)
    assert_nothing_taken(desk, "summed", FETCH_FAILED)
    reply = desk.ask("POST", "/admin/datasets/summed", other, role="regulator")
    reply.problem(422, UNSIGNED)


def test_a_list_that_must_be_signed_is_taken_only_with_its_publishers_signature(desk, providers):
    """RTGF-CT-11."""
    body, other, world = un_list(*TEN), un_list(*TEN, day="2026-10-01"), providers.world
    stranger = SeedSigner(PUBLISHER.kid, bytes([1]) * 32)
    world.serve("/signed.xml", body=body)
    for signature in (b"", b"not base64 at all!", base64url.encode(stranger.sign(body)).encode()):
        world.serve("/signed.sig", body=signature)
        assert_nothing_taken(desk, "signed", UNSIGNED, records=False)
    world.serve("/signed.sig", body=base64url.encode(PUBLISHER.sign(body)).encode() + b"\n")
    item = hold(desk, providers, "signed", body)
    told = desk.ask("GET", f"/datasets/{item.subject.replace(':', '/')}").json()
    assert told["authenticity"] == "signed"
    world.serve("/signed.xml", body=other)
    assert_nothing_taken(desk, "signed", UNSIGNED)
    desk.ask("POST", "/admin/datasets/signed", body, role="regulator").problem(422, UNSIGNED)


# --- plausibility -------------------------------------------------------------------------------

IMPLAUSIBLES = {
    "shrinks": (un_list(*TEN[:7]), "shrinks from 10 to 7 records"),
    "backdated": (un_list(*TEN, "One More", day="2026-09-29"), "published 2026-09-29, before"),
    "few": (un_list(*TEN[:4]), "4 records, fewer than 5"),
    "many": (un_list(*TEN, *persons(12)[10:]), "12 records, more than 11"),
}


@pytest.mark.parametrize("name", IMPLAUSIBLES)
def test_an_implausible_list_waits_until_an_operator_releases_it(desk, providers, name):
    held = hold(desk, providers, name, un_list(*TEN))
    body, reason = IMPLAUSIBLES[name]
    before, size, known = in_force(desk, name), tree_size(desk), refusals(desk)
    providers.world.serve(f"/{name}.xml", body=body)
    item = fetched(desk, name)
    assert (item.outcome, item.code) == ("quarantined", IMPLAUSIBLE)
    assert reason in item.detail
    assert refusals(desk) == [*known, (IMPLAUSIBLE, name, digests.sha256(body))]
    assert in_force(desk, name) == {**before, "quarantined": in_force(desk, name)["quarantined"]}
    assert in_force(desk, name)["content_sha256"] == held.content_sha256
    check, state = check_of(desk, name)
    assert (state, check["ok"]) == ("degraded", False)
    assert reason in check["detail"]
    assert tree_size(desk) == size
    assert f'"dataset": "{name}"' in (desk.folder / "node.log").read_text()
    release = partial(desk.ask, "POST", f"/admin/datasets/{name}/release")
    release(role="partner").problem(403, "RTGF_FORBIDDEN")
    assert release(role="operator").json()["outcome"] == "accepted"
    assert in_force(desk, name)["content_sha256"] == item.content_sha256
    (event,) = events(desk, "dataset", since=size)
    assert event["digest"] == item.content_sha256
    assert "operator" in event["actor"]
    assert reason in event["payload"]["released"]
    assert check_of(desk, name)[0]["ok"]
    release(role="operator").problem(404, "RTGF_NOT_FOUND")


def test_a_shrink_within_the_share_is_taken(desk, providers):
    hold(desk, providers, "mends", un_list(*TEN))
    providers.world.serve("/mends.xml", body=un_list(*TEN[:8]))
    item = fetched(desk, "mends")
    assert (item.outcome, item.records) == ("accepted", 8)


def test_the_next_good_file_ends_the_quarantine(desk, providers):
    """Also when the publisher only says that the file in force is its newest again."""
    good = {"body": un_list(*TEN), "etag": '"good"'}
    hold(desk, providers, "reverts", **good)
    providers.world.serve("/reverts.xml", body=un_list(*TEN[:2]), etag='"bad"')
    assert fetched(desk, "reverts").outcome == "quarantined"
    providers.world.serve("/reverts.xml", **good)
    assert fetched(desk, "reverts").outcome == "unchanged"
    assert check_of(desk, "reverts")[0]["ok"]
    assert in_force(desk, "reverts")["quarantined"] is None


def test_a_first_file_that_is_implausible_is_named_although_none_is_in_force(tmp_path):
    node = TestNode(
        tmp_path / "node", settings=RATES + dataset("first", "first.xml", min_records=5)
    )
    (node.folder / "first.xml").write_bytes(un_list(*TEN[:2]))
    with node.running():
        assert check_of(node, "first") == (None, "ready")
        assert fetched(node, "first").outcome == "quarantined"
        check, state = check_of(node, "first")
        assert (check["ok"], state) == (False, "degraded")
        assert "2 records, fewer than 5" in check["detail"]
        done = rtgf(node, "fetch", "first")
        assert done.returncode == 65
        assert "quarantined" in done.stdout


# --- what is no list ----------------------------------------------------------------------------


@pytest.mark.parametrize("reader", READER_IDS)
def test_what_providers_really_served_in_place_of_a_list_is_refused(desk, shared, reader):
    """RTGF-CT-11: each stored failure as the next fetch; the last good list stays in force."""
    name = f"fails-{reader}"
    good = good_lists(shared, SMALL_LISTS)[reader]
    for part, body in good.items():
        (desk.folder / f"{name}{part}").write_bytes(body)
    assert fetched(desk, name).outcome == "accepted"
    held = in_force(desk, name)
    assert [part for part, body in good.items() if not kept(desk, body)] == []
    main = "sdn" if reader == "ofac-csv" else ""
    for failure in FAILURES:
        body = (shared / "datasets/provider-failures" / failure).read_bytes()
        (desk.folder / f"{name}{main}").write_bytes(body)
        item = assert_nothing_taken(desk, name, UNREADABLE)
        assert item.content_sha256 is None
    (desk.folder / f"{name}{main}").write_bytes(good[main])
    assert fetched(desk, name).outcome == "unchanged"
    assert in_force(desk, name) == held


def test_xml_with_a_dtd_is_refused(desk, providers):
    bomb = b'<!DOCTYPE x [<!ENTITY a "aaaa">]>' + un_list(*TEN).partition(b"?>")[2]
    providers.world.serve("/dtd.xml", body=bomb)
    item = assert_nothing_taken(desk, "dtd", UNREADABLE, records=False)
    assert "DTD" in item.detail


def test_a_record_that_cannot_be_read_is_counted(desk, providers):
    nameless = b"<INDIVIDUAL><REFERENCE_NUMBER>XXi.1</REFERENCE_NUMBER></INDIVIDUAL>"
    body = un_list(*TEN).replace(b"</INDIVIDUALS>", nameless + b"</INDIVIDUALS>")
    providers.world.serve("/partly.xml", body=body)
    item = fetched(desk, "partly")
    assert (item.outcome, item.records, item.unreadable) == ("accepted", 10, 1)
