"""What a corridor demands and does not vouch for itself, whoever uses it must bring.

The corridor vouches for the lower of both sides' assurance levels and demands the higher. Where
they are the same, nothing more is asked of anyone. Where they differ, the gap is closed by what the
context states: the assurance of the evidence that the caller holds on the parties.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from rtgf_node.core import digests
from rtgf_node.core.canonical_json import JsonValue

LEVELS = ("low", "substantial", "high")
TEMPLATE = "required_assurance_level"
INPUT = "assurance_level"

Document = dict[str, JsonValue]


def demanded(sides: Sequence[Mapping[str, JsonValue]]) -> tuple[str, str]:
    """Return the level that the corridor of these RMTs vouches for, and the one it demands."""
    vouched = [str(token["assurance_level"]) for token in sides]
    # A jurisdiction demands of its counterpart what it demands of itself, unless it says otherwise.
    asked = vouched + [str(token.get("required_assurance_level", "low")) for token in sides]
    return min(vouched, key=LEVELS.index), max(asked, key=LEVELS.index)


def rules(sides: Sequence[Mapping[str, JsonValue]]) -> list[Document]:
    """Return the predicate that enforces the demanded level, or none where it is vouched for."""
    vouched, required = demanded(sides)
    if LEVELS.index(vouched) >= LEVELS.index(required):
        return []
    by = next(token for token in sides if demanded([token])[1] == required)
    place, domain = str(by["jurisdiction"]), str(by["domain"])
    levels: list[JsonValue] = list(LEVELS[LEVELS.index(required) :])
    rule: Document = {
        "domain": domain,
        # No clause can have this id, for it is a member of the snapshot and no clause of it.
        "clause_id": f"@{TEMPLATE}",
        "jurisdiction": place,
        "kind": "obligation",
        "template": TEMPLATE,
        "applies_to": "both",
        "applies_when": None,
        "inputs": [{"name": INPUT, "type": "string", "required": True}],
        "derive": [],
        "logic": {"op": "IN", "args": [{"var": INPUT}, {"list": levels}]},
        "on_fail": {"decision": "DENY", "reason": "ASSURANCE_LEVEL_TOO_LOW", "controls": []},
        "citation": {
            "ref": f"snapshot:{place.lower()}:{domain}",
            "instrument": f"Policy snapshot of {place}, {domain}",
            "article": "assurance_level",
        },
        "params": {"level": required},
    }
    digest = digests.of_document(rule).removeprefix("sha256:")[:12]
    return [{"id": f"pred.{place.lower()}.{domain}.{digest}", **rule}]
