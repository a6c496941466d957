"""What a change of a list does to tokens and answers, and what a build asks of its lists."""

from __future__ import annotations

import pytest

from rtgf_node.core import digests
from rtgf_node.errors import RtgfError
from tests.authorities import Demo, push
from tests.held_lists import (
    FETCH_FAILED,
    IMPLAUSIBLE,
    MISMATCH,
    UNSIGNED,
    check_of,
    fetched,
    in_force,
)
from tests.inside import ShiftedClock, serve_inside
from tests.nodes import context
from tests.observing import counted, refusals, tree_size

UN, UK = "lists/un/consolidated.xml", "lists/uk/conlist.csv"
PERSON = "Xylophia Brontide"
EU_SG = "IMT:EU-SG:payments_aml:2026-10"


def paying(name: str):
    payment = context("payment-eu-sg")
    payment["beneficiary"]["name"] = name
    return payment


def listing(text: str) -> str:
    """The demonstration's UN list with one person more."""
    start = text.index("<INDIVIDUAL>")
    entry = (
        f"<INDIVIDUAL><DATAID>1</DATAID><FIRST_NAME>{PERSON}</FIRST_NAME>"
        "<REFERENCE_NUMBER>XXi.999</REFERENCE_NUMBER></INDIVIDUAL>"
    )
    return text[:start] + entry + text[start:]


def test_a_listing_denies_and_a_delisting_permits_with_the_next_build(make_node):
    """RTGF-CT-10: removals count, and a token is reissued when its lists change."""
    node = make_node(published=True)
    file = node.folder / UN
    plain = file.read_text()
    rmt = "RMT:SG:payments_aml:2026-10"

    def decide(issue: int):
        return node.verify(
            f"{EU_SG}.{issue}", rmt=f"{rmt}.{issue}", context=paying(PERSON)
        ).decision

    assert decide(1) == "PERMIT"
    file.write_text(listing(plain))
    item = fetched(node, "un-sc")
    assert item.outcome == "accepted"
    assert decide(1) == "PERMIT"  # a token says which content it rests on
    build = node.compile(accept=False)
    assert (build.state, build.held) == ("published", [])
    assert {token.rpartition(".")[2] for token in build.issued} == {"2"}
    assert decide(2) == "DENY"
    token = node.ask("GET", "/imt/EU-SG/payments_aml").json()
    assert token["version"] == "2026-10.2"
    rests_on = {one["dataset"]: one["content_sha256"] for one in token["evidence"]["datasets"]}
    assert rests_on["un-sc"] == item.content_sha256
    file.write_text(plain)
    assert fetched(node, "un-sc").outcome == "accepted"
    assert node.compile(accept=False).state == "published"
    assert decide(3) == "PERMIT"


def test_only_the_tokens_that_rest_on_a_list_are_reissued(make_node):
    """RTGF-CT-80."""
    node = make_node(published=True)
    file = node.folder / UK
    text = file.read_text()
    file.write_text(text.replace("ZELUTHAN,Maro", "ZELUTHAN,Marova"))
    assert fetched(node, "uk-sanctions").outcome == "accepted"
    build = node.compile(accept=False)
    places = {token.split(":")[1] for token in build.issued}
    assert {"UK", "UK-SG", "SG-UK"} <= places
    assert all("UK" in place.split("-") for place in places)
    assert all(token.endswith("payments_aml:2026-10.2") for token in build.issued)
    assert node.compile(accept=False).state == "nothing_due"


def test_a_changed_list_does_not_bring_back_what_was_withdrawn(make_node):
    node = make_node(published=True)
    assert node.revoke("RMT:UK:payments_aml:2026-10.1").status == 200
    file = node.folder / UK
    file.write_text(file.read_text().replace("ZELUTHAN,Maro", "ZELUTHAN,Marova"))
    assert fetched(node, "uk-sanctions").outcome == "accepted"
    assert node.compile(accept=False).state == "nothing_due"


def test_three_days_of_un_files_are_one_content_and_no_build_is_due(make_node, shared):
    """RTGF-CT-10."""
    node = make_node(published=True, running=False)
    file = node.folder / UN
    days = sorted((shared / "datasets/un").glob("un-data_2025-06-1?.xml"))
    assert len(days) == 3
    with node.running():
        contents, raws = set(), set()
        for number, day in enumerate(days):
            file.write_bytes(day.read_bytes())
            item = fetched(node, "un-sc")
            if number == 0:
                # The demonstration's list is of a later date than the real ones.
                assert item.outcome == "quarantined"
                node.ask("POST", "/admin/datasets/un-sc/release", role="operator")
                assert node.compile(jurisdictions=["SG"]).issued == [
                    "RMT:SG:payments_aml:2026-10.2"
                ]
            else:
                assert item.outcome == "unchanged"
                assert node.compile(jurisdictions=["SG"]).state == "nothing_due"
            contents.add(item.content_sha256)
            raws.add(item.raw_sha256)
        assert (len(contents), len(raws)) == (1, 3)


