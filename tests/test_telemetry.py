"""Log lines that tell and do not leak; figures under their published names."""

from __future__ import annotations

import io
import json
import logging
import re
from collections.abc import Callable
from pathlib import Path

import pytest
import structlog
import trio
import trio.testing
from prometheus_client.parser import text_string_to_metric_families

from rtgf_node.actors.mailbox import Mailbox, Request
from rtgf_node.actors.supervisor import Child, Supervisor
from rtgf_node.telemetry import Metrics, configure

CANARY = "canary-3f1c9a"


@pytest.fixture(autouse=True)
def restore_logging():
    root = logging.getLogger()
    handlers, level = root.handlers, root.level
    yield
    root.handlers = handlers
    root.setLevel(level)
    structlog.reset_defaults()
    structlog.contextvars.clear_contextvars()


def lines(stream: io.StringIO) -> list[dict[str, object]]:
    return [json.loads(line) for line in stream.getvalue().splitlines()]


def crash_with_a_secret() -> None:
    passphrase = CANARY
    raise ZeroDivisionError(f"{len(passphrase)} characters")


def test_a_line_has_the_fixed_members_first():
    stream = io.StringIO()
    configure(stream, as_json=True)
    structlog.contextvars.bind_contextvars(request_id="r-1")
    structlog.get_logger("x").info("token_issued", actor="compiler", build_id="b1")
    (line,) = lines(stream)
    assert list(line)[:5] == ["ts", "level", "event", "actor", "request_id"]
    assert line["event"] == "token_issued"
    assert (line["actor"], line["request_id"], line["level"]) == ("compiler", "r-1", "info")
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d+Z", str(line["ts"]))


@pytest.mark.parametrize("as_json", [True, False])
@pytest.mark.parametrize("library", [True, False])
def test_a_traceback_shows_no_local_variable(as_json: bool, library: bool):
    stream = io.StringIO()
    configure(stream, as_json=as_json)
    log = logging.getLogger("library") if library else structlog.get_logger("ours")
    try:
        crash_with_a_secret()
    except ZeroDivisionError:
        log.exception("actor_crashed")
    assert "crash_with_a_secret" in stream.getvalue()
    assert "ZeroDivisionError" in stream.getvalue()
    assert CANARY not in stream.getvalue()


@pytest.mark.parametrize("as_json", [True, False])
def test_a_value_under_a_secret_name_is_hidden(as_json: bool):
    stream = io.StringIO()
    configure(stream, as_json=as_json)
    structlog.get_logger().info("opened", passphrase=CANARY, key_seed=CANARY)
    assert "opened" in stream.getvalue()
    assert CANARY not in stream.getvalue()


@pytest.mark.parametrize("as_json", [True, False])
def test_what_comes_from_outside_cannot_forge_a_line(as_json: bool):
    stream = io.StringIO()
    configure(stream, as_json=as_json)
    wicked = 'x\n{"event": "forged"}\x1b[2J\u202e'
    structlog.get_logger().info("refused", path=wicked)
    logging.getLogger("library").warning("bad request %s", wicked)
    text = stream.getvalue()
    assert len(text.splitlines()) == 2
    assert "\x1b" not in text


def test_a_library_speaks_in_the_same_form():
    stream = io.StringIO()
    configure(stream, as_json=True)
    logging.getLogger("hypercorn.error").warning("slow %s", "client")
    (line,) = lines(stream)
    assert (line["event"], line["level"]) == ("slow client", "warning")


def test_what_is_less_important_is_dropped():
    stream = io.StringIO()
    configure(stream, as_json=True, level=logging.WARNING)
    structlog.get_logger().info("quiet")
    logging.getLogger("x").info("quiet")
    assert stream.getvalue() == ""


def test_a_stream_that_is_no_terminal_gets_json():
    stream = io.StringIO()
    configure(stream)
    structlog.get_logger().info("started")
    assert lines(stream)[0]["event"] == "started"


def samples(metrics: Metrics) -> dict[tuple[str, frozenset[tuple[str, str]]], float]:
    return {
        (sample.name, frozenset(sample.labels.items())): sample.value
        for family in text_string_to_metric_families(metrics.render().decode())
        for sample in family.samples
    }


def value(metrics: Metrics, name: str, **labels: str) -> float:
    return samples(metrics)[name, frozenset(labels.items())]


def test_published_names_are_all_there_or_belong_to_later_work(shared: Path):
    text = (shared / "spec" / "conformance.md").read_text().partition("## Metric names")[2]
    published = set(re.findall(r"`(rtgf_[a-z_]+)", text))
    later = {
        "rtgf_tlsa_mismatch_total",
        "rtgf_policy_manual_review_total",
    }
    exposed = Metrics().render().decode()
    named = set(re.findall(r"^# TYPE (\w+) ", exposed, re.MULTILINE))
    assert published - later <= named


