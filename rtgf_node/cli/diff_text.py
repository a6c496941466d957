"""What `rtgf diff` found, as lines for people: `+` is new, `-` is gone, `~` is another."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

from rtgf_node.cli.policy_files import List
from rtgf_node.core.lists.difference import ListDifference
from rtgf_node.core.policy.consequences import BoundaryOutcome, Outcome, ScenarioOutcome
from rtgf_node.core.policy.difference import Change, Difference, Rules, words


def rules(
    old: Rules,
    new: Rules,
    found: Difference,
    scenarios: Sequence[ScenarioOutcome],
    boundaries: Sequence[BoundaryOutcome],
) -> Iterator[str]:
    """Yield the lines of two statements of rules."""
    same = found.is_empty and not any(one.differs for one in scenarios)
    yield f"{old.name} -> {new.name}: {'the same rules' if same else 'different'}"
    yield from (f"+ {clause}" for clause in found.added)
    yield from (f"- {clause}" for clause in found.removed)
    for clause in found.changed:
        yield f"~ {clause.clause} ({clause.law})"
        yield from (f"    {_change(one)}" for one in clause.changes)
    yield from (f"~ {_change(one)}" for one in found.members)
    changed = [one for one in scenarios if one.differs]
    if scenarios:
        yield f"scenarios: {len(changed)} of {len(scenarios)} are decided otherwise"
    for one in changed:
        yield f"  {one.scenario}: {_outcome(one.old)} -> {_outcome(one.new)}"
        if one.missing:
            yield f"    decided without the list {', '.join(one.missing)}; name it with --list"
    yield from _boundaries(boundaries)


def lists(
    old: List, new: List, found: ListDifference, names: Mapping[str, tuple[str, ...]]
) -> Iterator[str]:
    """Yield the lines of two versions of a list; names only where they are handed in."""

    def record(one: str) -> str:
        return f"{one}  {'; '.join(names[one])}" if one in names else one

    yield f"{old.name} -> {new.name}: {'the same records' if found.is_empty else 'different'}"
    yield (
        f"{found.old_count} -> {found.new_count} records: {len(found.added)} added,"
        f" {len(found.removed)} removed, {len(found.changed)} changed"
    )
    yield from (f"+ {record(one)}" for one in found.added)
    yield from (f"- {record(one)}" for one in found.removed)
    for one, members in found.changed.items():
        yield f"~ {record(one)} ({', '.join(members)})"


def _boundaries(boundaries: Sequence[BoundaryOutcome]) -> Iterator[str]:
    if not boundaries:
        return
    changed = [one for one in boundaries if one.differs]
    yield (
        f"thresholds: {len(changed)} of {len(boundaries)} questions around them are answered"
        " otherwise by the changed clause"
    )
    for one in changed:
        yield (
            f"  {one.clause}: {one.path} {words(one.value)}:"
            f" {_outcome(one.old)} -> {_outcome(one.new)}"
        )


def _outcome(outcome: Outcome) -> str:
    why = ", ".join((*outcome.reasons, *outcome.controls))
    return f"{outcome.decision} ({why})" if why else outcome.decision


def _change(change: Change) -> str:
    return f"{change.place}: {words(change.old)} -> {words(change.new)}"
