"""What the node tells its operators: log lines on stderr, and figures for Prometheus.

A log line has the fixed members ts, level, event, actor and request_id, then whatever the event
brings. It never carries a local variable of a traceback, a body or a key. Metric names are a public
interface; labels are bounded, so a client or a token id is never one.
"""

from __future__ import annotations

import logging
import platform
import re
import sys
from collections.abc import Callable, Iterable, Iterator, Mapping, MutableMapping
from typing import Any, Final, Protocol, TextIO

import structlog
import trio
from prometheus_client import (
    CollectorRegistry,
    Counter,
    Gauge,
    Histogram,
    disable_created_metrics,
    generate_latest,
)
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from rtgf_node import __version__
from rtgf_node.figures.alerts import AlertFigures
from rtgf_node.figures.answers import ANSWER_MILLISECONDS, AnswerFigures
from rtgf_node.figures.cluster import ClusterFigures
from rtgf_node.figures.decisions import DecisionFigures
from rtgf_node.figures.neighbours import NeighbourFigures
from rtgf_node.figures.pushes import PushFigures
from rtgf_node.figures.summed import Samples, Summed

CONTENT_TYPE: Final = "text/plain; version=0.0.4; charset=utf-8"

# The same on every node, so that figures of several nodes can be added up.
BUILD_SECONDS: Final = (0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0, 150.0, 300.0, 900.0)
MAPPING_SECONDS: Final = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 5.0, 30.0)
LAG_SECONDS: Final = (0.001, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 5.0)
HEAD_SECONDS: Final = (0.005, 0.025, 0.1, 0.25, 0.5, 1.0, 5.0, 15.0, 60.0, 300.0, 900.0)
PROPAGATION_SECONDS: Final = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 5.0, 15.0, 60.0)

LAG_EVERY_SECONDS: Final = 1.0  # often enough to see a stall, seldom enough to cost nothing

_FIXED = ("ts", "level", "event", "actor", "request_id")
# A second line of defence: code should not log these in the first place.
_SECRET = re.compile(r"pass(word|phrase)|secret|seed|private|authorization|cookie|\bbody\b")
_CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028\u2029\u202a-\u202e\u2066-\u2069]")


class MailboxFigures(Protocol):
    """The part of a mailbox's statistics that is shown."""

    @property
    def actor(self) -> str: ...  # noqa: D102 - the Struct behind it says what it is
    @property
    def depth(self) -> int: ...  # noqa: D102
    @property
    def capacity(self) -> int: ...  # noqa: D102
    @property
    def peak(self) -> int: ...  # noqa: D102
    @property
    def outcomes(self) -> Mapping[str, int]: ...  # noqa: D102
    @property
    def wait_seconds_total(self) -> float: ...  # noqa: D102
    @property
    def serve_seconds_total(self) -> float: ...  # noqa: D102


class ChildFigures(Protocol):
    """The part of a supervised child's statistics that is shown."""

    @property
    def name(self) -> str: ...  # noqa: D102 - the Struct behind it says what it is
    @property
    def restarts_total(self) -> int: ...  # noqa: D102


def configure(
    stream: TextIO | None = None, *, as_json: bool | None = None, level: int = logging.INFO
) -> None:
    """Send every log line, those of the libraries too, to one stream in one form.

    Args:
      stream: stderr if None.
      as_json: JSON lines; if None, exactly when the stream is not a terminal.
      level: what is less important is dropped.
    """
    target = sys.stderr if stream is None else stream
    if as_json is None:
        as_json = not target.isatty()
    structlog.configure(
        processors=[*_shared(), structlog.stdlib.ProcessorFormatter.wrap_for_formatter],
        wrapper_class=structlog.make_filtering_bound_logger(level),
        logger_factory=structlog.stdlib.LoggerFactory(),
        cache_logger_on_first_use=False,
    )
    # Tracebacks without local variables: one of those may be a key.
    render: list[structlog.typing.Processor] = (
        [
            structlog.processors.ExceptionRenderer(
                structlog.tracebacks.ExceptionDictTransformer(show_locals=False)
            ),
            _fixed_members_first,
            structlog.processors.JSONRenderer(),
        ]
        if as_json
        else [
            _escape,
            structlog.dev.ConsoleRenderer(
                colors=False,
                timestamp_key="ts",
                repr_native_str=True,
                exception_formatter=structlog.dev.plain_traceback,
            ),
        ]
    )
    handler = logging.StreamHandler(target)
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            processors=[structlog.stdlib.ProcessorFormatter.remove_processors_meta, *render],
            foreign_pre_chain=_shared(),
        )
    )
    root = logging.getLogger()
    root.handlers = [handler]
    root.setLevel(level)


