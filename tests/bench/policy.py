"""Decisions: a payment against ten predicates of an illustrative corridor, and against all of it.

The baseline is what a decision cannot do without: its trace written as JSON and digested, once,
from a document that is already there.
"""

from __future__ import annotations

import hashlib
import json
import statistics
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import orjson

from rtgf_node.core.policy import decide, plan
from rtgf_node.core.policy.decide import Decision
from tests import contexts
from tests.bench.measure import Row, Slice, alternate, percentile, rate, ratio, text, timed_each

CORRIDOR = "EU-SG"
PREDICATES = 10


def measure(*, quick: bool) -> Iterator[Row]:
    """Yield decisions a second and their p99, without screening and with it."""
    everything = list(contexts.illustrative_corridor(CORRIDOR).predicate_set)
    plain = [one for one in everything if "LOOKUP" not in json.dumps(one)][:PREDICATES]
    screened = [one for one in everything if "LOOKUP" in json.dumps(one)]
    for words, rules in (
        ("no screening", plain),
        (
            f"{len(screened)} of them screening by a resolver that costs nothing",
            [*plain[: PREDICATES - len(screened)], *screened],
        ),
    ):
        run = _decider(rules)
        document = run().trace

        def written(document: Any = document) -> str:
            encoded = orjson.dumps(document, option=orjson.OPT_SORT_KEYS)
            return hashlib.sha256(encoded).hexdigest()

        found = alternate(
            {"decision": _times(run), "trace": _times(written)}, rounds=3 if quick else 9
        )
        slowest = percentile(timed_each(lambda _: run(), 2_000 if quick else 20_000), 0.99)  # noqa: B023
        yield Row(
            f"decision on {len(rules)} predicates, {words}",
            f"{rate(statistics.median(found['decision']))}, p99 {text(slowest)}",
            f"its trace encoded and digested: {rate(statistics.median(found['trace']))}",
            ratio(found["decision"], found["trace"]),
        )


def _decider(rules: Sequence[Any]) -> Callable[[], Decision]:
    prepared = decide.prepare(list(rules), plan.make(rules))
    context = contexts.payment_eu_sg()

    def run() -> Decision:
        return decide.run(prepared, context, at=contexts.NOW, resolvers=contexts.RESOLVERS)

    if len(prepared.rules) != PREDICATES or run().decision != "PERMIT":
        raise RuntimeError("the bench's payment is not permitted by ten predicates")
    return run


def _times(run: Callable[[], object]) -> Slice:
    def repeat(count: int) -> None:
        for _ in range(count):
            run()

    return repeat
