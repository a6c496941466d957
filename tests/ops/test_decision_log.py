"""The decision log: what an answer waits for, what stops it, and what goes into the log."""

from __future__ import annotations

import sqlite3
from contextlib import closing, suppress

import pytest
import trio

from rtgf_node.core import decision
from rtgf_node.errors import Code, RtgfError
from rtgf_node.ops import decision_log, decision_queue
from rtgf_node.store.decision_store import DATABASE, DecisionStore
from tests.core.test_decision import draft
from tests.ops.deciding import deciding

PATIENCE_SECONDS = 60.0


async def until(condition) -> None:
    with trio.fail_after(PATIENCE_SECONDS):
        while not condition():  # noqa: ASYNC110  a file and a thread have no event
            await trio.sleep(0.01)


async def refused(log, number: int) -> None:
    with pytest.raises(RtgfError) as error:
        await log.record(draft(number))
    assert error.value.code is Code.RTGF_VERIFY_UNAVAILABLE


class Disk:
    """Stands in for a full disk: no transaction of decisions is taken while `full`."""

    def __init__(self, monkeypatch) -> None:
        self.full = False
        self.tries = 0
        plain = DecisionStore._transaction

        def transaction(store):
            self.tries += 1
            if self.full:
                raise sqlite3.OperationalError("database or disk is full")
            return plain(store)

        monkeypatch.setattr(DecisionStore, "_transaction", transaction)
        monkeypatch.setattr(decision_queue, "RETRY_SECONDS", 0.05)


@pytest.fixture
def disk(monkeypatch):
    return Disk(monkeypatch)


async def test_durable_means_on_disk_when_it_returns(tmp_path):
    async with deciding(tmp_path, mode="durable") as made:
        for number in range(5):
            await made.log.record(draft(number))
            assert made.entries() == [f"r-{n}" for n in range(number + 1)]


async def test_many_durable_answers_share_a_commit(tmp_path, disk):
    async with deciding(tmp_path, mode="durable") as made:
        async with trio.open_nursery() as nursery:
            for number in range(300):
                nursery.start_soon(made.log.record, draft(number))
        assert sorted(made.entries()) == sorted(f"r-{n}" for n in range(300))
        assert disk.tries < 30


async def test_batched_answers_at_once_and_writes_in_its_time(tmp_path):
    async with deciding(tmp_path / "never") as made:
        for number in range(5):
            await made.log.record(draft(number))
        assert made.log.unwritten == 5
        assert made.entries() == []
    async with deciding(tmp_path / "soon", flush=0.2) as made:
        for number in range(5):
            await made.log.record(draft(number))
        await until(lambda: not made.log.unwritten)
        assert made.entries() == [f"r-{n}" for n in range(5)]


async def test_a_full_buffer_makes_answers_wait_and_drops_nothing(tmp_path):
    most = 0
    async with deciding(tmp_path, batch_max=7) as made:

        async def ask(first: int) -> None:
            nonlocal most
            for number in range(first, first + 50):
                await made.log.record(draft(number))
                most = max(most, made.log.unwritten)

        async with trio.open_nursery() as nursery:
            for first in range(0, 500, 50):
                nursery.start_soon(ask, first)
    assert most <= 7
    async with deciding(tmp_path) as again:
        assert sorted(again.entries()) == sorted(f"r-{n}" for n in range(500))
        assert again.log.broken is None


async def test_at_the_end_everything_is_written_and_logged(tmp_path):
    async with deciding(tmp_path) as made:
        for number in range(5):
            await made.log.record(draft(number))
        assert made.entries() == []
    async with deciding(tmp_path) as made:
        assert len(made.entries()) == 5
        assert [(root.first_seq, root.last_seq) for root in made.roots()] == [(1, 5)]
    async with deciding(tmp_path) as made:
        assert len(made.roots()) == 1


async def test_every_interval_gets_its_root(tmp_path):
    async with deciding(tmp_path, mode="durable", root=0.05) as made:
        for number in range(3):
            await made.log.record(draft(number))
            await until(lambda expected=number + 1: len(made.roots()) == expected)
        assert [(root.first_seq, root.last_seq) for root in made.roots()] == [
            (1, 1),
            (2, 2),
            (3, 3),
        ]
        row = made.store.decision_roots.covering(made.log.chain, 2)
        assert row is not None
        assert made.log.reader.path_in(row.interval(), 2) == []
        assert made.store.decision_roots.covering(made.log.chain, 4) is None


async def test_a_long_interval_ends_early(tmp_path, monkeypatch):
    monkeypatch.setattr(decision_log, "MAX_INTERVAL", 10)
    async with deciding(tmp_path, mode="durable") as made:
        for number in range(10):
            await made.log.record(draft(number))
        await until(lambda: len(made.roots()) == 1)


async def test_a_root_that_the_log_did_not_take_is_handed_in_again(tmp_path):
    async with deciding(tmp_path, mode="durable", root=0.05) as made:
        made.refuse = RtgfError(Code.RTGF_UNAVAILABLE, "not now")
        await made.log.record(draft(0))
        await until(lambda: made.figure("rtgf_decision_roots_total", result="error") >= 2)
        await made.log.record(draft(1))
        made.refuse = None
        await until(lambda: len(made.roots()) == 2)
        assert [(root.first_seq, root.last_seq) for root in made.roots()] == [(1, 1), (2, 2)]


