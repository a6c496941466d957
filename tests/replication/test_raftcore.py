"""The Raft core as this node drives it: elections, the log, snapshots, reads, members, restarts."""

from __future__ import annotations

import pytest

from rtgf_node.replication.raftcore import wire
from rtgf_node.replication.raftcore.wire import ChangeKind, ConfState, MessageKind
from tests.replication.core_network import ELECTION_TICKS, CoreNetwork


@pytest.fixture
def net(raftcore):
    made = CoreNetwork(raftcore, 1, 2, 3)
    yield made
    for peer in made.peers.values():
        peer.core.close()


def items(*numbers):
    return [b"item %d" % number for number in numbers]


def everywhere(net, *expected):
    """Whether every node that can be reached applied exactly these items."""
    return all(
        peer.applied == items(*expected) for node, peer in net.peers.items() if node not in net.cut
    )


def others(net, *nodes):
    return [node for node in net.peers if node not in nodes]


def test_one_node_elects_itself_and_commits_alone(raftcore):
    net = CoreNetwork(raftcore, 7)
    assert net.elect() == 7
    net.propose(7, *items(1, 2))
    assert everywhere(net, 1, 2)
    assert not net.sent
    assert net.read(7, b"alone") == net[7].applied_index


def test_three_nodes_elect_one_leader_and_apply_the_same(net):
    leader = net.elect()
    net.propose(leader, *items(*range(20)))
    assert everywhere(net, *range(20))
    roles = sorted(peer.core.status().role for peer in net.peers.values())
    assert roles == ["follower", "follower", "leader"]
    assert len({tuple(peer.log) for peer in net.peers.values()}) == 1


def test_what_a_follower_proposes_reaches_the_leader(net):
    leader = net.elect()
    follower = others(net, leader)[0]
    net.propose(follower, *items(1))
    assert (follower, leader, MessageKind.PROPOSAL) in net.sent
    assert everywhere(net, 1)


def test_without_a_leader_a_proposal_is_refused(raftcore, net):
    with pytest.raises(raftcore.RaftError, match="proposal dropped"):
        net[1].core.propose(b"x")
    net.elect()
    assert everywhere(net)


def test_a_second_leader_goes_on_where_the_first_was_lost(net):
    first = net.elect()
    net.propose(first, *items(1))
    net.cut = {first}
    net.tick(2 * ELECTION_TICKS)
    second = net.elect()
    assert second != first
    net.propose(second, *items(2))
    net.cut = set()
    net.tick(2)
    assert everywhere(net, 1, 2)


def test_what_only_a_cut_off_leader_had_is_replaced(net):
    first = net.elect()
    net.cut = {first}
    net.propose(first, *items(99))
    assert net[first].log[-1].data == items(99)[0]
    net.tick(2 * ELECTION_TICKS)
    net.propose(net.elect(), *items(1))
    net.cut = set()
    net.tick(2)
    assert everywhere(net, 1)
    assert net[first].log == net[others(net, first)[0]].log


def test_a_node_that_missed_what_was_compacted_gets_a_snapshot(net):
    leader = net.elect()
    late, present = others(net, leader)
    net.cut = {late}
    net.propose(leader, *items(*range(10)))
    for node in (leader, present):
        net[node].compact()
    assert net[leader].core.status().first_index == net[leader].applied_index + 1
    net.propose(leader, *items(10))
    net.cut = set()
    net.tick(2)
    assert (leader, late, MessageKind.SNAPSHOT) in net.sent
    assert everywhere(net, *range(11))
    assert net[late].snapshot_index > 1


def test_what_is_compacted_already_is_refused(raftcore, net):
    leader = net.elect()
    net.propose(leader, *items(1))
    net[leader].compact()
    with pytest.raises(raftcore.RaftError, match="due to compaction"):
        net[leader].core.compact(net[leader].applied_index)


def test_reads_are_confirmed_to_leader_and_follower_alike(net):
    leader = net.elect()
    net.propose(leader, *items(1, 2, 3))
    committed = net[leader].applied_index
    for node in net.peers:
        asked = [b"%d/%d" % (node, number) for number in range(5)]
        assert [net.read(node, context) for context in asked] == [committed] * 5


