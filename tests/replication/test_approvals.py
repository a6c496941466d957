"""Approvals in the state machine: a second person, once, in time; the same on every node."""

from __future__ import annotations

from pathlib import Path

import msgspec
import pytest

from rtgf_node.core import digests
from rtgf_node.errors import Code, RtgfError
from rtgf_node.replication.commands import AskApproval, Proposal, SettleApproval
from rtgf_node.replication.state_machine import StateMachine
from rtgf_node.store import Store, create_store
from tests.replication import samples

ASKED = AskApproval(
    approval_id="first",
    acts="publish",
    subject="build",
    digest=digests.sha256(b"build"),
    request=b"{}",
    asked_by="urn:a",
    asked_at=samples.AT,
    deadline=samples.AT + 100,
    event=samples.event_bytes("asked", kind="approval"),
)


def settled(state: str = "approved", by: str | None = "urn:b", at: int = 50) -> SettleApproval:
    entry = samples.event_bytes(f"{state} {by} {at}", kind="approval")
    return SettleApproval("first", state, by, samples.AT + at, "why", entry)


@pytest.fixture
def node(tmp_path: Path):
    with create_store(tmp_path / "data") as store:
        machine = StateMachine(store)
        numbers = iter(range(1, 100))

        def run(*commands):
            proposals = [Proposal("test", next(numbers), one) for one in commands]
            return [one.outcome for one in machine.apply_batch(proposals)]

        yield store, run


def state(store: Store) -> tuple[str, str | None]:
    row = store.approvals.approval("first")
    assert row is not None
    return row.state, row.settled_by


@pytest.mark.parametrize(
    "command",
    [settled(), settled("refused"), settled("refused", "urn:a"), settled("lapsed", None, 100)],
)
def test_what_waits_is_settled_once(node, command):
    store, run = node
    asked, done = run(ASKED, command)
    assert (asked.leaf_indexes, done.leaf_indexes) == ((0,), (1,))
    assert state(store) == (command.state, command.by)
    for again in (settled(), settled("refused", at=51), settled("lapsed", None, 101)):
        (outcome,) = run(again)
        assert isinstance(outcome, RtgfError)
        assert outcome.code is Code.RTGF_CONFLICT
    assert state(store) == (command.state, command.by)


@pytest.mark.parametrize(
    ("command", "code"),
    [
        (settled(by="urn:a"), Code.RTGF_FORBIDDEN),
        (settled(by=None), Code.RTGF_FORBIDDEN),
        (settled(at=100), Code.RTGF_CONFLICT),
        (settled("refused", at=100), Code.RTGF_CONFLICT),
        (settled("lapsed", None, 99), Code.RTGF_CONFLICT),
    ],
)
def test_what_is_refused_leaves_it_waiting_and_the_log_as_it_was(node, command, code):
    store, run = node
    _, outcome = run(ASKED, command)
    assert isinstance(outcome, RtgfError)
    assert outcome.code is code
    assert state(store) == ("waiting", None)
    assert store.log.size == 1


def test_nobody_settles_what_was_not_asked(node):
    _, run = node
    (outcome,) = run(settled())
    assert isinstance(outcome, RtgfError)
    assert outcome.code is Code.RTGF_NOT_FOUND


def test_the_same_thing_waits_once(node):
    store, run = node
    again = msgspec.structs.replace(
        ASKED, approval_id="second", event=samples.event_bytes("again", kind="approval")
    )
    first, second = run(ASKED, again)
    assert first.leaf_indexes == second.leaf_indexes
    assert [row.approval_id for row in store.approvals.waiting()] == ["first"]


def test_the_store_itself_keeps_what_was_settled(node):
    store, run = node
    run(ASKED, settled())
    for statement in ("DELETE FROM approvals", "UPDATE approvals SET state = 'waiting'"):
        with pytest.raises(Exception, match="approval"):
            store.conn.execute(statement)
