// Package main makes etcd's Raft core a C library: a RawNode over a MemoryStorage, which does no I/O.
//
// The caller owns the disk, the network and the clock. It calls from one thread: tick, step and
// propose; then ready; it saves what it got and says persisted; it applies what is committed and
// says advance. Bytes that go in are copied; bytes that come out are the caller's, to be freed by
// rc_free. A panic of the core is answered by panicked, and the node answers nothing ever after.
package main

/*
#include <stdint.h>
#include <stdlib.h>
typedef struct { int32_t rc; uint32_t len; void *ptr; } rc_out;
*/
import "C"

import (
	"crypto/rand"
	"encoding/binary"
	"errors"
	"fmt"
	seeded "math/rand/v2"
	"sync"
	"unsafe"

	"go.etcd.io/raft/v3"
	pb "go.etcd.io/raft/v3/raftpb"
	"google.golang.org/protobuf/proto"
)

// What rc_out.rc says beside 0. core.py has the same numbers.
const (
	refused  = -1  // by the core, or by a check before it; ptr says why
	poisoned = -97 // it panicked before
	unknown  = -98 // the handle is closed or never was
	panicked = -99 // ptr says why: stop the process
)

const (
	// maxMessageBytes bounds one append: it goes out in one frame, and a lost one costs no more.
	maxMessageBytes = 1 << 20
	// maxCommittedBytes bounds what one Ready has applied: it is one transaction of the caller.
	maxCommittedBytes = 4 << 20
	// maxInflight bounds the appends on their way to one peer: at 1 ms there and back, 256 of them
	// keep a link busy, and a peer that stops answering costs no more.
	maxInflight = 256
	// maxInflightBytes bounds their bytes, hence what waits in memory for a slow peer.
	maxInflightBytes = 16 << 20
	// maxUncommittedBytes bounds what a leader without a quorum takes in before it drops proposals.
	maxUncommittedBytes = 64 << 20
)

// storage is a MemoryStorage whose snapshot can be given other content at the same index.
//
// A node begins with a snapshot that carries nothing, at the index it took a state at. Nothing more
// may be committed before a peer has that state from it, so it is offered at that very index.
type storage struct {
	*raft.MemoryStorage
	filled *pb.Snapshot
}

// Snapshot returns what is offered to a peer that is too far behind for the log.
func (s *storage) Snapshot() (*pb.Snapshot, error) {
	held, err := s.MemoryStorage.Snapshot()
	if err == nil && s.fills(held.GetMetadata().GetIndex()) {
		return proto.Clone(s.filled).(*pb.Snapshot), nil
	}
	return held, err
}

func (s *storage) fills(index uint64) bool {
	return s.filled != nil && s.filled.GetMetadata().GetIndex() == index
}

// offer makes the snapshot of an index, which is not below that of the one before.
func (s *storage) offer(index uint64, conf *pb.ConfState, data []byte) (*pb.Snapshot, error) {
	held, err := s.MemoryStorage.Snapshot()
	if err != nil {
		return nil, err
	}
	if index == 0 || held.GetMetadata().GetIndex() != index {
		return s.CreateSnapshot(index, conf, data)
	}
	held.Metadata.ConfState, held.Data = conf, data
	s.filled = held
	return held, nil
}

type node struct {
	id    uint64
	core  *raft.RawNode
	log   *storage
	ready *raft.Ready // handed out and not yet advanced
	dead  bool
}

var (
	mu    sync.Mutex
	nodes = map[uint64]*node{}
	last  uint64
)

func init() { raft.SetLogger(silent{}) }

func main() {}

func done() C.rc_out { return C.rc_out{} }

func give(b []byte) C.rc_out {
	if len(b) == 0 {
		return done()
	}
	return C.rc_out{len: C.uint32_t(len(b)), ptr: C.CBytes(b)}
}

func fail(rc int32, why string) C.rc_out {
	out := give([]byte(why))
	out.rc = C.int32_t(rc)
	return out
}

func result(err error) C.rc_out {
	if err != nil {
		return fail(refused, err.Error())
	}
	return done()
}

func take(p unsafe.Pointer, n C.uint32_t) []byte { return C.GoBytes(p, C.int(n)) }

// guard runs f on a living node; if f panics, the node is poisoned.
func guard(h C.uint64_t, f func(n *node) C.rc_out) (out C.rc_out) {
	mu.Lock()
	n := nodes[uint64(h)]
	mu.Unlock()
	if n == nil {
		return fail(unknown, "closed")
	}
	if n.dead {
		return fail(poisoned, "it panicked before")
	}
	defer func() {
		if e := recover(); e != nil {
			n.dead = true
			out = fail(panicked, fmt.Sprint(e))
		}
	}()
	return f(n)
}

