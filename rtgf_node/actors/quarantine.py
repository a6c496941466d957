"""What waits in quarantine: the newest file of a list, apart from the files of lists in force.

At most one file of each list waits, and for no longer than `MAX_AGE_SECONDS`. Each list has a
folder of its own, so that what is removed is never what something else rests on.
"""

from __future__ import annotations

from collections.abc import Collection

from rtgf_node.core.clock import Clock
from rtgf_node.store import Store
from rtgf_node.store.intake_store import QuarantineRow
from rtgf_node.store.objects import ObjectStore

FOLDER = "quarantine"

MAX_AGE_SECONDS = 30 * 86_400
"""A file that its provider did not offer again for a month is not its newest any more."""


class Quarantine:
    """The files that wait. All but `waiting` read and write files: call them in a thread."""

    def __init__(self, store: Store, clock: Clock) -> None:
        self._store = store
        self._clock = clock
        self._folder = store.folder / FOLDER

    def waiting(self) -> list[QuarantineRow]:
        """Return what waits, sorted by the name of the list."""
        since = self._clock.now() - MAX_AGE_SECONDS
        return [row for row in self._store.intake.quarantined() if row.at >= since]

    def keep(self, name: str, files: Collection[bytes]) -> frozenset[str]:
        """Keep the files of one list beside what waits of it already; return their digests."""
        objects = ObjectStore(self._folder / name)
        return frozenset(objects.put(file) for file in files)

    def let_out(self, name: str) -> None:
        """Copy the files of a list to those of lists in force."""
        objects = ObjectStore(self._folder / name)
        for digest in sorted(objects.digests()):
            self._store.objects.put(objects.get(digest))

    def tidy(self, name: str, waiting: Collection[str], newest: Collection[str] = ()) -> None:
        """Remove the files of all lists but of `waiting` ones, and of `name` all but the newest.

        Without `newest`, all that waits of `name` stays.
        """
        folders = sorted(self._folder.iterdir()) if self._folder.is_dir() else []
        for folder in folders:
            if folder.name not in waiting:
                ObjectStore(folder).keep_only(())
            elif newest and folder.name == name:
                ObjectStore(folder).keep_only(newest)
