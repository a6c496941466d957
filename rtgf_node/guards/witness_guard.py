"""What this witness cosigned last of each log, kept apart from the store.

A store that is put back to an old copy has forgotten what was cosigned since, and nothing in it
shows that: cosigning adds nothing to our own log. The guard remembers, and gives it back.
"""

from __future__ import annotations

from pathlib import Path

from rtgf_node.guards.guard_file import GuardFile
from rtgf_node.store.witness_store import CosignedRow

FILE = "last_cosigned.json"
"""Its name, beside the guard of our own log."""

MAX_BYTES = 32 << 20
"""Some hundred logs with the largest checkpoints that are cosigned, or ten thousand usual ones."""


class WitnessGuard:
    """A small file with the newest cosigned checkpoint of each log that was ever cosigned.

    Blocking, and safe against another process that uses the same file.
    """

    def __init__(self, path: Path) -> None:
        self._file: GuardFile[dict[str, CosignedRow]] = GuardFile(
            path, dict[str, CosignedRow], max_bytes=MAX_BYTES
        )

    def read(self, origin: str) -> CosignedRow | None:
        """Return what was cosigned last of a log, None if the file knows nothing of it.

        Raises:
          RtgfError: RTGF_TXP_STORE_DAMAGED if the file is there and cannot be read as one.
        """
        return (self._file.read() or {}).get(origin)

    def swap(self, expected: CosignedRow | None, new: CosignedRow) -> None:
        """Replace what the file holds of a log, `expected`, by `new`, durably.

        Raises:
          RtgfError: RTGF_TXP_GOSSIP_INCONSISTENT if the file holds something else than `expected`:
            somebody else cosigns in our name.
        """
        with self._file.locked():
            held = self._file.read() or {}
            if held.get(new.origin) != expected:
                raise self._file.changed("two nodes cosign as one witness")
            self._file.write({**held, new.origin: new})
