"""State files: what a leader offers to a member that is too far behind for its log."""

from __future__ import annotations

from pathlib import Path
from typing import Final

import msgspec

from rtgf_node.core import digests
from rtgf_node.errors import Code, RtgfError
from rtgf_node.replication.raftcore.wire import ConfState
from rtgf_node.store import snapshot_file

FOLDER: Final = "raft-states"
UNFINISHED: Final = ".unfinished"
KEPT: Final = 2
"""The newest, and the one before: a member may still be fetching that."""


class Manifest(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What the core's snapshot carries: which state, and how to know it.

    Attributes:
      index, term: of the last entry that is in the state.
      conf_state: who is in the cluster at that index, as the core encodes it.
      tree_size, root: of its log.
      sha256, size: of the file, which travels beside.
      objects_root: of the digests of the objects that it rests on.
    """

    index: int
    term: int
    conf_state: bytes
    tree_size: int
    root: bytes
    sha256: str
    size: int
    objects_root: str

    def names(self, raft_id: int) -> bool:
        """Say whether a member is in the cluster at that index."""
        conf = ConfState.decode(self.conf_state)
        return raft_id in {*conf.voters, *conf.learners, *conf.voters_outgoing, *conf.learners_next}


encode = msgspec.msgpack.Encoder().encode
_decode = msgspec.msgpack.Decoder(Manifest).decode


def decode(data: bytes) -> Manifest:
    """Read a manifest.

    Raises:
      RtgfError: RTGF_INPUT_INVALID if it is none.
    """
    try:
        return _decode(data)
    except msgspec.MsgspecError as error:
        raise RtgfError(Code.RTGF_INPUT_INVALID, f"no manifest of a state: {error}") from error


class StateFiles:
    """The files of one node, named by their digest. They are of use only while it runs."""

    def __init__(self, folder: Path) -> None:
        """Take the data folder."""
        self._database = folder / "node.db"
        self._folder = folder / FOLDER

    def path(self, sha256: str) -> Path | None:
        """Return the file of this digest, None if it is not, or no longer, here."""
        digests.check_form(sha256)
        path = self._folder / sha256.removeprefix("sha256:")
        return path if path.is_file() else None

    def clear(self) -> None:
        """Remove what an earlier run left."""
        self._prune(0)

    def write(self) -> Manifest:
        """Write the state as it is now, and prune older ones. Blocks for seconds.

        Raises:
          RtgfError: as `snapshot_file.write`.
        """
        self._folder.mkdir(mode=0o700, exist_ok=True)
        unfinished = self._folder / UNFINISHED
        unfinished.unlink(missing_ok=True)
        try:
            written = snapshot_file.write(self._database, unfinished)
            unfinished.rename(self._folder / written.sha256.removeprefix("sha256:"))
        finally:
            unfinished.unlink(missing_ok=True)
        self._prune(KEPT)
        return Manifest(
            index=written.state.applied,
            term=written.term,
            conf_state=written.state.conf_state,
            tree_size=written.tree_size,
            root=written.root,
            sha256=written.sha256,
            size=written.size,
            objects_root=digests.of_documents(written.objects),
        )

    def _prune(self, kept: int) -> None:
        if not self._folder.is_dir():
            return
        files = sorted(self._folder.iterdir(), key=lambda path: path.stat().st_mtime_ns)
        for path in files[: max(0, len(files) - kept)]:
            path.unlink(missing_ok=True)
