"""What time alone may change of an answer, and what it may not; the clock is the test's."""

from __future__ import annotations

from rtgf_node.core import times
from tests.held_lists import check_of, fetched
from tests.inside import ShiftedClock, serve_inside
from tests.nodes import context

RMT = "RMT:SG:payments_aml:2026-10"
UN = "lists/un/consolidated.xml"


def test_a_clock_that_is_set_back_brings_nothing_back(template, tmp_path):
    node = template.copy(tmp_path / "node")
    clock = ShiftedClock()

    def body() -> None:
        clock.ahead = 600
        assert node.verify(None).valid
        assert node.revoke(f"{RMT}.1").status == 200
        assert node.verify(None).reason == "RTGF_VERIFY_REVOKED"
        clock.ahead = -600
        assert node.verify(None).reason == "RTGF_VERIFY_REVOKED"
        assert node.verify(None, corridor="EU-SG").reason == "RTGF_VERIFY_REVOKED"
        asked = {"token": f"{RMT}.1", "context": context("payment-eu-sg")}
        node.ask("POST", "/evaluate", asked).problem(409, "RTGF_CONFLICT")
        catalog = node.ask("GET", "/catalog?type=rmt&jurisdiction=SG").json()["tokens"]
        (entry,) = [one for one in catalog if one["uri"].endswith(f"{RMT}.1")]
        assert entry["revoked"]

    serve_inside(node, body, clock=clock)


def test_a_list_that_a_clock_ahead_confirmed_is_fetched_again_to_be_fresh(template, tmp_path):
    node = template.copy(tmp_path / "node")
    clock = ShiftedClock()

    def fresh() -> bool:
        check, _ = check_of(node, "un-sc")
        assert check is not None
        return check["ok"]

    def decided() -> str | None:
        payment = context("payment-eu-sg")
        rmt = "RMT:SG:payments_aml:2026-10"
        return node.verify("IMT:EU-SG:payments_aml:2026-10", rmt=rmt, context=payment).decision

    def body() -> None:
        assert (fresh(), decided()) == (True, "PERMIT")
        clock.ahead = 3600
        assert fetched(node, "un-sc").outcome == "unchanged"
        assert (fresh(), decided()) == (True, "PERMIT")
        clock.ahead = 0
        assert (fresh(), decided()) == (False, "DENY")
        assert fetched(node, "un-sc").outcome == "unchanged"
        assert (fresh(), decided()) == (True, "PERMIT")

    serve_inside(node, body, clock=clock)


def test_a_remembered_answer_ends_with_the_key(template, tmp_path):
    """RTGF-CT-52: also when it was asked in the last two minutes, in which the skew is granted."""
    node = template.copy(tmp_path / "node")
    clock = ShiftedClock()

    def body() -> None:
        keys = node.keys()
        expiry = min(key.expires_at for key in keys if key.use == "token")
        start = clock.now()
        for moment, reason in (
            (expiry, None),
            (expiry + 100, None),
            (expiry + 121, "RTGF_KID_EXPIRED"),
        ):
            clock.ahead += moment - clock.now()
            assert clock.now() - start > 0
            assert node.verify(None).reason == reason
            assert node.verify(None).reason == reason

    serve_inside(node, body, clock=clock)


def test_the_future_is_not_answered(published):
    later = times.to_text(ShiftedClock().now() + 3600)
    assert published.verify(None, at=later).reason == "RTGF_TOKEN_REVOCATION_STALE"
    asked = {"token": RMT, "context": context("payment-eu-sg"), "at": later}
    problem = published.ask("POST", "/evaluate", asked).problem(409, "RTGF_CONFLICT")
    assert "RTGF_TOKEN_REVOCATION_STALE" in problem["detail"]


def test_a_list_that_was_replaced_grows_old_though_the_new_one_is_fresh(make_node):
    """RTGF-CT-10: or nobody would notice that no build takes the new one up."""
    node = make_node(running=False)
    text = node.toml.read_text()
    node.toml.write_text(
        text.replace('\nname = "un-sc"', '\nname = "un-sc"\nmax_age_seconds = 7200')
    )
    clock = ShiftedClock()

    def decide() -> str | None:
        return node.verify(context=context("payment-eu-sg")).decision

    def body() -> None:
        node.fetch()
        assert node.compile(jurisdictions=["EU", "SG"]).state == "published"
        file = node.folder / UN
        plain = file.read_text()
        start = plain.index("<INDIVIDUAL>")
        entry = (
            "<INDIVIDUAL><DATAID>1</DATAID><FIRST_NAME>Xylophia Brontide</FIRST_NAME>"
            "<REFERENCE_NUMBER>XXi.999</REFERENCE_NUMBER></INDIVIDUAL>"
        )
        file.write_text(plain[:start] + entry + plain[start:])
        assert fetched(node, "un-sc").outcome == "accepted"
        clock.ahead = 7000
        assert fetched(node, "un-sc").outcome == "unchanged"
        assert decide() == "PERMIT"
        clock.ahead = 7300
        assert decide() == "DENY"
        assert not check_of(node, "un-sc")[0]["ok"]
        assert node.compile(jurisdictions=["EU", "SG"]).state == "published"
        assert decide() == "PERMIT"
        assert check_of(node, "un-sc")[0]["ok"]

    serve_inside(node, body, clock=clock)
