"""Writing files whole: a reader sees the old bytes or the new ones, never half of them."""

from __future__ import annotations

import os
from pathlib import Path


def write_whole(path: Path, data: bytes, *, mode: int = 0o644) -> None:
    """Write `data` to `path` with these permissions, atomically and durably.

    Raises:
      OSError: it could not be written; nothing under the name has changed.
    """
    try:
        _write(path, path.with_name(f".{path.name}.new"), data, mode)
    except OSError as error:
        # Whoever is told knows this name, not the one that the file has until it is whole.
        error.filename, error.filename2 = str(path), None
        raise


def _write(path: Path, fresh: Path, data: bytes, mode: int) -> None:
    fresh.unlink(missing_ok=True)
    descriptor = os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_EXCL, mode)
    try:
        # As a file, which writes on when the disk takes only a part at once.
        with os.fdopen(descriptor, "wb") as file:
            # The umask may have taken bits away; it never adds any.
            os.fchmod(file.fileno(), mode)
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        fresh.replace(path)
        sync_folder(path.parent)
    except BaseException:
        fresh.unlink(missing_ok=True)
        raise


def sync_folder(folder: Path) -> None:
    """Make the names in `folder` durable: a new name is so only when its folder is."""
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
