"""A node's place among others, as the node and its operators see it; and that of a node alone."""

from __future__ import annotations

from typing import Protocol

import trio

from rtgf_node.errors import Code, RtgfError
from rtgf_node.figures.cluster import MemberFigures
from rtgf_node.replication.replicator import Replicator
from rtgf_node.replication.solo import SoloReplicator
from rtgf_node.replication.state_machine import StateMachine
from rtgf_node.settings import Config
from rtgf_node.store import Store
from rtgf_node.wire import Check
from rtgf_node.wire.cluster import ClusterAnswer, JoinDocument


class Place(Protocol):
    """What the node and its operators may know and change of the cluster."""

    @property
    def replicator(self) -> Replicator:
        """Through which everything changes."""

    @property
    def failed(self) -> trio.Event:
        """Set when the process should end."""

    @property
    def error(self) -> BaseException | None:
        """Why."""

    @property
    def restart_needed(self) -> trio.Event:
        """Set when what is in memory is of a state that was exchanged for another."""

    @property
    def has_state(self) -> bool:
        """Whether there is anything to serve: a new member has nothing at first."""

    @property
    def waits(self) -> str | None:
        """What this node waits for before it can be up to date, None if for nothing."""

    @property
    def decisions_chain(self) -> str:
        """What this node's own chain of decisions is called in the log."""

    def shown(self) -> ClusterAnswer:
        """Return the cluster as this node sees it."""

    def checks(self) -> list[Check]:
        """Return what readiness asks: is there a leader, and is this node up to date."""

    def figures(self) -> MemberFigures | None:
        """Return what is counted, for the metrics; None of a node that stands alone."""

    def reload(self) -> None:
        """Read the certificates anew.

        Raises:
          RtgfError: RTGF_CONFIG_INVALID; then all stays as it was.
        """

    def expect(self, name: str | None) -> None:
        """Refuse a change that cannot be: of nobody's cluster, or of the member `name`.

        Raises:
          RtgfError: RTGF_CONFLICT if this node stands alone; RTGF_NOT_FOUND.
        """

    async def add(self, name: str, address: str) -> JoinDocument:
        """Give a new node a seat, as a learner.

        Raises:
          RtgfError: RTGF_CONFLICT; RTGF_UNAVAILABLE if no majority took it in.
        """

    async def promote(self, name: str) -> ClusterAnswer:
        """Let a learner decide. Raises as `add`, and RTGF_NOT_FOUND."""

    async def remove(self, name: str) -> ClusterAnswer:
        """Take a member out for good. Raises as `promote`."""

    async def transfer(self, to: str | None) -> ClusterAnswer:
        """Hand leadership over. Raises as `promote`."""


async def end_with(place: Place) -> None:
    """Wait until the place failed, and say why: it takes nothing more, and the process is to end.

    Raises:
      RtgfError: what an operator has to know.
      RuntimeError: with any other failure as its cause.
    """
    await place.failed.wait()
    if isinstance(place.error, RtgfError):
        raise place.error
    raise RuntimeError("the store failed") from place.error


class Alone:
    """The place of a node in no cluster."""

    def __init__(
        self, config: Config, store: Store, machine: StateMachine, replicator: SoloReplicator
    ) -> None:
        self.replicator = replicator
        self._machine = machine
        self.restart_needed = trio.Event()
        self._config = config
        self._store = store

    @property
    def failed(self) -> trio.Event:
        """Set when the store failed."""
        return self.replicator.failed

    @property
    def error(self) -> BaseException | None:
        """What failed."""
        return self.replicator.error

    @property
    def has_state(self) -> bool:
        """True."""
        return True

    @property
    def waits(self) -> None:
        """Nothing."""

    @property
    def decisions_chain(self) -> str:
        """The issuer: there is one chain."""
        return self._config.node.issuer

    def shown(self) -> ClusterAnswer:
        """Return this node as its own leader."""
        applied = self._machine.last_index
        return ClusterAnswer(
            alone=True,
            cluster=self._config.log_origin(),
            name="",
            role="leader",
            leader=None,
            term=0,
            last_index=applied,
            commit=applied,
            applied=applied,
            tree_size=self._store.log.size,
            staleness_seconds=0.0,
            members=[],
        )

    def checks(self) -> list[Check]:
        """Return nothing: there is nobody to lag behind."""
        return []

    def figures(self) -> None:
        """Return nothing."""

    def reload(self) -> None:
        """Do nothing."""

    def expect(self, name: str | None) -> None:
        """Refuse."""
        raise self._alone()

    async def add(self, name: str, address: str) -> JoinDocument:
        """Refuse."""
        raise self._alone()

    async def promote(self, name: str) -> ClusterAnswer:
        """Refuse."""
        raise self._alone()

    async def remove(self, name: str) -> ClusterAnswer:
        """Refuse."""
        raise self._alone()

    async def transfer(self, to: str | None) -> ClusterAnswer:
        """Refuse."""
        raise self._alone()

    def _alone(self) -> RtgfError:
        return RtgfError(
            Code.RTGF_CONFLICT,
            "this node stands alone; stop it, run `rtgf cluster init`, and start it again",
        )