@pytest.mark.parametrize("mode", ["durable", "batched"])
async def test_a_full_disk_stops_the_answers_and_free_space_lets_them_go_on(tmp_path, disk, mode):
    """RTGF_VERIFY_UNAVAILABLE, and ready again by itself."""
    async with deciding(tmp_path, mode=mode, batch_max=4, flush=0.05) as made:
        await made.log.record(draft(0))
        await until(lambda: made.entries() == ["r-0"])
        disk.full = True
        given = []
        for number in range(1, 20):
            with suppress(RtgfError):
                await made.log.record(draft(number))
                given.append(f"r-{number}")
        assert len(given) <= (4 if mode == "batched" else 0)
        await until(lambda: made.log.fault is not None)
        assert "disk is full" in (made.log.fault or "")
        await refused(made.log, 99)
        disk.full = False
        await until(lambda: made.log.fault is None)
        await made.log.record(draft(100))
        await until(lambda: not made.log.unwritten)
        # What was answered is there; what was refused is not.
        assert made.entries() == ["r-0", *given, "r-100"]
        assert made.figure("rtgf_decisions_recorded_total", result="error") >= 1


async def test_too_many_waiting_answers_are_refused(tmp_path, monkeypatch):
    monkeypatch.setattr(decision_queue, "MAX_WAITING", 3)
    async with deciding(tmp_path, mode="durable") as made:
        outcomes: list[bool] = []

        async def ask(number: int) -> None:
            try:
                await made.log.record(draft(number))
                outcomes.append(True)
            except RtgfError:
                outcomes.append(False)

        async with trio.open_nursery() as nursery:
            for number in range(20):
                nursery.start_soon(ask, number)
        assert len(outcomes) == 20
        assert len(made.entries()) == outcomes.count(True) < 20


async def test_off_keeps_nothing(tmp_path):
    async with deciding(tmp_path, mode="off") as made:
        await made.log.record(draft(0))
        assert made.log.fault is None
        assert not (tmp_path / DATABASE).exists()
    async with deciding(tmp_path, mode="off") as made:
        assert made.roots() == []


def tamper(folder, statement: str) -> None:
    with closing(sqlite3.connect(folder / DATABASE)) as conn:
        for (trigger,) in conn.execute("SELECT name FROM sqlite_master WHERE type = 'trigger'"):
            conn.execute(f"DROP TRIGGER {trigger}")
        conn.execute(statement)
        conn.commit()


@pytest.mark.parametrize("mode", ["durable", "batched"])
async def test_a_broken_chain_decides_nothing_until_it_is_begun_anew(tmp_path, mode):
    async with deciding(tmp_path, mode=mode) as made:
        for number in range(4):
            await made.log.record(draft(number))
    tamper(tmp_path, "DELETE FROM entries WHERE seq = 4")
    async with deciding(tmp_path, mode=mode) as made:
        assert "old copy" in (made.log.fault or "")
        (incident,) = made.events("incident")
        assert incident.payload["what"] == "decision_chain_broken"
        await refused(made.log, 4)
        made.refuse = RtgfError(Code.RTGF_UNAVAILABLE, "not now")
        with pytest.raises(RtgfError):
            await made.log.restart("a disk failed", actor="urn:rtgf:approver:bob")
        await refused(made.log, 4)
        made.refuse = None
        await made.log.restart("a disk failed", actor="urn:rtgf:approver:bob")
        assert made.log.fault is None
        assert len(list(tmp_path.glob(f"{DATABASE}.kept-*"))) >= 1
        await made.log.record(draft(5))
        anew = made.events("decision_root")[-1]
        assert anew.actor == "urn:rtgf:approver:bob"
        assert decision.read_root(anew).begun_anew == "a disk failed"
        with pytest.raises(RtgfError) as whole:
            await made.log.restart("again", actor="urn:rtgf:approver:bob")
        assert whole.value.code is Code.RTGF_CONFLICT
    async with deciding(tmp_path, mode=mode) as made:
        assert made.log.fault is None
        assert made.entries() == ["r-5"]
        assert [(root.first_seq, root.last_seq) for root in made.roots()] == [
            (1, 4),
            (5, 4),
            (5, 5),
        ]


async def test_a_lost_file_is_a_broken_chain(tmp_path):
    async with deciding(tmp_path) as made:
        await made.log.record(draft(0))
    for part in tmp_path.glob(f"{DATABASE}*"):
        part.unlink()
    async with deciding(tmp_path) as made:
        assert made.log.broken is not None
        await refused(made.log, 1)


async def test_a_root_that_an_earlier_run_proposed_may_come_in_late(tmp_path):
    """In a cluster a root may be decided after its proposer was killed and started again."""
    async with deciding(tmp_path, mode="durable", root=0.05) as made:
        made.refuse = RtgfError(Code.RTGF_UNAVAILABLE, "nobody leads")
        for number in range(3):
            await made.log.record(draft(number))
        await until(lambda: made.figure("rtgf_decision_roots_total", result="error"))
        late = made.log._sealed
    async with deciding(tmp_path, mode="durable", root=0.05) as made:
        made.late = late
        await made.log.record(draft(3))
        await until(lambda: len(made.roots()) == 2)
        assert made.log.broken is None
        first, second = made.roots()
        assert (first, second.first_seq, second.last_seq) == (
            late.interval,
            late.interval.last_seq + 1,
            4,
        )
