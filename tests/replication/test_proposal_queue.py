"""Commands on their way: grouped, proposed again when lost, given up in time, answered once."""

from __future__ import annotations

import pytest

from rtgf_node.errors import Code, RtgfError
from rtgf_node.replication import proposal_queue
from rtgf_node.replication.commands import Applied, Outcome, Proposal
from rtgf_node.replication.log_tail import COMPACT_BYTES, LogTail
from rtgf_node.replication.proposal_queue import GIVE_UP_SECONDS, ProposalQueue
from rtgf_node.replication.raft_entries import decode
from rtgf_node.store.raft_store import EntryRow
from tests.replication import samples


class Core:
    """Takes entries, or does not."""

    def __init__(self) -> None:
        self.entries: list[list[int]] = []
        self.takes = True

    def __call__(self, entry: bytes) -> bool:
        if self.takes:
            self.entries.append([one.seq for one in decode(entry).proposals])
        return self.takes


@pytest.fixture
def core():
    return Core()


@pytest.fixture
async def queue():
    return ProposalQueue(retry_seconds=1.0)


def proposals(*numbers: int) -> list[Proposal]:
    return [Proposal("c", number, samples.append(f"s{number}")) for number in numbers]


def settle(queue: ProposalQueue, *numbers: int) -> None:
    done = [Applied(number, samples.append("s"), Outcome((), 0, 0)) for number in numbers]
    queue.settle(proposals(*numbers), done)


async def test_whatever_waits_goes_into_one_entry_and_later_askers_into_the_next(queue, core):
    first = queue.add(proposals(1, 2), 0)
    second = queue.add(proposals(3), 0)
    queue.propose(0, 1, leads=True, offer=core)
    third = queue.add(proposals(4), 0)
    queue.propose(0, 1, leads=True, offer=core)
    assert core.entries == [[1, 2, 3], [4]]
    assert queue.waiting == 4
    settle(queue, 1, 2, 3)
    assert [one.done.is_set() for one in (first, second, third)] == [True, True, False]
    assert queue.waiting == 1


async def test_entries_under_way_are_bounded(queue, core, monkeypatch):
    monkeypatch.setattr(proposal_queue, "MAX_FLIGHTS", 2)
    for number in range(1, 6):
        queue.add(proposals(number), 0)
        queue.propose(0, 1, leads=True, offer=core)
    assert core.entries == [[1], [2]]
    settle(queue, 1)
    queue.propose(0, 1, leads=True, offer=core)
    assert core.entries == [[1], [2], [3, 4, 5]]


async def test_a_follower_proposes_again_after_a_while_a_leader_does_not(queue, core):
    queue.add(proposals(1), 0)
    for now in (0, 0.5, 1.5, 2.0):
        queue.propose(now, 1, leads=False, offer=core)
    assert core.entries == [[1], [1]]
    queue.propose(9, 1, leads=True, offer=core)
    assert core.entries == [[1], [1]]


async def test_with_another_leader_all_that_is_under_way_is_proposed_again(queue, core):
    queue.add(proposals(1), 0)
    queue.propose(0, 1, leads=True, offer=core)
    core.takes = False
    queue.propose(0.1, 2, leads=False, offer=core)
    core.takes = True
    queue.propose(0.2, 2, leads=False, offer=core)
    queue.propose(0.3, 2, leads=False, offer=core)
    assert core.entries == [[1], [1]]


async def test_a_number_that_is_under_way_is_not_sent_twice_for_two_askers(queue, core):
    first = queue.add(proposals(1), 0)
    queue.propose(0, 1, leads=True, offer=core)
    second = queue.add(proposals(1, 2), 0)
    queue.propose(0, 1, leads=True, offer=core)
    assert core.entries == [[1], [2]]
    settle(queue, 1)
    assert (first.done.is_set(), second.done.is_set()) == (True, False)
    settle(queue, 2)
    assert second.done.is_set()
    # Nothing is left under way that would be proposed for ever.
    queue.propose(99, 5, leads=False, offer=core)
    assert core.entries == [[1], [2]]
    assert queue.waiting == 0


async def test_commands_that_do_not_fit_wait_until_those_before_them_are_applied(
    queue, core, monkeypatch
):
    monkeypatch.setattr(proposal_queue, "MAX_ENTRY_COMMANDS", 2)
    ticket = queue.add(proposals(1, 2, 3), 0)
    queue.add(proposals(9), 0)
    queue.propose(0, 1, leads=True, offer=core)
    assert core.entries == [[1, 2], [9]]
    settle(queue, 1, 2)
    queue.propose(0, 1, leads=True, offer=core)
    assert core.entries == [[1, 2], [9], [3]]
    settle(queue, 3)
    assert [one.index for one in ticket.applied.values()] == [1, 2, 3]


async def test_what_nobody_took_in_is_given_up_and_not_proposed_again(queue, core):
    ticket = queue.add(proposals(1, 2), 0)
    queue.propose(0, 1, leads=False, offer=core)
    queue.expire(GIVE_UP_SECONDS - 1)
    assert not ticket.done.is_set()
    queue.expire(GIVE_UP_SECONDS)
    assert ticket.error.code is Code.RTGF_UNAVAILABLE
    assert queue.waiting == 0
    queue.propose(GIVE_UP_SECONDS + 9, 2, leads=False, offer=core)
    assert core.entries == [[1, 2]]
    # Applied all the same: nobody is asked any more.
    settle(queue, 1, 2)


async def test_bytes_that_wait_are_bounded(queue, monkeypatch):
    monkeypatch.setattr(proposal_queue, "MAX_WAITING_BYTES", 500)
    queue.add(proposals(1), 0)
    with pytest.raises(RtgfError) as refused:
        queue.add(proposals(2), 0)
    assert refused.value.code is Code.RTGF_OVERLOADED


async def test_nothing_proposed_is_answered_at_once(queue):
    assert queue.add([], 0).done.is_set()


def rows(*numbers: int, size: int = 1) -> list[EntryRow]:
    return [EntryRow(1, number, 0, bytes(size)) for number in numbers]


async def test_the_older_half_of_a_long_log_is_forgotten_but_never_what_is_not_applied():
    tail = LogTail(rows(*range(1, 10)), compact_every=10)
    assert tail.cut(9) is None
    tail.append(rows(10))
    assert tail.cut(10) == (5, 1)
    assert tail.cut(3) == (3, 1)
    assert tail.cut(0) is None
    tail.forget(5)
    assert tail.cut(10) is None
    tail.append(rows(8, 9, 10, 11, 12, 13, 14))
    assert tail.cut(14) is None
    tail.append(rows(15))
    assert tail.cut(14) == (10, 1)


async def test_a_log_of_large_entries_is_forgotten_by_its_bytes():
    tail = LogTail(rows(1, 2, size=COMPACT_BYTES // 2 - 1), compact_every=10_000)
    assert tail.cut(2) is None
    tail.append(rows(3, size=2))
    assert tail.cut(3) == (2, 1)
