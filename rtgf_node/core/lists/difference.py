"""What changed from one version of a list to another: which records, by their publisher's ids.

Names are personal data. They are not in the result; whoever holds the files may look them up.
"""

from __future__ import annotations

from collections.abc import Iterable

from msgspec import Struct

from rtgf_node.core.lists.record import Record


class ListDifference(Struct, frozen=True):
    """The records that were listed, delisted, or say something else now; ids sorted.

    Attributes:
      changed: by record id the members that differ.
    """

    old_count: int
    new_count: int
    added: tuple[str, ...]
    removed: tuple[str, ...]
    changed: dict[str, tuple[str, ...]]

    @property
    def is_empty(self) -> bool:
        """Whether nothing changed."""
        return not (self.added or self.removed or self.changed)


def compare(old: Iterable[Record], new: Iterable[Record]) -> ListDifference:
    """Return what changed from the records `old` to the records `new`."""
    before = {record.source_id: record for record in old}
    after = {record.source_id: record for record in new}
    changed = {
        one: tuple(
            member
            for member in Record.__struct_fields__
            if getattr(before[one], member) != getattr(after[one], member)
        )
        for one in sorted(before.keys() & after.keys())
        if before[one] != after[one]
    }
    return ListDifference(
        old_count=len(before),
        new_count=len(after),
        added=tuple(sorted(after.keys() - before.keys())),
        removed=tuple(sorted(before.keys() - after.keys())),
        changed=changed,
    )
