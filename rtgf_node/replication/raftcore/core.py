"""The calls of etcd's Raft core: one node that is driven from outside, message by message.

The order of a round: `ready`, save what it says, `persisted`, send, apply, `advance`. In between,
`tick`, `step` and `propose` are allowed. All calls come from one thread: cffi lets others run
meanwhile, and the core has no lock.

A process that has loaded the core runs Go's threads. It must not fork without starting another
program: the child would wait for ever, so that every call there is refused.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from functools import cache
from pathlib import Path
from typing import Any

from cffi import FFI

from rtgf_node.replication.raftcore.answers import (
    Entry,
    Message,
    Progress,
    Ready,
    Role,
    Status,
    decode_ready,
    decode_status,
    encode_entries,
)
from rtgf_node.replication.raftcore.wire import ConfState

__all__ = [
    "Entry",
    "Message",
    "Progress",
    "RaftCore",
    "RaftError",
    "RaftPanicError",
    "Ready",
    "Role",
    "Status",
    "available",
    "seed",
]

LIBRARY = Path(__file__).with_name("libraftcore.so")
"""Built from the Go files beside it."""

INPUT_BYTES = 64 << 20
"""The most that one call hands over: more than any message, and far below C's 2 GiB."""

_POISONED, _PANICKED = -97, -99  # as in raftcore.go

_DECLARATIONS = """
typedef struct { int32_t rc; uint32_t len; void *ptr; } rc_out;
void rc_free(void *p);
void rc_seed(uint64_t seed);
rc_out rc_new(uint64_t id, uint64_t election_ticks, uint64_t heartbeat_ticks, uint64_t applied,
  void *snapshot, uint32_t snapshot_len, void *hard_state, uint32_t hard_state_len,
  void *entries, uint32_t entries_len, uint64_t *h);
void rc_close(uint64_t h);
rc_out rc_tick(uint64_t h);
rc_out rc_campaign(uint64_t h);
rc_out rc_step(uint64_t h, void *p, uint32_t l);
rc_out rc_propose(uint64_t h, void *p, uint32_t l);
rc_out rc_propose_conf_change(uint64_t h, void *p, uint32_t l);
rc_out rc_apply_conf_change(uint64_t h, uint32_t kind, void *p, uint32_t l);
rc_out rc_read_index(uint64_t h, void *p, uint32_t l);
rc_out rc_transfer(uint64_t h, uint64_t to);
rc_out rc_report_unreachable(uint64_t h, uint64_t to);
rc_out rc_report_snapshot(uint64_t h, uint64_t to, int32_t ok);
rc_out rc_ready(uint64_t h);
rc_out rc_persisted(uint64_t h);
rc_out rc_advance(uint64_t h);
rc_out rc_make_snapshot(uint64_t h, uint64_t index, void *conf, uint32_t conf_len,
  void *data, uint32_t data_len);
rc_out rc_compact(uint64_t h, uint64_t index);
rc_out rc_status(uint64_t h);
"""


class RaftError(Exception):
    """The core refused this call and is as it was: no leader to propose to, bytes that are none."""


class RaftPanicError(BaseException):
    """The core found what cannot be; nothing it knows may be used any more. End the process."""


@cache
def _loaded() -> tuple[FFI, Any]:
    ffi = FFI()
    ffi.cdef(_DECLARATIONS)
    try:
        return ffi, ffi.dlopen(str(LIBRARY))
    except OSError as error:
        raise RaftError(f"the Raft core cannot be loaded: {error}") from error


def available() -> bool:
    """Whether this installation carries the core."""
    return LIBRARY.is_file()


def seed(number: int) -> None:
    """Make all later election timeouts of this process follow from a number. For simulations."""
    _loaded()[1].rc_seed(number)


