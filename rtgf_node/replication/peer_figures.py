"""What the connections to one peer have done so far, for the metrics and for `status`."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(slots=True)
class PeerFigures:
    """Figures of one peer; only ever growing where not said otherwise.

    Attributes:
      is_connected: whether the link to the peer stands now.
      connects: how often it was made.
      failures: how often it broke, or could not be made.
      last_failure: why, the last time.
      rtt_seconds: the newest round trip of a ping, while connected.
      sent_frames: messages handed to the network.
      sent_bytes: their bytes.
      dropped_frames: messages that were not sent: no connection, or too many waited.
      queued_bytes: of the messages that wait now.
      received_frames: messages that the peer sent and that passed every check.
      received_bytes: their bytes.
      cut: connections of the peer that this node ended: for what it said, or for its silence.
    """

    is_connected: bool = False
    connects: int = 0
    failures: int = 0
    last_failure: str = ""
    rtt_seconds: float | None = None
    sent_frames: int = 0
    sent_bytes: int = 0
    dropped_frames: int = 0
    queued_bytes: int = 0
    received_frames: int = 0
    received_bytes: int = 0
    cut: int = 0
