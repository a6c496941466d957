"""The parts of workers that need no process: what they follow, and how their counters add up."""

from __future__ import annotations

import time

import pytest
from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest
from prometheus_client.parser import text_string_to_metric_families

from rtgf_node.api.limits import Spending
from rtgf_node.config import load
from rtgf_node.figures import summed
from rtgf_node.replication.commands import AppendEvents, Outcome
from rtgf_node.workers import frames
from rtgf_node.workers.following import Following
from tests.docs_tables import ROOT


def news(number: int) -> frames.News:
    return frames.News(number, 100 + number, AppendEvents((b"x",)), Outcome((0,), 1, 0))


def beat(at: float) -> frames.Beat:
    return frames.Beat(at, 0.0, may_answer=True, recording=True)


def test_news_is_told_in_order_and_a_gap_is_no_news():
    following, told = Following(1.0, 7), []
    following.feed.subscribe("test", lambda applied: told.append(applied.index))
    following.hear(news(8))
    following.hear(news(9))
    for missed in (9, 11):
        with pytest.raises(RuntimeError, match="came after news 9"):
            following.hear(news(missed))
    assert told == [108, 109]


def test_without_a_young_beat_it_is_lagging():
    following = Following(1.0, 0)
    assert following.is_lagging
    assert not following.may_answer
    following.feel(beat(time.monotonic()))
    assert not following.is_lagging
    following.feel(beat(time.monotonic() - 1.0))
    assert following.is_lagging


def test_every_frame_is_read_as_it_was_said():
    spent = frames.Spent([Spending("verify", is_named=True, client="urn:a", cost=2)])
    connected = frames.Connected(1, [("10.0.0.1", 3)])
    for frame in (
        news(1),
        beat(2.0),
        frames.Stop(),
        frames.Prepare(1, ("sha256:00",)),
        spent,
        connected,
    ):
        assert frames.from_node(frames.framed(frame)[frames.LENGTH.size :]) == frame


def test_a_worker_has_the_settings_of_its_node(tmp_path):
    config = load(ROOT / "config" / "rtgf.example.toml", {})
    assert frames.unpack_config(frames.pack_config(config)) == config


def registry(requests: int, seconds: float, route: str) -> CollectorRegistry:
    made = CollectorRegistry()
    Counter("asked", "Asked.", ["route"], registry=made).labels(route).inc(requests)
    Histogram("took", "Took.", buckets=(1.0, 5.0), registry=made).observe(seconds)
    Gauge("size", "Size.", registry=made).set(requests)
    return made


def test_counters_and_histograms_add_up_and_gauges_do_not():
    others = [
        summed.read(registry(2, 0.5, "/a")),
        summed.read(registry(3, 2.0, "/b")),
    ]
    whole = summed.Summed(registry(1, 9.0, "/a"), lambda: others)
    text = generate_latest(whole).decode()
    found = {
        (sample.name, *sorted(sample.labels.items())): sample.value
        for family in text_string_to_metric_families(text)
        for sample in family.samples
        if not sample.name.endswith("_created")
    }
    assert found == {
        ("asked_total", ("route", "/a")): 3.0,
        ("asked_total", ("route", "/b")): 3.0,
        ("took_bucket", ("le", "1.0")): 1.0,
        ("took_bucket", ("le", "5.0")): 2.0,
        ("took_bucket", ("le", "+Inf")): 3.0,
        ("took_count",): 3.0,
        ("took_sum",): 11.5,
        ("size",): 1.0,
    }