def test_a_list_that_is_too_old_denies_what_rests_on_it_until_it_is_fetched_again(make_node):
    """The last good list stays in force until its own maximum age, and not longer."""
    node = make_node(running=False)
    text = node.toml.read_text()
    node.toml.write_text(
        text.replace('\nname = "un-sc"', '\nname = "un-sc"\nmax_age_seconds = 7200')
    )
    clock = ShiftedClock()

    def decide():
        return node.verify(context=context("payment-eu-sg"))

    def body() -> None:
        node.fetch()
        assert node.compile(jurisdictions=["EU", "SG"]).state == "published"
        clock.ahead = 7000
        assert decide().decision == "PERMIT"
        assert check_of(node, "un-sc")[0]["ok"]
        clock.ahead = 7300
        answer = decide()
        assert (answer.valid, answer.decision) == (False, "DENY")
        assert [one for one in answer.reasons if "RESOLVER_ERROR" in one], answer
        assert not check_of(node, "un-sc")[0]["ok"]
        assert fetched(node, "un-sc").outcome == "unchanged"
        assert decide().decision == "PERMIT"
        assert check_of(node, "un-sc")[0]["ok"]

    serve_inside(node, body, clock=clock)


def sourced(authority: Demo, **changes):
    """The SG snapshot's next version with its list asked for otherwise."""
    made = authority.document(version="2026-11")
    made["evidence_sources"] = [{**made["evidence_sources"][0], **changes}]
    return authority.sealed(made)


@pytest.mark.parametrize(
    ("changes", "code"),
    [
        ({"feed": None, "pin": {"content_sha256": digests.sha256(b"other")}}, MISMATCH),
        ({"authenticity": "signed"}, UNSIGNED),
        ({"authenticity": "checksum"}, UNSIGNED),
        ({"feed": {"max_age": "P7D", "min_records": 500}}, IMPLAUSIBLE),
        ({"dataset": "no-list"}, FETCH_FAILED),
        ({"provider": "somebody-else"}, FETCH_FAILED),
        ({"feed": {"max_age": "P7D", "min_records": 1, "signer": "A" * 43}}, UNSIGNED),
    ],
)
def test_a_list_that_is_not_as_the_snapshot_asks_stops_the_build(template, tmp_path, changes, code):
    """RTGF-CT-11, RTGF-CT-22: before anything is signed, logged or published."""
    node = template.copy(tmp_path / "node")
    authority = Demo(node, "SG")
    with node.running():
        push(node, sourced(authority, **changes))
        size, served = tree_size(node), node.ask("GET", "/rmt/SG/payments_aml").body
        outcome = stopped(node)
        assert outcome[0] == "RTGF_PIPELINE_SNAPSHOT_FAIL"
        assert refusals(node)[-1][0] == "RTGF_PIPELINE_SNAPSHOT_FAIL"
        assert counted(node, 'rtgf_build_failures_total{code="RTGF_PIPELINE_SNAPSHOT_FAIL"}') == 1
        assert code in outcome[1]
        assert tree_size(node) == size
        assert node.ask("GET", "/rmt/SG/payments_aml").body == served
        if code == MISMATCH:
            assert counted(node, "rtgf_sanctions_hash_mismatch_total") == 1
        assert counted(node, 'rtgf_artifact_sign_total{result="ok"}') == 0


def stopped(node):
    """Compile, which must fail; return the outermost code and its causes' codes."""
    try:
        build = node.compile(accept=False, jurisdictions=["SG"])
    except RtgfError as error:
        return error.code.name, [cause.code.name for cause in error.causes]
    assert build.state == "failed", build
    return build.code, [cause["code"] for cause in build.causes]


def test_a_pinned_list_that_is_in_force_is_built_with(template, tmp_path):
    """RTGF-CT-10."""
    node = template.copy(tmp_path / "node")
    authority = Demo(node, "SG")
    with node.running():
        content = in_force(node, "un-sc")["content_sha256"]
        push(node, sourced(authority, feed=None, pin={"content_sha256": content}))
        build = node.compile(accept=False, jurisdictions=["SG"])
        assert build.issued == ["RMT:SG:payments_aml:2026-11.1"]
        token = node.ask("GET", "/rmt/SG/payments_aml").json()
        assert [one["content_sha256"] for one in token["evidence"]["datasets"]] == [content]
