"""One worker process as its node sees it."""

from __future__ import annotations

import socket

import trio

from rtgf_node.api.room import Counts
from rtgf_node.figures import summed
from rtgf_node.workers.frames import Channel


class Member:
    """One worker process, from its start to its end.

    Attributes:
      number: of its place among the workers.
      heard: the number of the newest news that it has heard.
      prepared: the number of the newest lists that it has ready.
      is_open: whether it may answer, so that its hearing counts.
      listening: set when it answers.
      silent: set when all that it said is heard.
      connected: its clients, and how many connections each has.
    """

    def __init__(
        self, number: int, process: trio.Process, channel: Channel, door: socket.socket, heard: int
    ) -> None:
        self.number = number
        self.process = process
        self.channel = channel
        self.door = door
        self.heard = heard
        self.prepared = 0
        self.heard_at = trio.current_time()
        self.is_open = False
        self.listening = trio.Event()
        self.figures: summed.Samples = {}
        self.silent = trio.Event()
        self.connected: dict[str, int] = {}
        self.scope = trio.CancelScope(shield=True)

    def connect(self, changes: Counts) -> None:
        """Take note of what these clients have now."""
        connected = {**self.connected, **dict(changes)}
        self.connected = {client: count for client, count in connected.items() if count}
