package main

import (
	"errors"
	"fmt"

	"go.etcd.io/raft/v3"
	"go.etcd.io/raft/v3/confchange"
	pb "go.etcd.io/raft/v3/raftpb"
	"go.etcd.io/raft/v3/tracker"
	"google.golang.org/protobuf/proto"
)

// The core takes a message on trust and panics over some that no honest peer sends. What can be
// refused before that is refused here.

func (n *node) checkMessage(m *pb.Message) error {
	if m.GetTo() != n.id || m.GetFrom() == raft.None || m.GetFrom() == n.id {
		return errors.New("the message is not from a peer to this node")
	}
	// With no term the core takes a message for its own; only what is passed on has none.
	passed := m.GetType() == pb.MsgProp || m.GetType() == pb.MsgReadIndex
	if passed != (m.GetTerm() == 0) {
		return errors.New("the message has a term where none belongs, or none where one does")
	}
	switch m.GetType() {
	case pb.MsgProp:
		return n.checkProposal(m)
	case pb.MsgApp:
		for i, e := range m.GetEntries() {
			if e.GetIndex() != m.GetIndex()+uint64(i)+1 {
				return errors.New("the entries do not follow each other")
			}
		}
	case pb.MsgReadIndex:
		if len(m.GetEntries()) != 1 {
			return errors.New("a read has one context")
		}
	case pb.MsgHeartbeatResp:
		if size := len(m.GetContext()); size != 0 && size != 8 {
			return errors.New("the position of a read has 8 bytes")
		}
	case pb.MsgSnap:
		if raft.IsEmptySnap(m.GetSnapshot()) {
			return errors.New("the snapshot is missing")
		}
	case pb.MsgAppResp, pb.MsgVote, pb.MsgVoteResp, pb.MsgHeartbeat, pb.MsgTimeoutNow,
		pb.MsgReadIndexResp, pb.MsgPreVote, pb.MsgPreVoteResp:
	default:
		return errors.New("no peer sends a message of this type")
	}
	return nil
}

func (n *node) checkProposal(m *pb.Message) error {
	if len(m.GetEntries()) == 0 {
		return errors.New("nothing is proposed")
	}
	for _, e := range m.GetEntries() {
		if e.GetType() == pb.EntryNormal {
			continue
		}
		c, err := readConfChange(e.GetType(), e.GetData())
		if err != nil {
			return err
		}
		if err := n.checkConfChange(c); err != nil {
			return err
		}
	}
	return nil
}

func readConfChange(kind pb.EntryType, data []byte) (pb.ConfChangeI, error) {
	switch kind {
	case pb.EntryConfChange:
		c := &pb.ConfChange{}
		return c, proto.Unmarshal(data, c)
	case pb.EntryConfChangeV2:
		c := &pb.ConfChangeV2{}
		return c, proto.Unmarshal(data, c)
	}
	return nil, fmt.Errorf("an entry of kind %d changes no members", kind)
}

// checkConfChange tries a change where it would enter the log, on the leader. One that cannot be
// applied would panic every node that comes to it, for ever.
func (n *node) checkConfChange(c pb.ConfChangeI) error {
	v2 := c.AsV2()
	if v2.GetTransition() != pb.ConfChangeTransitionAuto {
		return errors.New("the core chooses the transition of a change")
	}
	s := n.core.Status()
	if s.RaftState != raft.StateLeader {
		return nil
	}
	peers := make(tracker.ProgressMap, len(s.Progress))
	for id, p := range s.Progress {
		peers[id] = &p
	}
	changer := confchange.Changer{
		Tracker: tracker.ProgressTracker{Config: s.Config, Progress: peers, MaxInflight: maxInflight},
	}
	var err error
	if v2.LeaveJoint() {
		_, _, err = changer.LeaveJoint()
	} else if leave, joint := v2.EnterJoint(); joint {
		_, _, err = changer.EnterJoint(leave, v2.GetChanges()...)
	} else {
		_, _, err = changer.Simple(v2.GetChanges()...)
	}
	return err
}