def test_reads_that_wait_together_are_each_confirmed(net):
    leader = net.elect()
    contexts = [b"read %d" % number for number in range(10)]
    for context in contexts:
        net[leader].core.read_index(context)
    net.settle()
    assert list(net[leader].reads) == contexts


def test_a_cut_off_leader_confirms_no_read_and_steps_down(net):
    leader = net.elect()
    net.cut = {leader}
    assert net.read(leader, b"stale?") is None
    assert net[leader].core.status().role != "leader"
    assert net[leader].core.status().lead == 0
    net.cut = set()
    net.elect()
    assert b"stale?" not in net[leader].reads


def test_a_node_that_was_cut_off_disturbs_nobody_when_it_is_back(net):
    """Pre-vote: it asked in vain for a long time, and its term did not move."""
    leader = net.elect()
    away = others(net, leader)[0]
    term = net[leader].core.status().term
    net.cut = {away}
    net.tick(10 * ELECTION_TICKS)
    assert net[away].core.status().role == "precandidate"
    assert net[away].core.status().term == term
    net.cut = set()
    net.tick(ELECTION_TICKS)
    assert net.elect() == leader
    assert net[leader].core.status().term == term


def test_the_lead_is_handed_over(net):
    leader = net.elect()
    net.propose(leader, *items(1))
    heir = others(net, leader)[0]
    with pytest.raises(net.raftcore.RaftError, match="only the leader"):
        net[heir].core.transfer(heir)
    net[leader].core.transfer(heir)
    net.settle()
    assert net.elect() == heir
    assert net[leader].core.status().role == "follower"
    net.propose(leader, *items(2))
    assert everywhere(net, 1, 2)


def test_two_join_and_one_leaves_at_once(net):
    """Joint consensus, left by the core itself."""
    leader = net.elect()
    net.propose(leader, *items(1, 2))
    gone = others(net, leader)[0]
    net.join(4)
    net.join(5)
    net.change(
        leader, (ChangeKind.ADD_VOTER, 4), (ChangeKind.ADD_VOTER, 5), (ChangeKind.REMOVE, gone)
    )
    net.tick(3)
    expected = tuple(sorted({1, 2, 3, 4, 5} - {gone}))
    for node in expected:
        assert net[node].members == ConfState(expected)
        assert net[node].applied == items(1, 2)
    net.cut = {gone, leader}
    net.tick(2 * ELECTION_TICKS)
    net.propose(net.elect(), *items(3))
    assert everywhere(net, 1, 2, 3)


def test_a_learner_holds_everything_decides_nothing_and_is_promoted(net):
    leader = net.elect()
    net.join(4)
    net.change(leader, (ChangeKind.ADD_LEARNER, 4))
    net.tick(2)
    net.propose(leader, *items(1))
    assert net[4].applied == items(1)
    assert net[4].members == ConfState((1, 2, 3), learners=(4,))
    assert {one.node_id: one.learner for one in net[leader].core.status().progress}[4]

    net.cut = set(others(net, leader, 4))
    net.propose(leader, *items(2))
    assert everywhere(net, 1)  # two of three voters are away, and the learner does not count
    net.cut = set()
    net.tick(3 * ELECTION_TICKS)
    leader = net.elect()

    net.change(leader, (ChangeKind.ADD_VOTER, 4))
    net.tick()
    assert net[4].members == ConfState((1, 2, 3, 4))


def test_a_leader_that_is_removed_steps_down_and_the_rest_go_on(net):
    leader = net.elect()
    net.change(leader, (ChangeKind.REMOVE, leader))
    net.tick()
    assert net[leader].core.status().role == "follower"
    net.cut = {leader}
    net.tick(2 * ELECTION_TICKS)
    net.propose(net.elect(), *items(1))
    assert everywhere(net, 1)


