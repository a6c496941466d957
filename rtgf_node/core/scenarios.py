"""An authority's own tests: a signed context, and what must be decided on it.

They run at every build against the token that the build made, with the lists of the build, and at
the first second of the token's window: a test that holds today must not fail at midnight. One that
comes out otherwise stops the build: then either the rules or this program is not what the authority
believes.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping

from rtgf_node.core.canonical_json import JsonValue
from rtgf_node.core.envelope import read
from rtgf_node.core.lists.screening import NameIndex
from rtgf_node.core.policy import decide
from rtgf_node.core.shapes import pointer
from rtgf_node.core.snapshot import Scenario, Snapshot
from rtgf_node.core.tokens import Token
from rtgf_node.core.trust import TrustState
from rtgf_node.errors import Code, RtgfError

_NEVER = 2**53 - 1
"""When a list of a build grows too old."""


class Examination:
    """Runs scenarios with the lists of one build; each list's index is made when first needed."""

    def __init__(self, indexes: Mapping[str, NameIndex]) -> None:
        self._state = TrustState()
        self._screens = _Screens(indexes)
        self._state.screens = self._screens
        # A scenario tests the rule, not how old the node's lists are.
        self._state.fresh_until = defaultdict(lambda: _NEVER)

    def examine(
        self, snapshot: Snapshot, document: dict[str, JsonValue], *, corridor: str | None = None
    ) -> int:
        """Run the scenarios of `snapshot` for this RMT, or for the IMT of `corridor`.

        Returns:
          how many were run. All expected reasons must be given; others may be given beside them.

        Raises:
          RtgfError: RTGF_PIPELINE_QA_FAIL, naming every scenario that comes out otherwise; the
            reason why a list cannot be screened against.
        """
        due = [
            (index, scenario)
            for index, scenario in enumerate(snapshot.scenarios)
            if scenario.corridor == corridor
        ]
        if not due:
            return 0
        token = read(document)
        failures = [
            failure
            for index, scenario in due
            if (failure := self._failure(snapshot, scenario, index, token)) is not None
        ]
        if failures:
            raise RtgfError(
                Code.RTGF_PIPELINE_QA_FAIL,
                f"{token.token_id} does not decide as {snapshot.id} says: {failures[0].detail}",
                pointer=failures[0].pointer,
                causes=tuple(failures),
            )
        return len(due)

    def _failure(
        self, snapshot: Snapshot, scenario: Scenario, index: int, token: Token
    ) -> RtgfError | None:
        decision = decide.run(
            self._state.prepared(token),
            scenario.context,
            at=token.nbf,
            resolvers=self._state.resolvers(token, token.nbf),
        )
        if self._screens.refused is not None:
            raise self._screens.refused
        expected = scenario.expect
        missing = [reason for reason in expected.reasons if reason not in decision.reasons]
        if decision.decision == expected.decision and not missing:
            return None
        came = ", ".join(decision.reasons) or "no reason"
        return RtgfError(
            Code.RTGF_PIPELINE_QA_FAIL,
            f"scenario {scenario.name!r} of {snapshot.id} expects {expected.decision}"
            f" ({', '.join(expected.reasons) or 'any reason'}), came {decision.decision} ({came})",
            pointer=pointer("scenarios", index),
        )


class _Screens(dict[str, NameIndex]):
    """Name indexes by content digest, each taken from its source when first asked for.

    A decision turns a failing list into DENY, as it must. Here it would hide that a list is damaged
    behind scenarios that expect DENY anyway, so that the reason is kept.
    """

    def __init__(self, source: Mapping[str, NameIndex]) -> None:
        super().__init__()
        self._source = source
        self.refused: RtgfError | None = None

    def __missing__(self, content_sha256: str) -> NameIndex:
        try:
            self[content_sha256] = index = self._source[content_sha256]
        except KeyError:
            self.refused = RtgfError(
                Code.RTGF_BUILD_HASH_MISMATCH,
                f"the records of the list {content_sha256} were not handed in",
            )
            raise self.refused from None
        except RtgfError as error:
            self.refused = error
            raise
        return index
