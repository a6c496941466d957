"""An answer that comes late is not used, and after it nothing else is asked."""

from __future__ import annotations

from rtgf_node.core.policy.time_limit import limited
from tests import rules


class Stopwatch:
    def __init__(self):
        self.seconds = 0.0

    def __call__(self):
        return self.seconds


def screened(duration, *, allowed=1.0, times=1):
    watch, asked = Stopwatch(), []

    def slow(arguments):
        asked.append(arguments)
        watch.seconds += duration
        return rules.sanctions(arguments)

    resolvers = limited({"sanctions": slow}, seconds=allowed, stopwatch=watch)
    set_ = [
        {**rules.SANCTIONS, "id": f"pred.eu.test.{number:012x}", "clause_id": f"c.{number}"}
        for number in range(times)
    ]
    return rules.outcome(set_, rules.LAWFUL, resolvers=resolvers), len(asked)


def test_in_time():
    assert screened(0.9) == (("PERMIT", [], False), 1)


def test_a_late_answer_denies_as_an_error():
    assert screened(1.1) == (("DENY", ["RESOLVER_ERROR:sanctions"], True), 1)


def test_the_limit_is_for_all_questions_of_a_decision_together():
    assert screened(0.4, times=5) == (("DENY", ["RESOLVER_ERROR:sanctions"], True), 3)
