"""How long the resolvers of one decision may take together; an answer after that is not used.

Resolvers answer from memory and are plain calls: nothing can interrupt one, so that each is bounded
by what it is asked instead. Screening refuses a party with too many words (`lists.question`); a
proof takes one signature for each verifier that is pinned for it; a token is one look into memory.
The limit is then on all of them together: a decision never rests on an answer that came late, and
after one no other is asked. It ends with the limit and one answer more, at worst.
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
