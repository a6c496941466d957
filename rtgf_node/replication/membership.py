"""Who is in the cluster: changes as they travel through the log, and what they may not do.

A change says on which earlier one it rests, and is refused on every node alike where another came
between: an operator decides on what they saw, and one that is proposed twice happens once.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final, NamedTuple

import msgspec

from rtgf_node.errors import Code, RtgfError
from rtgf_node.replication.raftcore import wire
from rtgf_node.replication.raftcore.core import Entry
from rtgf_node.replication.raftcore.wire import ChangeKind, ConfState
from rtgf_node.store.raft_store import Member

MAX_MEMBERS: Final = 64
"""Members there may ever have been that are kept; more than any cluster replaces in years."""

_KINDS: Final = {
    "voter": ChangeKind.ADD_VOTER,
    "learner": ChangeKind.ADD_LEARNER,
    "removed": ChangeKind.REMOVE,
}
NOTHING: Final = wire.conf_change([(ChangeKind.ADD_VOTER, 0)])
"""A change of the member 0, whom there is not: what the core is given in place of a refused one.

An empty change would mean that the one under way is complete.
"""


class ChangeMembers(msgspec.Struct, frozen=True, array_like=True):
    """What travels with a change of members.

    Attributes:
      asker: who asked, so that they hear of it.
      number: which of their changes.
      based_on: the index of the change of members before it.
      members: how those who change are from now on.
    """

    asker: str
    number: int
    based_on: int
    members: tuple[Member, ...]


class Change(NamedTuple):
    """A change of members as it was met in the log.

    Attributes:
      asker, number: whose; empty for the end of a change, which the core proposes itself.
      members: what changed; empty if it was refused.
      data: what the core is to apply.
      refusal: why it was refused.
    """

    asker: str
    number: int
    members: tuple[Member, ...]
    data: bytes
    refusal: RtgfError | None


class Members:
    """The members as of what the core has handed out.

    Attributes:
      changed_at: the index of the change that made them so.
    """

    def __init__(self, members: Sequence[Member], changed_at: int) -> None:
        self._members = {one.raft_id: one for one in members}
        self.changed_at = changed_at

    def all(self) -> dict[int, Member]:
        """Return every member there ever was."""
        return dict(self._members)

    def present(self) -> dict[int, Member]:
        """Return those who are in the cluster."""
        return {key: one for key, one in self._members.items() if one.role != "removed"}

    def propose(self, asker: str, number: int, members: Sequence[Member]) -> bytes:
        """Return the change to propose.

        Raises:
          RtgfError: RTGF_CONFLICT or RTGF_INPUT_INVALID if it could not happen.
        """
        change = ChangeMembers(asker, number, self.changed_at, tuple(members))
        self._check(change)
        return wire.conf_change(
            [(_KINDS[one.role], one.raft_id) for one in members], msgspec.msgpack.encode(change)
        )

    def deliver(self, entry: Entry) -> Change:
        """Let a committed change take effect, the same on every node."""
        try:
            if not entry.data:
                return Change("", 0, (), b"", None)
            context = wire.conf_change_context(entry.data)
            change = msgspec.msgpack.decode(context, type=ChangeMembers)
            wanted = [(_KINDS[one.role], one.raft_id) for one in change.members]
            if entry.kind != 2 or wire.conf_change(wanted, context) != entry.data:
                raise ValueError("the change does something else than it says")
        except (ValueError, msgspec.MsgspecError) as error:
            refusal = RtgfError(Code.RTGF_INPUT_INVALID, f"no change of members: {error}")
            return Change("", 0, (), NOTHING, refusal)
        try:
            self._check(change)
        except RtgfError as refusal:
            return Change(change.asker, change.number, (), NOTHING, refusal)
        self._members |= {one.raft_id: one for one in change.members}
        self.changed_at = entry.index
        return Change(change.asker, change.number, change.members, entry.data, None)

    def _check(self, change: ChangeMembers) -> None:
        if change.based_on != self.changed_at:
            raise _conflict("the members were changed meanwhile; look at them and decide again")
        if not change.members or len({one.raft_id for one in change.members}) != len(
            change.members
        ):
            raise RtgfError(Code.RTGF_INPUT_INVALID, "a change names each of its members once")
        after = self._members | {one.raft_id: one for one in change.members}
        for one in change.members:
            held = self._members.get(one.raft_id)
            if one.raft_id < 1:
                raise RtgfError(Code.RTGF_INPUT_INVALID, "a Raft id is a number from 1 on")
            if held is not None and held.role == "removed":
                raise _conflict(
                    f"the Raft id {one.raft_id} was removed; a node that comes back is "
                    "a new member with a new id and an empty data folder"
                )
            if held is None and one.role == "removed":
                raise _conflict(f"there is no member {one.raft_id}")
            if held is not None and held.name != one.name:
                raise _conflict(f"member {one.raft_id} is {held.name}, not {one.name}")
        if len(after) > MAX_MEMBERS:
            raise _conflict(f"a cluster has at most {MAX_MEMBERS} members in its life")
        present = [one for one in after.values() if one.role != "removed"]
        if len({one.name for one in present}) != len(present):
            raise _conflict("two members would have the same name")
        if not any(one.role == "voter" for one in present):
            raise _conflict("nobody would be left to decide")


def is_learner(conf_state: ConfState, raft_id: int) -> bool:
    """Say whether a member decides nothing."""
    deciding = {*conf_state.voters, *conf_state.voters_outgoing}
    return raft_id not in deciding


def _conflict(detail: str) -> RtgfError:
    return RtgfError(Code.RTGF_CONFLICT, detail)