//export rc_free
func rc_free(p unsafe.Pointer) { C.free(p) }

// rc_seed makes every later election timeout of the process follow from the seed.
//
//export rc_seed
func rc_seed(seed C.uint64_t) {
	var key [32]byte
	binary.LittleEndian.PutUint64(key[:], uint64(seed))
	rand.Reader = seeded.NewChaCha8(key) // raft draws from this one, under a lock
}

// rc_new makes a node of what was saved: a snapshot, a hard state (both as protobuf, or empty), the
// entries after the snapshot, and the index up to which they are applied.
//
//export rc_new
func rc_new(id, electionTicks, heartbeatTicks, applied C.uint64_t,
	snapshot unsafe.Pointer, snapshotLen C.uint32_t,
	hardState unsafe.Pointer, hardStateLen C.uint32_t,
	entries unsafe.Pointer, entriesLen C.uint32_t, h *C.uint64_t) (out C.rc_out) {
	defer func() {
		if e := recover(); e != nil {
			out = fail(panicked, fmt.Sprint(e))
		}
	}()
	log := &storage{MemoryStorage: raft.NewMemoryStorage()}
	if snapshotLen > 0 {
		s := &pb.Snapshot{}
		if err := proto.Unmarshal(take(snapshot, snapshotLen), s); err != nil {
			return result(err)
		}
		if err := log.ApplySnapshot(s); err != nil {
			return result(err)
		}
	}
	if hardStateLen > 0 {
		s := &pb.HardState{}
		if err := proto.Unmarshal(take(hardState, hardStateLen), s); err != nil {
			return result(err)
		}
		if err := log.SetHardState(s); err != nil {
			return result(err)
		}
	}
	if entriesLen > 0 {
		saved, err := readEntries(take(entries, entriesLen))
		if err != nil {
			return result(err)
		}
		if err := log.Append(saved); err != nil {
			return result(err)
		}
	}
	core, err := raft.NewRawNode(&raft.Config{
		ID:                        uint64(id),
		ElectionTick:              int(electionTicks),
		HeartbeatTick:             int(heartbeatTicks),
		Storage:                   log,
		Applied:                   uint64(applied),
		MaxSizePerMsg:             maxMessageBytes,
		MaxCommittedSizePerReady:  maxCommittedBytes,
		MaxUncommittedEntriesSize: maxUncommittedBytes,
		MaxInflightMsgs:           maxInflight,
		MaxInflightBytes:          maxInflightBytes,
		CheckQuorum:               true,
		PreVote:                   true,
		ReadOnlyOption:            raft.ReadOnlySafe,
		StepDownOnRemoval:         true,
		Logger:                    silent{},
	})
	if err != nil {
		return result(err)
	}
	mu.Lock()
	defer mu.Unlock()
	last++
	nodes[last] = &node{id: uint64(id), core: core, log: log}
	*h = C.uint64_t(last)
	return done()
}

//export rc_close
func rc_close(h C.uint64_t) {
	mu.Lock()
	delete(nodes, uint64(h))
	mu.Unlock()
}

//export rc_tick
func rc_tick(h C.uint64_t) C.rc_out {
	return guard(h, func(n *node) C.rc_out { n.core.Tick(); return done() })
}

//export rc_campaign
func rc_campaign(h C.uint64_t) C.rc_out {
	return guard(h, func(n *node) C.rc_out { return result(n.core.Campaign()) })
}

//export rc_step
func rc_step(h C.uint64_t, p unsafe.Pointer, l C.uint32_t) C.rc_out {
	return guard(h, func(n *node) C.rc_out {
		m := &pb.Message{}
		if err := proto.Unmarshal(take(p, l), m); err != nil {
			return result(err)
		}
		if err := n.checkMessage(m); err != nil {
			return result(err)
		}
		return result(n.core.Step(m))
	})
}

//export rc_propose
func rc_propose(h C.uint64_t, p unsafe.Pointer, l C.uint32_t) C.rc_out {
	return guard(h, func(n *node) C.rc_out { return result(n.core.Propose(take(p, l))) })
}

//export rc_propose_conf_change
func rc_propose_conf_change(h C.uint64_t, p unsafe.Pointer, l C.uint32_t) C.rc_out {
	return guard(h, func(n *node) C.rc_out {
		c, err := readConfChange(pb.EntryConfChangeV2, take(p, l))
		if err != nil {
			return result(err)
		}
		if err := n.checkConfChange(c); err != nil {
			return result(err)
		}
		return result(n.core.ProposeConfChange(c))
	})
}

