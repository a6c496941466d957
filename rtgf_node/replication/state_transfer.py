"""One member's state in place of another's: how a leader offers it, and how it is fetched."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from functools import partial
from pathlib import Path
from typing import Final, NamedTuple, TypeAlias

import structlog
import trio

from rtgf_node.core import digests
from rtgf_node.errors import Code, RtgfError
from rtgf_node.replication import state_files
from rtgf_node.replication.named_objects import ObjectHolding
from rtgf_node.replication.raftcore.answers import Message, Ready
from rtgf_node.replication.raftcore.core import RaftCore, RaftError
from rtgf_node.replication.raftcore.wire import ConfState
from rtgf_node.replication.state_files import Manifest, StateFiles
from rtgf_node.replication.writers import Writer
from rtgf_node.store import snapshot_file
from rtgf_node.store.raft_store import RaftState
from rtgf_node.store.snapshot_file import SignedState

log = structlog.get_logger(__name__)

RETRY_SECONDS: Final = 1.0
"""Before a state is made, or asked for, again."""

FetchState: TypeAlias = Callable[[Manifest, int], Awaitable[Path]]
"""Gets the file of a manifest from a member into a file of our own.

Raises:
  RtgfError: it did not work now.
"""


class StateOffers:
    """The state that this node offers as a leader. It is written when somebody needs it.

    Attributes:
      making: whether one is being written: its index must stay in the log until it is offered.
    """

    def __init__(self, files: StateFiles, writer: Writer) -> None:
        self._files = files
        self._writer = writer
        self._held: tuple[Manifest, bytes] | None = None
        self._wanted = trio.Event()
        self.making = False

    def clear(self) -> None:
        """Offer nothing: the core is another one."""
        self._held = None

    def fits(self, message: Message, compacted: int) -> bool:
        """Say whether a core's message offers what its receiver can take; else have one made.

        It must name the receiver, who ignores it otherwise, and be followed by the log.
        """
        held = self._held
        if (
            held is not None
            and held[1] in message.data
            and held[0].names(message.to)
            and held[0].index >= compacted
        ):
            return True
        self._wanted.set()
        return False

    async def run(self, where: Callable[[], tuple[RaftCore, RaftState] | None]) -> None:
        """Write a state whenever one is needed, until cancelled; `where` gives the core now."""
        while True:
            await self._wanted.wait()
            self.making = True
            try:
                await self._make(where)
            except (RtgfError, RaftError) as error:
                log.warning("no_state_made", reason=str(error))
            finally:
                self.making = False
            await trio.sleep(RETRY_SECONDS)
            self._wanted = trio.Event()

    async def _make(self, where: Callable[[], tuple[RaftCore, RaftState] | None]) -> None:
        now = where()
        if now is None or (self._held is not None and self._held[0].index >= now[1].applied):
            return
        manifest = await self._writer.aside(self._files.write)
        encoded = state_files.encode(manifest)
        now = where()
        if now is not None and manifest.index >= now[1].compacted:
            core, _ = now
            core.make_snapshot(manifest.index, ConfState.decode(manifest.conf_state), encoded)
            self._held = (manifest, encoded)


class Fetching(NamedTuple):
    """A state that is being fetched.

    Attributes:
      member: from which member.
      manifest: which state.
      missing: the objects that it rests on and that were not here, once its file is here.
    """

    member: int
    manifest: Manifest
    missing: Sequence[str] = ()


class StateTaking:
    """Fetches and checks a state that a leader sent.

    Attributes:
      under_way: what is being fetched.
      trouble: why the newest try came to nothing.
    """

    def __init__(
        self,
        objects: ObjectHolding,
        fetch: FetchState,
        check_head: Callable[[SignedState], None],
        writer: Writer,
    ) -> None:
        self._objects = objects
        self._fetch = fetch
        self._check_head = check_head
        self._writer = writer
        self._scope = trio.CancelScope()
        self.under_way: Fetching | None = None
        self.trouble: str | None = None

    async def fetch(self, ready: Ready, leader: int) -> tuple[Manifest, Path] | None:
        """Return the state that the core wants taken, with all objects that it rests on here.

        None says that it cannot be had now, or is not what it says, or that this was given up.
        """
        found = None
        with trio.CancelScope() as self._scope:
            try:
                found = await self._fetched(ready, leader)
            except RtgfError as error:
                log.warning("state_not_taken", member=leader, reason=str(error))
                self.trouble = error.detail
                await trio.sleep(RETRY_SECONDS)
            finally:
                self.under_way = None
        return None if self._scope.cancel_called else found

    def give_up(self) -> None:
        """Fetch no more; what came stays, and a later start goes on from there."""
        self._scope.cancel()

    async def _fetched(self, ready: Ready, leader: int) -> tuple[Manifest, Path]:
        manifest = state_files.decode(ready.snapshot_data)
        if (manifest.index, manifest.term) != (ready.snapshot_index, ready.snapshot_term):
            raise RtgfError(Code.RTGF_INPUT_INVALID, "the manifest is of another state")
        self.under_way = Fetching(leader, manifest)
        path = await self._fetch(manifest, leader)
        objects = await self._writer.aside(
            partial(
                snapshot_file.check,
                path,
                sha256=manifest.sha256,
                tree_size=manifest.tree_size,
                root=manifest.root,
                check_head=self._check_head,
            )
        )
        if digests.of_documents(objects) != manifest.objects_root:
            raise RtgfError(Code.RTGF_TXP_STORE_DAMAGED, "the state rests on other objects")
        missing = sorted(digest for digest in objects if not self._objects.has(digest))
        if missing:
            self.under_way = Fetching(leader, manifest, missing)
            await self._objects.fetch(missing)
        return manifest, path


def state_of(manifest: Manifest, before: RaftState, hard_state: bytes) -> RaftState:
    """Return where a node stands that has taken a state."""
    return before._replace(
        hard_state=hard_state or before.hard_state,
        conf_state=manifest.conf_state,
        compacted=manifest.index,
        compacted_term=manifest.term,
        delivered=manifest.index,
        applied=manifest.index,
    )
