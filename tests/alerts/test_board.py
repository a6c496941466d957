"""When an alert rises and falls, what each look is judged by, and what is not seen."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

import rtgf_node
from rtgf_node.alerts import rules
from rtgf_node.alerts.board import KEEP_SECONDS, Board
from rtgf_node.alerts.bursts import FEWEST, HOUR, Bursts
from rtgf_node.alerts.catalogue import CATALOGUE
from rtgf_node.alerts.seen import KEPT_SECONDS, SAMPLE_SECONDS, Counted, Past, Seen
from rtgf_node.core import times
from rtgf_node.wire import Check
from tui.screens import SCREENS

NOON = times.parse("2026-11-23T12:00:00Z")
PACE = 10
GOOD = Seen(head_age=1)


def names(board: Board) -> list[str]:
    return [one.alert.name for one in board.standing()]


def looks(board: Board, seen: Seen, start: int, seconds: int) -> int:
    """Let a board see the same for a while; return when it saw it last."""
    for at in range(start, start + seconds + 1, PACE):
        board.take(seen, at)
    return at


def failing(*kinds: str) -> Seen:
    return GOOD._replace(checks=[Check(kind, ok=False, detail="why") for kind in kinds])


def counting(**counts: int) -> Seen:
    return GOOD._replace(counted=Counted(**counts))


# --- the catalogue --------------------------------------------------------------------------------


def test_every_alert_is_complete():
    screens = {screen.NAME for screen in SCREENS}
    for name, alert in CATALOGUE.items():
        assert re.fullmatch(r"[a-z]+(_[a-z]+)*", name)
        assert alert.screen in screens
        assert not alert.sentence.endswith(".")
        assert len(alert.sentence) < 100
    assert CATALOGUE["data_gap"].prometheus == "RtgfDataGap"
    severities = [alert.severity for alert in CATALOGUE.values()]
    assert severities == sorted(severities)


def test_every_readiness_check_has_an_alert():
    """Of every kind that the program makes, so that nothing is degraded that nobody is told."""
    source = "\n".join(path.read_text() for path in Path(rtgf_node.__file__).parent.rglob("*.py"))
    kinds = set(re.findall(r"\bCheck\(\s*f?\"([a-z_]+)", source))
    assert len(kinds) > 10
    assert kinds == rules.CHECKS.keys() | rules.TOLD_OTHERWISE
    assert set(rules.CHECKS.values()) <= CATALOGUE.keys()


# --- rising and falling ---------------------------------------------------------------------------


def test_a_good_node_has_no_alert():
    board = Board(PACE)
    looks(board, GOOD, NOON, 3600)
    assert board.standing() == ()
    assert board.gaps == 0


def test_it_rises_after_its_time_and_falls_after_it_was_gone():
    board = Board(PACE)
    hold = CATALOGUE["revocation_stale"].hold_seconds
    at = looks(board, failing("verifier"), NOON, hold - PACE)
    assert names(board) == []
    board.take(failing("verifier"), at := at + PACE)
    (one,) = board.standing()
    assert (one.alert.name, one.since, one.detail) == ("revocation_stale", NOON, "why")
    last = at
    at = looks(board, GOOD, at + PACE, KEEP_SECONDS - 2 * PACE)
    assert names(board) == ["revocation_stale"]
    board.take(GOOD, last + KEEP_SECONDS)
    assert names(board) == []


def test_what_comes_and_goes_is_one_alert():
    board = Board(PACE)
    at = looks(board, failing("keys"), NOON, PACE)
    for _ in range(30):
        board.take(GOOD, at := at + PACE)
        board.take(failing("keys"), at := at + PACE)
        (one,) = board.standing()
        assert one.since == NOON


def test_what_does_not_last_is_no_alert():
    board = Board(PACE)
    at = NOON
    for _ in range(30):
        board.take(failing("verifier"), at := at + PACE)
        board.take(GOOD, at := at + PACE)
        assert names(board) == []


@given(st.lists(st.sampled_from(["verifier", "keys", "log", "cluster", ""]), max_size=60))
def test_nothing_stands_longer_than_it_is_kept_after_it_was_last_seen(kinds):
    board, last = Board(PACE), dict[str, int]()
    for number, kind in enumerate(kinds):
        at = NOON + number * PACE
        board.take(failing(kind) if kind else GOOD, at)
        if kind:
            last[rules.CHECKS[kind]] = at
        for one in board.standing():
            assert at - last[one.alert.name] < KEEP_SECONDS
            assert at - one.since >= one.alert.hold_seconds


def test_the_worst_stands_first():
    board = Board(PACE)
    board.take(failing("keys", "dataset:un-sc")._replace(damage="a fork"), NOON)
    assert names(board) == ["append_violation", "key_expiring", "list_stale"]
    assert board.standing()[2].detail == "un-sc: why"


# --- gaps -----------------------------------------------------------------------------------------


def test_a_gap_in_the_looks_is_an_alert():
    """RTGF-CT-91."""
    board = Board(PACE)
    at = looks(board, GOOD, NOON, 60)
    board.take(GOOD, at + 3 * PACE)
    assert names(board) == []
    board.take(GOOD, back := at + 3600)
    (one,) = board.standing()
    assert one.line().code == "RTGF_OP_DATA_GAP"
    assert one.detail == "nothing was seen from 2026-11-23T12:01:30Z to 2026-11-23T13:01:00Z"
    assert board.gaps == 1
    looks(board, GOOD, back, rules.EVENT_SECONDS + 2 * KEEP_SECONDS)
    assert names(board) == []


def test_a_look_that_fails_is_a_gap_and_what_stood_stands():
    """RTGF-CT-91."""
    board = Board(PACE)
    board.take(failing("keys", "verifier"), NOON)
    for number in range(1, 60):
        board.fail("OSError", NOON + number * PACE)
        assert names(board) == ["key_expiring", "data_gap"]
    assert board.gaps == 59
    assert "OSError" in board.standing()[1].detail


def test_a_clock_that_is_set_back_is_a_gap_and_counts_nothing_twice():
    board = Board(PACE)
    old = counting(restarts=3)
    at = looks(board, old, NOON, rules.EVENT_SECONDS + KEEP_SECONDS)
    assert names(board) == []
    looks(board, old, at - 7200, 60)
    assert names(board) == ["data_gap"]


# --- rules ----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("seen", "name"),
    [
        (GOOD._replace(damage="another history"), "append_violation"),
        (GOOD._replace(findings=["two heads of one size"]), "gossip_inconsistency"),
        (GOOD._replace(head_fault="the signature does not hold"), "root_signature_invalid"),
        (GOOD._replace(pending=1, head_age=301), "head_late"),
        (failing("log"), "head_late"),
        (GOOD._replace(leaderless=True), "no_leader"),
        (GOOD._replace(lost_members=["no link to node-b"]), "member_lost"),
        (GOOD._replace(ending=["server node.pem"]), "certificate_expiring"),
        (GOOD._replace(failed_sources=["mas-aml: no route"]), "source_failed"),
        (GOOD._replace(unread_sources=["mas-aml"]), "snapshot_stale"),
        (GOOD._replace(failed_build="sha256:00"), "build_failed"),
        (GOOD._replace(free_share=0.09), "disk_low"),
        (GOOD._replace(bursts=["EU: 40 in an hour"]), "revocation_burst"),
        (GOOD._replace(undelivered="duty: no route"), "alert_suppressed"),
        (counting(unsigned=1), "signing_failing"),
        (counting(restarts=1), "actor_restarting"),
        (counting(lines_lost=1), "audit_lines_lost"),
        (counting(verified=100, verified_slowly=6), "verify_slow"),
        (counting(proofs=20, slow_proofs=2), "proof_slow"),
        (counting(builds=1, slow_builds=1), "build_slow"),
        (counting(answered=1000, failed=8), "availability"),
        *((failing(kind), name) for kind, name in rules.CHECKS.items()),
    ],
)
def test_what_speaks_for_an_alert(seen, name):
    past = Past()
    past.take(seen.counted, NOON)
    assert list(rules.judge(seen, past, NOON)) == [name]


@pytest.mark.parametrize(
    "seen",
    [
        GOOD._replace(pending=1, head_age=300),
        GOOD._replace(pending=0, head_age=10_000),
        GOOD._replace(free_share=0.11),
        counting(verified=100, verified_slowly=5),
        counting(verified=19, verified_slowly=19),
        counting(answered=1000, failed=4),
        counting(answered=100_000, failed=300),
        failing("intake", "forks"),
    ],
)
def test_what_does_not(seen):
    past = Past()
    past.take(seen.counted, NOON)
    assert rules.judge(seen, past, NOON) == {}


def test_a_consequence_is_not_told_beside_its_cause():
    seen = failing("log", "cluster")._replace(damage="a fork", leaderless=True)
    assert set(rules.judge(seen, Past(), NOON)) == {"append_violation", "no_leader"}


def test_a_burn_stops_being_one_soon_after_it_is_over():
    """RTGF-CT-90: the node's own eye on the error budget, beside that of Prometheus."""
    board = Board(PACE)
    at = looks(board, counting(answered=100_000), NOON, 6 * 3600)
    answered, failed = 100_000, 0
    for _ in range(60):
        answered, failed = answered + 100, failed + 10
        board.take(counting(answered=answered, failed=failed), at := at + PACE)
    assert names(board) == ["availability"]
    since = board.standing()[0].since
    assert since - (at - 600) <= 300
    for _ in range(3 * 360):
        answered += 100
        board.take(counting(answered=answered, failed=failed), at := at + PACE)
    assert names(board) == []