// rc_apply_conf_change makes a committed change take effect and gives the ConfState that follows.
//
//export rc_apply_conf_change
func rc_apply_conf_change(h C.uint64_t, kind C.uint32_t, p unsafe.Pointer, l C.uint32_t) C.rc_out {
	return guard(h, func(n *node) C.rc_out {
		c, err := readConfChange(pb.EntryType(kind), take(p, l))
		if err != nil {
			return result(err)
		}
		return give(encode(n.core.ApplyConfChange(c)))
	})
}

//export rc_read_index
func rc_read_index(h C.uint64_t, p unsafe.Pointer, l C.uint32_t) C.rc_out {
	return guard(h, func(n *node) C.rc_out { n.core.ReadIndex(take(p, l)); return done() })
}

//export rc_transfer
func rc_transfer(h, to C.uint64_t) C.rc_out {
	return guard(h, func(n *node) C.rc_out {
		// A follower would ask the leader in the name of its heir, which no peer may take.
		if n.core.BasicStatus().RaftState != raft.StateLeader {
			return fail(refused, "only the leader hands over the lead")
		}
		n.core.TransferLeader(uint64(to))
		return done()
	})
}

//export rc_report_unreachable
func rc_report_unreachable(h, to C.uint64_t) C.rc_out {
	return guard(h, func(n *node) C.rc_out { n.core.ReportUnreachable(uint64(to)); return done() })
}

//export rc_report_snapshot
func rc_report_snapshot(h, to C.uint64_t, ok C.int32_t) C.rc_out {
	return guard(h, func(n *node) C.rc_out {
		status := raft.SnapshotFailure
		if ok != 0 {
			status = raft.SnapshotFinish
		}
		n.core.ReportSnapshot(uint64(to), status)
		return done()
	})
}

var errTurn = errors.New("out of turn: ready, persisted, advance")

// rc_ready gives nothing when there is nothing to do.
//
//export rc_ready
func rc_ready(h C.uint64_t) C.rc_out {
	return guard(h, func(n *node) C.rc_out {
		if n.ready != nil {
			return result(errTurn)
		}
		if !n.core.HasReady() {
			return done()
		}
		r := n.core.Ready()
		n.ready = &r
		return give(appendReady(nil, &r))
	})
}

// rc_persisted: hard state, entries and snapshot of the Ready are on disk.
//
//export rc_persisted
func rc_persisted(h C.uint64_t) C.rc_out {
	return guard(h, func(n *node) C.rc_out {
		if n.ready == nil {
			return result(errTurn)
		}
		if !raft.IsEmptySnap(n.ready.Snapshot) {
			if err := n.log.ApplySnapshot(n.ready.Snapshot); err != nil {
				panic(err)
			}
		}
		if !raft.IsEmptyHardState(n.ready.HardState) {
			if err := n.log.SetHardState(n.ready.HardState); err != nil {
				panic(err)
			}
		}
		if err := n.log.Append(n.ready.Entries); err != nil {
			panic(err)
		}
		return done()
	})
}

// rc_advance: what was committed in the Ready is applied.
//
//export rc_advance
func rc_advance(h C.uint64_t) C.rc_out {
	return guard(h, func(n *node) C.rc_out {
		if n.ready == nil {
			return result(errTurn)
		}
		r := *n.ready
		n.ready = nil
		n.core.Advance(r)
		return done()
	})
}

//export rc_make_snapshot
func rc_make_snapshot(h, index C.uint64_t, conf unsafe.Pointer, confLen C.uint32_t,
	data unsafe.Pointer, dataLen C.uint32_t) C.rc_out {
	return guard(h, func(n *node) C.rc_out {
		c := &pb.ConfState{}
		if err := proto.Unmarshal(take(conf, confLen), c); err != nil {
			return result(err)
		}
		s, err := n.log.offer(uint64(index), c, take(data, dataLen))
		if err != nil {
			return result(err)
		}
		return give(encode(s))
	})
}

//export rc_compact
func rc_compact(h, index C.uint64_t) C.rc_out {
	return guard(h, func(n *node) C.rc_out { return result(n.log.Compact(uint64(index))) })
}

//export rc_status
func rc_status(h C.uint64_t) C.rc_out {
	return guard(h, func(n *node) C.rc_out { return give(appendStatus(nil, n)) })
}
