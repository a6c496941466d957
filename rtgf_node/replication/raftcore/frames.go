package main

import (
	"encoding/binary"
	"errors"
	"slices"

	"go.etcd.io/raft/v3"
	pb "go.etcd.io/raft/v3/raftpb"
	"go.etcd.io/raft/v3/tracker"
	"google.golang.org/protobuf/proto"
)

// What goes to the caller is flat and little-endian; bytes have their length before them in 4
// bytes, lists their count. answers.py reads it.

func encode(m proto.Message) []byte {
	b, err := proto.Marshal(m)
	if err != nil {
		panic(err)
	}
	return b
}

func put32(b []byte, v int) []byte { return binary.LittleEndian.AppendUint32(b, uint32(v)) }

func put64(b []byte, values ...uint64) []byte {
	for _, v := range values {
		b = binary.LittleEndian.AppendUint64(b, v)
	}
	return b
}

func putBytes(b, v []byte) []byte { return append(put32(b, len(v)), v...) }

func putBool(b []byte, v bool) []byte {
	if v {
		return append(b, 1)
	}
	return append(b, 0)
}

func putEntries(b []byte, entries []*pb.Entry) []byte {
	b = put32(b, len(entries))
	for _, e := range entries {
		b = put64(b, e.GetTerm(), e.GetIndex())
		b = append(b, byte(e.GetType()))
		b = putBytes(b, e.GetData())
	}
	return b
}

// readEntries reads what putEntries wrote.
func readEntries(b []byte) ([]*pb.Entry, error) {
	const head = 8 + 8 + 1 + 4
	short := errors.New("the entries are cut short")
	if len(b) < 4 {
		return nil, short
	}
	count := int(binary.LittleEndian.Uint32(b))
	b = b[4:]
	entries := make([]*pb.Entry, 0, min(count, len(b)/head))
	for range count {
		if len(b) < head {
			return nil, short
		}
		size := int(binary.LittleEndian.Uint32(b[head-4:]))
		if len(b)-head < size {
			return nil, short
		}
		entries = append(entries, &pb.Entry{
			Term:  new(binary.LittleEndian.Uint64(b)),
			Index: new(binary.LittleEndian.Uint64(b[8:])),
			Type:  pb.EntryType(b[16]).Enum(),
			Data:  slices.Clone(b[head : head+size]),
		})
		b = b[head+size:]
	}
	return entries, nil
}

func appendReady(b []byte, r *raft.Ready) []byte {
	b = putBool(b, r.MustSync)
	b = putBool(b, r.SoftState != nil)
	if r.SoftState != nil {
		b = put64(b, r.SoftState.Lead)
		b = append(b, byte(r.SoftState.RaftState))
	}
	if raft.IsEmptyHardState(r.HardState) {
		b = put32(b, 0)
	} else {
		b = putBytes(b, encode(r.HardState))
	}
	b = putEntries(b, r.Entries)
	if raft.IsEmptySnap(r.Snapshot) {
		b = put32(b, 0)
	} else {
		b = putBytes(b, encode(r.Snapshot))
		b = put64(b, r.Snapshot.GetMetadata().GetIndex(), r.Snapshot.GetMetadata().GetTerm())
		b = putBytes(b, r.Snapshot.GetData())
	}
	b = putEntries(b, r.CommittedEntries)
	b = put32(b, len(r.Messages))
	for _, m := range r.Messages {
		b = put64(b, m.GetTo())
		b = append(b, byte(m.GetType()))
		b = putBytes(b, encode(m))
	}
	b = put32(b, len(r.ReadStates))
	for _, s := range r.ReadStates {
		b = put64(b, s.Index)
		b = putBytes(b, s.RequestCtx)
	}
	return b
}

func appendStatus(b []byte, n *node) []byte {
	s := n.core.Status()
	first, err := n.log.FirstIndex()
	if err != nil {
		panic(err)
	}
	final, err := n.log.LastIndex()
	if err != nil {
		panic(err)
	}
	b = put64(b, s.ID, s.GetTerm(), s.GetVote(), s.GetCommit(), s.Applied, s.Lead, s.LeadTransferee)
	b = put64(b, first, final)
	b = append(b, byte(s.RaftState))
	// The core's copy loses AutoLeave, which holds in every joint phase: see checkConfChange.
	s.Config.AutoLeave = len(s.Config.Voters[1]) > 0
	current := tracker.ProgressTracker{Config: s.Config}
	b = putBytes(b, encode(current.ConfState()))
	peers := make([]uint64, 0, len(s.Progress))
	for id := range s.Progress {
		peers = append(peers, id)
	}
	slices.Sort(peers)
	b = put32(b, len(peers))
	for _, id := range peers {
		p := s.Progress[id]
		b = put64(b, id, p.Match, p.Next)
		b = append(b, byte(p.State))
		b = putBool(b, p.RecentActive)
		b = putBool(b, p.IsLearner)
	}
	return b
}
