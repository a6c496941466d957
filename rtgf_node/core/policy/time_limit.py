"""How long the resolvers of one decision may take together; an answer after that is not used.

Resolvers answer from memory and are plain calls, which nothing can interrupt. What the limit gives
is that a decision never rests on an answer that came late, and that after one no other is asked.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

from rtgf_node.core.canonical_json import JsonValue
from rtgf_node.core.policy.node import Resolver


def limited(
    resolvers: Mapping[str, Resolver], *, seconds: float, stopwatch: Callable[[], float]
) -> dict[str, Resolver]:
    """Return the resolvers of one decision, which starts now, each within the limit.

    Args:
      resolvers: by the name that LOOKUP uses.
      seconds: how long all answers together may take.
      stopwatch: seconds that never run backwards, from any beginning.
    """
    until = stopwatch() + seconds

    def within(resolver: Resolver) -> Resolver:
        def ask(arguments: Mapping[str, JsonValue]) -> JsonValue:
            if stopwatch() > until:
                raise TimeoutError("the time for this decision's questions is over")
            answer = resolver(arguments)
            if stopwatch() > until:
                raise TimeoutError("the answer came too late")
            return answer

        return ask

    return {name: within(resolver) for name, resolver in resolvers.items()}