def test_a_few_failures_on_a_long_good_day_are_no_burn():
    board = Board(PACE)
    at = NOON
    for answered in range(0, 360_000, 1000):
        board.take(counting(answered=answered), at := at + PACE)
    at = looks(board, counting(answered=answered), at + PACE, 300)
    looks(board, counting(answered=answered + 20, failed=10), at + PACE, 200)
    assert names(board) == []


# --- what was counted -----------------------------------------------------------------------------


@given(st.lists(st.tuples(st.integers(1, 4000), st.integers(0, 50)), min_size=1, max_size=80))
def test_a_window_holds_at_least_what_was_counted_in_it(steps):
    past, at, total, history = Past(), NOON, 0, list[tuple[int, int]]()
    for seconds, count in steps:
        at, total = at + seconds, total + count
        past.take(Counted(builds=total), at)
        history.append((at, count))
    for window in (300, 3600, KEPT_SECONDS):
        got = past.within(window, at).builds
        inside = sum(count for when, count in history if when > at - window)
        assert inside <= got <= total
    assert len(past._times) <= KEPT_SECONDS // SAMPLE_SECONDS + 2


# --- bursts ---------------------------------------------------------------------------------------


def test_a_burst_is_against_the_jurisdictions_own_history():
    bursts = Bursts()
    for hour in range(48):
        for _ in range(4):
            bursts.take(["EU"], NOON + hour * HOUR)
    now = NOON + 60 * HOUR
    for _ in range(12):
        bursts.take(["EU", "SG"], now)
    assert bursts.found(now) == ["SG: 12 in an hour, 0 at most before"]
    bursts.take(["EU"], now)
    assert bursts.found(now)[0] == "EU: 13 in an hour, 4 at most before"
    assert len(bursts.found(now + HOUR)) == 2
    assert bursts.found(now + 2 * HOUR) == []


def test_a_few_are_no_burst():
    bursts = Bursts()
    for _ in range(FEWEST):
        bursts.take(["SG"], NOON)
    assert bursts.found(NOON) == []
    bursts.take(["SG"], NOON)
    assert bursts.found(NOON) != []
