"""What is made of a node's counts: rates, quantiles, plots, words, and what needs a human."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from rtgf_node.core import times
from rtgf_node.wire import FetchAnswer, FetchItem
from rtgf_node.wire.overview import Expiry, Tally
from tests.tui.fake_overview import NOW, degraded, overview
from tui import words
from tui.history import History
from tui.needs import needs
from tui.tones import BAD, WARN, line, plain
from tui.widgets.detail import folded
from tui.widgets.plot import bar_line, plot


def test_rates_are_of_the_time_between_two_looks():
    history = History()
    history.add(overview(looks=1), 10.0)
    assert history.newest is not None
    assert history.newest.verdicts is None
    history.add(overview(looks=2), 12.0)
    newest = history.newest
    assert newest.verdicts == pytest.approx(200.0)
    assert newest.invalid == pytest.approx(10.0)
    assert newest.by_verdict["RTGF_VERIFY_REVOKED"] == pytest.approx(8.5)
    assert newest.p50 == pytest.approx(0.1 + 0.15 * 200 / 300)
    assert newest.p99 == pytest.approx(2.5 * 0 + 1.0 + 1.5 * 1 / 4)
    pace = history.actors["registry"]
    assert (pace.per_second, pace.wait_ms) == pytest.approx((5.0, 0.4))
    assert (pace.p50, pace.p99) == pytest.approx((5 / 6, 5 + 20 * 0.9))


def test_an_actors_pace_is_of_the_newest_minute():
    history = History()
    for looks in range(1, 100):
        history.add(overview(looks=looks), 2.0 * looks)
    assert history.actors["registry"].per_second == pytest.approx(5.0)
    history.add(overview(looks=99), 2.0 * 128)
    assert history.actors["registry"].per_second == pytest.approx(280 / 114)


def test_a_node_that_began_again_leaves_a_gap_and_no_fall():
    history = History()
    history.add(overview(looks=9), 10.0)
    history.add(overview(looks=1), 12.0)
    assert history.newest is not None
    assert history.newest.verdicts is None
    assert history.actors == {}


@given(st.lists(st.integers(0, 1000), min_size=4, max_size=4), st.floats(0.01, 1.0))
def test_a_quantile_lies_in_its_bucket(counts, share):
    bounds = [1.0, 2.0, 4.0]
    found = Tally(bounds, counts, 0.0).quantile(share)
    if not sum(counts):
        assert found is None
        return
    passed = 0
    for low, high, count in zip([0.0, *bounds], [*bounds, 4.0], counts, strict=True):
        passed += count
        if count and passed >= share * sum(counts):
            assert found is not None
            assert low <= found <= high
            return


def test_bars_reach_from_the_least_to_the_most():
    assert bar_line([0.0, 1.0, 2.0, 4.0, 8.0], 5) == "▁▁▂▄█"
    assert bar_line([None, 8.0], 4) == "   █"
    assert bar_line([1.0] * 9 + [2.0], 5) == "▄▄▄▄█"


@given(st.lists(st.none() | st.floats(0, 1e9), max_size=300), st.integers(1, 120))
def test_a_line_of_bars_has_its_width(values, width):
    assert len(bar_line(values, width)) == width


@given(
    st.lists(st.none() | st.floats(0, 1e6), max_size=300),
    st.integers(8, 120),
    st.integers(1, 12),
    st.none() | st.floats(0.1, 1e6),
)
def test_a_plot_has_its_size(values, width, height, limit):
    lines = plot(values, width, height, words=words.milliseconds, limit=limit)
    assert len(lines) == height
    assert {sum(len(text) for text, _ in line) for line in lines} <= {
        max(width, len(words.milliseconds(max([0, limit or 0, *(v or 0 for v in values)]))) + 2),
        *range(width - 3, width + 12),
    }


def test_a_limit_says_that_it_is_one_and_what_is_above_it_is_told():
    lines = plot([10.0, 200.0], 40, 5, words=words.milliseconds, limit=100.0)
    texts = ["".join(text for text, _ in line) for line in lines]
    assert any("limit 100 ms" in text for text in texts)
    assert lines[0][1][1] == BAD


def test_a_good_node_needs_nobody():
    assert needs(overview()) == []


def test_what_needs_a_human_is_said_the_worst_first():
    found = needs(degraded())
    assert [(one.tone, one.screen) for one in found] == [
        (BAD, "safety"),
        (WARN, "sources"),
        (WARN, "sources"),
        (WARN, "safety"),
        (WARN, "actors"),
        (WARN, "approvals"),
    ]
    assert [one.text for one in found] == [
        "P1 certificate_expiring: server node.pem ends on 2026-11-28",
        "P2 source_failed: mas-aml: RTGF_KID_UNKNOWN no such key",
        "P2 list_stale: un-sc: older than its maximum age",
        "P2 disk_low: 4% of the disk is free",
        "P2 actor_restarting: crashed since the node began: fetcher, 2 in all",
        "1 request waits for a second person",
    ]
    assert found[0].more == (
        "A certificate of the node ends within seven days, or has ended, since 10 min",
        "what to do: docs/runbooks/certificate_expiring.md",
    )


@pytest.mark.parametrize(("days", "count"), [(6, 0), (7, 1), (29, 1), (30, 0)])
def test_what_ends_within_a_month_is_said_before_the_node_alerts(days, count):
    ends = times.to_text(NOW + days * words.DAY)
    seen = replace(overview(), certificates=[Expiry("node.pem", "server", ends)])
    assert [one.text for one in needs(seen)] == [f"server node.pem ends in {days} d"] * count


@pytest.mark.parametrize(
    ("seconds", "said"),
    [(None, "-"), (0, "0 s"), (119, "119 s"), (120, "2 min"), (7300, "2 h"), (86_400, "1 d"),
     (-5, "0 s")],
)  # fmt: skip
def test_ages(seconds, said):
    assert words.age(seconds) == said


def test_sizes_numbers_and_digests():
    assert [words.size(n) for n in (9, 2048, 48 << 20, 3 << 40)] == [
        "9 B", "2.0 KiB", "48 MiB", "3.0 TiB"
    ]  # fmt: skip
    assert words.number(1_234_567) == "1 234 567"
    assert words.short("sha256:" + "ab" * 32) == "sha256:abababababab…"
    assert words.short("RMT:EU") == "RMT:EU"


def test_words_are_broken_only_where_they_are_longer_than_a_line():
    said = line("rtgf approvals approve ", "f12b5104-884d-5058 --reason R")
    texts = [
        "".join(text for text, _ in one).rstrip() for one in folded([said, line("x" * 25)], 20)
    ]
    assert texts == [
        "rtgf approvals",
        "  approve",
        "  f12b5104-884d-5058",
        "  --reason R",
        "x" * 20,
        "  " + "x" * 5,
    ]


def test_what_was_fetched_is_counted():
    items = [FetchItem("a", "unchanged"), FetchItem("b", "refused"), FetchItem("c", "unchanged")]
    assert words.outcome(FetchAnswer(items)) == "1 refused, 2 unchanged"


def test_signs_have_a_form_in_ascii():
    assert plain("✓ ok ✗ no … → ▁█ “a”") == '+ ok x no ~ > .# "a"'