class RaftCore:
    """One node of the core. `close` it when it is not needed any more.

    Every method raises RaftError if the core refuses, and RaftPanicError if it panics or did so
    before. After a RaftError the node is as it was.

    Args:
      node_id: its id in the cluster, from 1 on; never one that another node, or an earlier life of
        this one with another disk, had.
      snapshot: as it was saved last, or as `wire.snapshot` makes it for the first members; empty
        for a joiner that has nothing.
      hard_state: as it was saved last.
      entries: the saved ones after the snapshot.
      applied: the index up to which they are applied; not before the snapshot's.
      election_ticks: without a leader for this many ticks, and at most twice as many, it asks
        to be elected; without a majority for this many, a leader steps down.
      heartbeat_ticks: a leader speaks to all at least this often.
    """

    def __init__(
        self,
        node_id: int,
        *,
        snapshot: bytes = b"",
        hard_state: bytes = b"",
        entries: Sequence[Entry] = (),
        applied: int = 0,
        election_ticks: int = 10,
        heartbeat_ticks: int = 1,
    ) -> None:
        self._ffi, self._library = _loaded()
        self._process = os.getpid()
        self._handle = 0
        handle = self._ffi.new("uint64_t *")
        self._call(
            self._library.rc_new,
            node_id,
            election_ticks,
            heartbeat_ticks,
            applied,
            *self._input(snapshot),
            *self._input(hard_state),
            *self._input(encode_entries(entries)),
            handle,
        )
        self._handle = int(handle[0])
        self.node_id = node_id

    def tick(self) -> None:
        """Let one tick of its time pass."""
        self._call(self._library.rc_tick, self._handle)

    def campaign(self) -> None:
        """Ask to be elected now."""
        self._call(self._library.rc_campaign, self._handle)

    def step(self, data: bytes) -> None:
        """Take a peer's message. Who sent it is to be checked before, by `wire.message_head`."""
        self._call(self._library.rc_step, self._handle, *self._input(data))

    def propose(self, data: bytes) -> None:
        """Propose an entry; a follower sends it to the leader. It may be lost without a word."""
        self._call(self._library.rc_propose, self._handle, *self._input(data))

    def propose_conf_change(self, data: bytes) -> None:
        """Propose a change of members (`wire.conf_change`).

        A leader refuses one that could not be applied. One that comes while another is under way
        becomes an empty entry.
        """
        self._call(self._library.rc_propose_conf_change, self._handle, *self._input(data))

    def apply_conf_change(self, kind: int, data: bytes) -> ConfState:
        """Let a committed change take effect; every one of them, also after a restart.

        Returns:
          Who is in the cluster now.
        """
        answer = self._call(
            self._library.rc_apply_conf_change, self._handle, kind, *self._input(data)
        )
        return ConfState.decode(answer)

    def read_index(self, context: bytes) -> None:
        """Ask up to where one must have applied to read what is committed now.

        The answer comes in `Ready.read_states` with the same context, or never: take a new context
        for every question, and a deadline.
        """
        self._call(self._library.rc_read_index, self._handle, *self._input(context))

    def transfer(self, to: int) -> None:
        """Hand the lead over; refused where this node does not lead. It may come to nothing."""
        self._call(self._library.rc_transfer, self._handle, to)

    def report_unreachable(self, to: int) -> None:
        """Tell that messages to a peer are being lost."""
        self._call(self._library.rc_report_unreachable, self._handle, to)

    def report_snapshot(self, to: int, *, ok: bool) -> None:
        """Tell whether a snapshot reached a peer; without it a peer may be left waiting."""
        self._call(self._library.rc_report_snapshot, self._handle, to, int(ok))

    def ready(self) -> Ready | None:
        """Return the work of the next round, or None. The round before must be over."""
        answer = self._call(self._library.rc_ready, self._handle)
        return decode_ready(answer) if answer else None

    def persisted(self) -> None:
        """Tell that hard state, entries and snapshot of the round are on disk."""
        self._call(self._library.rc_persisted, self._handle)

    def advance(self) -> None:
        """Tell that the round is over: what was committed is applied."""
        self._call(self._library.rc_advance, self._handle)

    def make_snapshot(self, index: int, conf_state: ConfState, data: bytes) -> bytes:
        """Keep a snapshot for those who need one, and return it for the disk.

        Args:
          index: what is applied now. The snapshot that the node began with may be made again.
          conf_state: who is in the cluster at that index.
          data: what it carries. A joiner takes it only if `conf_state` names the joiner.
        """
        return self._call(
            self._library.rc_make_snapshot,
            self._handle,
            index,
            *self._input(conf_state.encode()),
            *self._input(data),
        )

    def compact(self, index: int) -> None:
        """Forget entries up to an index, which must not be above that of the last snapshot."""
        self._call(self._library.rc_compact, self._handle, index)

    def status(self) -> Status:
        """Return where it stands."""
        return decode_status(self._call(self._library.rc_status, self._handle))

    def close(self) -> None:
        """Give back its memory. Later calls are refused; closing again does nothing."""
        if os.getpid() == self._process:
            self._library.rc_close(self._handle)

    def _input(self, data: bytes) -> tuple[Any, int]:
        if len(data) > INPUT_BYTES:
            raise RaftError(f"{len(data)} bytes are more than one call takes")
        return self._ffi.from_buffer(data), len(data)

    def _call(self, function: Callable[..., Any], *arguments: object) -> bytes:
        if os.getpid() != self._process:
            raise RaftPanicError("the process was forked after it had loaded the core")
        out = function(*arguments)
        answer = b""
        if out.ptr:
            answer = bytes(self._ffi.buffer(out.ptr, out.len))
            self._library.rc_free(out.ptr)
        if out.rc == 0:
            return answer
        words = answer.decode(errors="replace")
        if out.rc in (_POISONED, _PANICKED):
            raise RaftPanicError(words)
        raise RaftError(words)