@pytest.mark.parametrize(
    "changes",
    [
        [(ChangeKind.REMOVE, 1), (ChangeKind.REMOVE, 2), (ChangeKind.REMOVE, 3)],
        [],
        [(17, 4)],
    ],
    ids=["nobody is left", "not under way", "unknown"],
)
def test_a_change_that_could_not_be_applied_is_refused(raftcore, net, changes):
    leader = net.elect()
    with pytest.raises(raftcore.RaftError):
        net[leader].core.propose_conf_change(wire.conf_change(changes))
    net.propose(others(net, leader)[0], *items(1))
    assert everywhere(net, 1)


def test_such_a_change_that_a_follower_sends_does_not_enter_the_log(net):
    leader = net.elect()
    everybody = [(ChangeKind.REMOVE, node) for node in (1, 2, 3)]
    follower = others(net, leader)[0]
    message = net_message(follower, leader, wire.conf_change(everybody))
    with pytest.raises(net.raftcore.RaftError, match="removed all voters"):
        net[leader].core.step(message)
    net.propose(leader, *items(1))
    assert everywhere(net, 1)


def net_message(sender, to, change):
    entry = wire._number(1, 2) + wire._text(4, change)
    head = wire._number(1, MessageKind.PROPOSAL) + wire._number(2, to) + wire._number(3, sender)
    return head + wire._text(7, entry)


def test_the_context_of_a_change_arrives_with_it(net):
    leader = net.elect()
    change = wire.conf_change([(ChangeKind.ADD_LEARNER, 4)], b"where node 4 lives")
    net[leader].core.propose_conf_change(change)
    net.settle()
    entry = net[1].log[-1]
    assert entry.kind == 2
    assert wire.conf_change_context(entry.data) == b"where node 4 lives"


def test_all_restart_from_their_disks(net):
    net.propose(net.elect(), *items(1, 2, 3))
    net[2].compact()
    net.propose(net.elect(), *items(4))
    before = {node: peer.core.status() for node, peer in net.peers.items()}
    for node, peer in net.peers.items():
        peer.core.close()
        peer.start()
        status = peer.core.status()
        assert (status.term, status.vote) == (before[node].term, before[node].vote)
        assert status.last_index == before[node].last_index
        assert status.role == "follower"
    net.propose(net.elect(), *items(5))
    assert everywhere(net, 1, 2, 3, 4, 5)


def test_a_vote_that_is_on_disk_is_not_given_again(net):
    leader = net.elect()
    term = net[leader].core.status().term
    voter = next(n for n in others(net, leader) if net[n].core.status().vote == leader)
    rival = others(net, leader, voter)[0]
    net[voter].core.close()
    net[voter].start()
    ask = (
        wire._number(1, MessageKind.VOTE)
        + wire._number(2, voter)
        + wire._number(3, rival)
        + wire._number(4, term)
        + wire._number(5, 1 << 30)
        + wire._number(6, 1 << 30)
    )
    net[voter].core.step(ask)
    (answer,) = net[voter].core.ready().messages
    assert answer.kind == MessageKind.VOTE_ANSWER
    assert answer.data.endswith(wire._number(10, 1))  # rejected


def test_the_same_seed_gives_the_same_elections(raftcore):
    def history(seed):
        net = CoreNetwork(raftcore, 1, 2, 3, 4, 5, seed=seed)
        for _ in range(5):
            net.cut = {net.elect()}
            net.tick(3 * ELECTION_TICKS)
            net.cut = set()
            net.tick(ELECTION_TICKS)
        return net.ticks, net.sent

    assert history(3) == history(3)
    assert len({history(seed)[0] for seed in range(6)}) > 1


def test_the_snapshot_that_a_node_began_with_may_be_made_again_with_content(raftcore):
    members = ConfState((1, 2, 3))
    core = raftcore.RaftCore(1, snapshot=wire.snapshot(5, 2, members), applied=5)
    for data in (b"content", b"other content"):
        made = core.make_snapshot(5, members, data)
        assert made == wire.snapshot(5, 2, members, data)
    with pytest.raises(raftcore.RaftError, match="older than"):
        core.make_snapshot(4, members, b"")
    core.close()