def test_two_scrapes_of_an_idle_node_are_the_same():
    metrics = Metrics()
    assert metrics.render() == metrics.render()
    assert "_created" not in metrics.render().decode()


def test_every_metric_has_help_and_begins_with_our_name():
    families = list(text_string_to_metric_families(Metrics().render().decode()))
    assert all(family.documentation for family in families)
    assert all(family.name.startswith("rtgf_") for family in families)


@pytest.mark.parametrize(
    ("act", "name", "labels"),
    [
        (
            lambda m: m.answers.verified("valid"),
            "rtgf_verify_requests_total",
            {"result": "valid", "code": ""},
        ),
        (
            lambda m: m.answers.verified("RTGF_VERIFY_REVOKED"),
            "rtgf_verify_requests_total",
            {"result": "invalid", "code": "RTGF_VERIFY_REVOKED"},
        ),
        (
            lambda m: m.answers.not_verified("RTGF_KID_UNKNOWN"),
            "rtgf_verify_requests_total",
            {"result": "error", "code": "RTGF_KID_UNKNOWN"},
        ),
        (lambda m: m.answers.not_verified("RTGF_KID_UNKNOWN"), "rtgf_kid_unknown_total", {}),
        (
            lambda m: m.answers.rate_limited(),
            "rtgf_verify_rate_limit_total",
            {},
        ),
        (
            lambda m: m.answers.verified("RTGF_TOKEN_REVOCATION_STALE"),
            "rtgf_token_revocation_stale_total",
            {},
        ),
        (lambda m: m.answers.verify_cache(hit=True), "rtgf_verify_cache_hits_total", {}),
        (lambda m: m.answers.verify_cache(hit=False), "rtgf_verify_cache_misses_total", {}),
        (lambda m: m.appended("ok"), "rtgf_transparency_append_total", {"result": "ok"}),
        (lambda m: m.appended("refused"), "rtgf_transparency_append_failures_total", {}),
        (lambda m: m.signed("error"), "rtgf_artifact_sign_total", {"result": "error"}),
        (
            lambda m: m.snapshot_validated("RTGF_POL_MATRIX_SIGNATURE_INVALID"),
            "rtgf_snapshot_signature_failures_total",
            {},
        ),
        (
            lambda m: m.build_done(2.0, "RTGF_PIPELINE_DETERMINISM_FAIL"),
            "rtgf_pipeline_determinism_failures_total",
            {},
        ),
        (lambda m: m.build_done(2.0, None), "rtgf_pipeline_runs_total", {"result": "ok"}),
        (lambda m: m.fetched("UN", 3.0), "rtgf_sanctions_fetch_seconds_count", {"provider": "UN"}),
        (
            lambda m: m.answers.answered("/verify", "BREW", 405, 0.01),
            "rtgf_http_requests_total",
            {"route": "/verify", "method": "other", "code": "405"},
        ),
    ],
)
def test_what_happens_is_counted(act: Callable[[Metrics], None], name: str, labels: dict[str, str]):
    metrics = Metrics()
    act(metrics)
    assert value(metrics, name, **labels) == 1


class Ping(Request[None], frozen=True):
    pass


def test_inboxes_and_restarts_are_read_when_asked():
    metrics = Metrics()

    async def main() -> None:
        box = Mailbox("registry", capacity=8)

        async def run(*, task_status: trio.TaskStatus[None]) -> None:
            task_status.started()
            await trio.sleep_forever()

        supervisor = Supervisor([Child("registry", run)])
        metrics.watch([box.statistics], supervisor.statistics)
        async with trio.open_nursery() as nursery:
            for _ in range(3):
                nursery.start_soon(box.ask, Ping())
            await trio.testing.wait_all_tasks_blocked()
            box.take_nowait(1)[0].reply(None)
            assert value(metrics, "rtgf_actor_mailbox_depth", actor="registry") == 2
            assert value(metrics, "rtgf_actor_mailbox_capacity", actor="registry") == 8
            assert value(metrics, "rtgf_actor_mailbox_peak", actor="registry") == 3
            replied = {"actor": "registry", "outcome": "replied"}
            assert value(metrics, "rtgf_actor_requests_total", **replied) == 1
            assert value(metrics, "rtgf_actor_restarts_total", actor="registry") == 0
            nursery.cancel_scope.cancel()

    trio.run(main)


def test_lag_of_the_event_loop_is_measured():
    metrics = Metrics()

    async def main() -> None:
        with trio.move_on_after(3.5):
            await metrics.measure_lag()

    trio.run(main, clock=trio.testing.MockClock(autojump_threshold=0))
    assert value(metrics, "rtgf_event_loop_lag_seconds_count") == 3
