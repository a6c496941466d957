"""Answers to a rule's question whether a party is on a list, from lists that somebody holds.

Whoever writes or reads rules has files and no node. A question about a list that is not among them
is remembered, so that a decision which rests on it can be told from one that does not.
"""

from __future__ import annotations

from collections.abc import Mapping

from rtgf_node.core.canonical_json import JsonValue
from rtgf_node.core.envelope import Token
from rtgf_node.core.lists.screening import NameIndex
from rtgf_node.core.policy.decide import Resolver
from rtgf_node.core.screened_party import party_of


class ListAnswers:
    """The lists by name, each with its content digest, as resolvers.

    Attributes:
      missing: the lists that were asked for since the last `forget` and are not here.
    """

    def __init__(self, lists: Mapping[str, tuple[str, NameIndex]]) -> None:
        self._lists = dict(lists)
        self.missing: set[str] = set()
        self.resolvers: Mapping[str, Resolver] = {
            "sanctions": self._sanctions,
            "registry": _nothing_registered,
        }

    def forget(self) -> None:
        """Begin anew to remember what is missing."""
        self.missing = set()

    def keep(self, token: Token) -> list[str]:
        """Let go of lists that are not of the version that a token names; return their names."""
        named = {(one.dataset, one.content_sha256) for one in token.evidence.datasets}
        other = sorted(
            name for name, (content, _) in self._lists.items() if (name, content) not in named
        )
        for name in other:
            del self._lists[name]
        return other

    def _sanctions(self, arguments: Mapping[str, JsonValue]) -> JsonValue:
        party = party_of(arguments["party"])
        names = arguments["lists"]
        if not isinstance(names, list) or not names:
            raise TypeError("lists must be a list of dataset names")
        wanted = sorted({str(name) for name in names})
        absent = [name for name in wanted if name not in self._lists]
        if absent:
            self.missing.update(absent)
            raise LookupError(f"no list {absent[0]}")
        threshold = float(str(arguments["threshold"]))
        matches: list[JsonValue] = [
            {"list": name, "record": match.source_id, "score": f"{match.score:.4f}"}
            for name in wanted
            for match in self._lists[name][1].screen(party, threshold=threshold)
        ]
        used: list[JsonValue] = [self._lists[name][0] for name in wanted]
        return {"listed": bool(matches), "matches": matches, "dataset_digests": used}


def _nothing_registered(_arguments: Mapping[str, JsonValue]) -> JsonValue:
    """Say of any token that it is not known, as a build does when it runs scenarios."""
    return {"found": False, "valid": False}