def _shared() -> list[structlog.typing.Processor]:
    return [
        structlog.contextvars.merge_contextvars,
        structlog.stdlib.add_log_level,
        structlog.processors.TimeStamper(fmt="iso", utc=True, key="ts"),
        _hide_secrets,
    ]


def _hide_secrets(_: object, __: str, line: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
    for name in line:
        if _SECRET.search(name):
            line[name] = "<hidden>"
    return line


def _fixed_members_first(
    _: object, __: str, line: MutableMapping[str, Any]
) -> MutableMapping[str, Any]:
    return {name: line.get(name) for name in _FIXED} | dict(line)


def _escape(_: object, __: str, line: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
    """Keep what came from outside from moving the cursor or forging a line of the terminal."""
    line["event"] = _CONTROL.sub(lambda match: ascii(match[0])[1:-1], str(line["event"]))
    return line


class Metrics:
    """Every figure of the node, in a registry of its own. Made once and handed to who needs it."""

    def __init__(self, *, version: str = __version__) -> None:
        # The creation times would make two scrapes of an idle node differ, and promtool complain.
        disable_created_metrics()  # type: ignore[no-untyped-call] # it has no annotations
        registry = self.registry = CollectorRegistry()

        def counter(name: str, text: str, *labels: str) -> Counter:
            return Counter(name, text, labels, registry=registry)

        def gauge(name: str, text: str, *labels: str) -> Gauge:
            return Gauge(name, text, labels, registry=registry)

        def histogram(name: str, text: str, buckets: tuple[float, ...], *labels: str) -> Histogram:
            return Histogram(name, text, labels, registry=registry, buckets=buckets)

        # Inputs.
        self.snapshot_validations = counter(
            "rtgf_snapshot_validations_total", "Snapshots checked at the door.", "result"
        )
        self.snapshot_signature_failures = counter(
            "rtgf_snapshot_signature_failures_total", "Snapshots refused for their signature."
        )
        self.sanctions_fetch = histogram(
            "rtgf_sanctions_fetch_seconds", "Time to fetch a list.", BUILD_SECONDS, "provider"
        )
        self.sanctions_hash_mismatch = counter(
            "rtgf_sanctions_hash_mismatch_total", "Lists that did not have the pinned digest."
        )
        # Builds.
        self.clauses_mapped = counter(
            "rtgf_policy_clause_mapped_total",
            "Clauses that builds came to: mapped to predicates, waived, or unmapped.",
            "status",
        )
        self.mapping_duration = histogram(
            "rtgf_policy_mapping_duration_seconds",
            "Time to map a snapshot, in each of the two runs: with its scenarios and its RMT.",
            MAPPING_SECONDS,
        )
        self.build_duration = histogram(
            "rtgf_build_duration_seconds", "Time of a build, failed ones too.", BUILD_SECONDS
        )
        self.build_failures = counter("rtgf_build_failures_total", "Failed builds.", "code")
        self.artifact_sign = counter(
            "rtgf_artifact_sign_total", "Tries to sign an artefact.", "result"
        )
        self.pipeline_runs = counter("rtgf_pipeline_runs_total", "Pipeline runs.", "result")
        self.pipeline_duration = histogram(
            "rtgf_pipeline_duration_seconds", "Time of a pipeline run.", BUILD_SECONDS
        )
        self.determinism_failures = counter(
            "rtgf_pipeline_determinism_failures_total", "Builds whose two runs differed."
        )
        self.publish_failures = counter(
            "rtgf_pipeline_publish_failures_total", "Builds that could not be published."
        )
        # The log.
        self.transparency_append = counter(
            "rtgf_transparency_append_total", "Entries appended to the log.", "result"
        )
        self.transparency_append_failures = counter(
            "rtgf_transparency_append_failures_total", "Entries that the log refused."
        )
        self.transparency_ingest = counter(
            "rtgf_transparency_ingest_total", "Events taken in, by type.", "result", "type"
        )
        self.root_publish = counter(
            "rtgf_transparency_root_publish_total", "Tree heads signed and published.", "result"
        )
        self.proof_latency = histogram(
            "rtgf_transparency_proof_latency_ms", "Time to make a proof.", ANSWER_MILLISECONDS
        )
        self.head_delay = histogram(
            "rtgf_transparency_head_delay_seconds",
            "From the request for an entry until a signed head covers it.",
            HEAD_SECONDS,
        )
        self.log_tree_size = gauge("rtgf_log_tree_size", "Leaves under the newest signed head.")
        # Answers.
        self.answers = AnswerFigures(registry)
        self.token_canonical_duration = histogram(
            "rtgf_token_canonical_duration_seconds",
            "Time to make the canonical bytes of a token that is issued.",
            LAG_SECONDS,
        )
        self.decisions = DecisionFigures(registry)
        self.neighbours = NeighbourFigures(registry)
        self.push = PushFigures(registry)
        self.alerts = AlertFigures(registry)
        self.raft = ClusterFigures()
        # Keys and revocation.
        self.key_rotations = counter(
            "rtgf_key_rotation_events_total", "Key sets that replaced another."
        )
        self.key_expires = gauge(
            "rtgf_key_expires_timestamp_seconds",
            "When the newest key of a purpose expires.",
            "purpose",
        )
        self.jwks_fetch = counter(
            "rtgf_jwks_fetch_total", "Reads of the bearer tokens' key set.", "result"
        )
        self.revocation_epoch = gauge("rtgf_revocation_epoch", "Revocations committed so far.")
        self.revocation_epoch_drift = gauge(
            "rtgf_revocation_epoch_drift", "Committed revocations that verdicts do not know yet."
        )
        self.revocation_propagation = histogram(
            "rtgf_revocation_propagation_seconds",
            "From the start of a revocation's commit until every verdict here reflects it.",
            PROPAGATION_SECONDS,
        )
        # The house.
        self.event_loop_lag = histogram(
            "rtgf_event_loop_lag_seconds", "How late a timer of the event loop was.", LAG_SECONDS
        )
        build_info = gauge("rtgf_build_info", "Always 1; what runs.", "version", "python")
        build_info.labels(version, platform.python_version()).set(1)
        self.others: Callable[[], Iterable[Samples]] = tuple
        self._actors = _Actors()
        registry.register(self._actors)
        registry.register(self.raft)

    def watch(
        self,
        mailboxes: Iterable[Callable[[], MailboxFigures]],
        children: Callable[[], Iterable[ChildFigures]] | None = None,
    ) -> None:
        """Read these `statistics` functions at each scrape from now on."""
        self._actors.mailboxes.extend(mailboxes)
        if children is not None:
            self._actors.children.append(children)

    def render(self) -> bytes:
        """Return the exposition text, of media type `CONTENT_TYPE`."""
        return generate_latest(Summed(self.registry, self.others))

    def snapshot_validated(self, result: str) -> None:
        """Count a snapshot at the door: its outcome, or the code it was refused with."""
        self.snapshot_validations.labels(result).inc()
        if result == "RTGF_POL_MATRIX_SIGNATURE_INVALID":
            self.snapshot_signature_failures.inc()

    def fetched(self, provider: str, seconds: float) -> None:
        """Note how long it took to fetch a list."""
        self.sanctions_fetch.labels(provider).observe(seconds)

    def hash_mismatch(self) -> None:
        """Count a list that did not have its pinned digest."""
        self.sanctions_hash_mismatch.inc()

    def build_done(self, seconds: float, code: str | None) -> None:
        """Note a build and the code it failed with, if it did."""
        self.build_duration.observe(seconds)
        self.pipeline_duration.observe(seconds)
        self.pipeline_runs.labels("ok" if code is None else "failed").inc()
        if code is not None:
            self.build_failures.labels(code).inc()
        if code in {"RTGF_PIPELINE_DETERMINISM_FAIL", "RTGF_BUILD_PLAN_DIVERGENCE"}:
            self.determinism_failures.inc()
        if code == "RTGF_PIPELINE_PUBLISH_FAIL":
            self.publish_failures.inc()

    def mapped(self, token: Mapping[str, Any]) -> None:
        """Count the clauses of the snapshot that a new RMT is made from; other tokens have none."""
        if token["type"] == "RMT":
            clauses = {predicate["clause_id"] for predicate in token["predicate_set"]}
            self.clauses_mapped.labels("mapped").inc(len(clauses))
            self.clauses_mapped.labels("waived").inc(len(token["unmapped_clauses"]))

    def signed(self, result: str) -> None:
        """Count a try to sign an artefact, `ok` or `error`."""
        self.artifact_sign.labels(result).inc()

    def appended(self, result: str, count: int = 1) -> None:
        """Count entries that the log took (`ok`) or refused."""
        self.transparency_append.labels(result).inc(count)
        if result != "ok":
            self.transparency_append_failures.inc(count)

    def ingested(self, result: str, counts: Mapping[str, int]) -> None:
        """Count events that the log took (`ok`) or refused, by their types."""
        for type_, count in counts.items():
            self.transparency_ingest.labels(result, type_).inc(count)

    def root_published(self, result: str) -> None:
        """Count a tree head."""
        self.root_publish.labels(result).inc()

    async def measure_lag(
        self, *, task_status: trio.TaskStatus[None] = trio.TASK_STATUS_IGNORED
    ) -> None:
        """Measure the event loop's lag until cancelled."""
        task_status.started()
        while True:
            due = trio.current_time() + LAG_EVERY_SECONDS
            await trio.sleep_until(due)
            self.event_loop_lag.observe(trio.current_time() - due)


class _Actors(Collector):
    """Reads the actors' statistics when asked, so that the actors count nothing twice."""

    def __init__(self) -> None:
        self.mailboxes: list[Callable[[], MailboxFigures]] = []
        self.children: list[Callable[[], Iterable[ChildFigures]]] = []

    def collect(self) -> Iterator[Metric]:
        def gauge(name: str, text: str) -> GaugeMetricFamily:
            return GaugeMetricFamily(name, text, labels=["actor"])

        def counter(name: str, text: str, *labels: str) -> CounterMetricFamily:
            return CounterMetricFamily(name, text, labels=["actor", *labels])

        depth = gauge("rtgf_actor_mailbox_depth", "Requests waiting.")
        capacity = gauge("rtgf_actor_mailbox_capacity", "Requests that may wait.")
        peak = gauge("rtgf_actor_mailbox_peak", "Most requests that waited at once.")
        requests = counter("rtgf_actor_requests_total", "Requests by how they ended.", "outcome")
        waited = counter("rtgf_actor_wait_seconds_total", "Time spent waiting for the actor.")
        served = counter("rtgf_actor_serve_seconds_total", "Time the actor spent answering.")
        restarts = counter("rtgf_actor_restarts_total", "Restarts after a crash.")
        for read in self.mailboxes:
            box = read()
            depth.add_metric([box.actor], box.depth)
            capacity.add_metric([box.actor], box.capacity)
            peak.add_metric([box.actor], box.peak)
            waited.add_metric([box.actor], box.wait_seconds_total)
            served.add_metric([box.actor], box.serve_seconds_total)
            for outcome, count in sorted(box.outcomes.items()):
                requests.add_metric([box.actor, outcome], count)
        for read_children in self.children:
            for child in read_children():
                restarts.add_metric([child.name], child.restarts_total)
        yield from (depth, capacity, peak, requests, waited, served, restarts)
