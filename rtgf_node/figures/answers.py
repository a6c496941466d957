"""What is counted of every answer."""

from __future__ import annotations

from typing import Final

from prometheus_client import CollectorRegistry, Gauge

from rtgf_node.figures.tally import Count, Spread

# The same on every node, so that figures of several nodes can be added up.
REQUEST_SECONDS: Final = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 10.0)
ANSWER_MILLISECONDS: Final = (0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 25.0, 50.0, 100.0, 250.0, 500.0)

KNOWN_METHODS: Final = frozenset({"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"})


class AnswerFigures:
    """The golden signals of HTTP, and the verdicts."""

    def __init__(self, registry: CollectorRegistry) -> None:
        def count(name: str, text: str, *labels: str) -> Count:
            return Count(name, text, *labels, registry=registry)

        self._requests = count(
            "rtgf_http_requests_total", "Requests answered.", "route", "method", "code"
        )
        self._seconds = Spread(
            "rtgf_http_request_duration_seconds",
            "Time to answer.",
            REQUEST_SECONDS,
            "route",
            registry=registry,
        )
        self.in_flight = Gauge("rtgf_http_in_flight", "Requests being answered.", registry=registry)
        self._verdicts = count(
            "rtgf_verify_requests_total", "Verify requests by verdict.", "result", "code"
        )
        self._milliseconds = Spread(
            "rtgf_verify_latency_ms",
            "Time to answer a verify request.",
            ANSWER_MILLISECONDS,
            registry=registry,
        )
        self._hits = count("rtgf_verify_cache_hits_total", "Remembered answers.")
        self._misses = count("rtgf_verify_cache_misses_total", "Fresh answers.")
        self._rate_limited = count(
            "rtgf_verify_rate_limit_total", "Requests refused for their rate."
        )
        self._single = {
            "RTGF_KID_UNKNOWN": count("rtgf_kid_unknown_total", "Signatures by unknown keys."),
            "RTGF_TOKEN_SCHEMA_INVALID": count(
                "rtgf_token_schema_invalid_total", "Tokens that did not fit their schema."
            ),
            "RTGF_TOKEN_REVOCATION_STALE": count(
                "rtgf_token_revocation_stale_total",
                "Answers withheld for stale revocation state.",
            ),
        }
        self._signatures = count(
            "rtgf_token_signature_failures_total", "Tokens with a bad signature.", "type"
        )

    def answered(self, route: str, method: str, status: int, seconds: float) -> None:
        """Note an answer. `route` is the pattern, not the path, so that it stays bounded."""
        self._requests.inc(route, method if method in KNOWN_METHODS else "other", str(status))
        self._seconds.observe(seconds, route)

    def rate_limited(self) -> None:
        """Count a request that was refused for its rate."""
        self._rate_limited.inc()

    def verify_cache(self, *, hit: bool) -> None:
        """Count a verdict that was remembered, or not."""
        (self._hits if hit else self._misses).inc()

    def verify_took(self, milliseconds: float) -> None:
        """Note how long a verdict took."""
        self._milliseconds.observe(milliseconds)

    def verified(self, result: str) -> None:
        """Count a verdict: `valid`, or the code for which the tokens are not."""
        valid = result == "valid"
        self._verdicts.inc("valid" if valid else "invalid", "" if valid else result)
        if result in self._single:
            self._single[result].inc()

    def not_verified(self, code: str, token_type: str | None = None) -> None:
        """Count a verify request that was answered with a problem.

        Args:
          code: of the problem.
          token_type: with a bad signature, whose it was.
        """
        self._verdicts.inc("error", code)
        if code in self._single:
            self._single[code].inc()
        if token_type is not None:
            self._signatures.inc(token_type)
