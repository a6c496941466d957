"""The log actor: when it answers, and what the answer proves."""

from __future__ import annotations

import sqlite3
import tempfile
from collections.abc import Sequence
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
import trio
from hypothesis import given, settings
from hypothesis import strategies as st

from rtgf_node.actors.messages import Commit, CommitProved, Proved
from rtgf_node.core import event, merkle, proof_bundle
from rtgf_node.core.keys import KeySet, PublicKey
from rtgf_node.core.tree_head import from_document, verify
from rtgf_node.errors import Code, RtgfError
from rtgf_node.guards.head_guard import HeadGuard
from rtgf_node.replication.commands import (
    AppendEvents,
    Applied,
    NoteBuild,
    Proposal,
    SignedHead,
)
from rtgf_node.replication.solo import SoloReplicator
from rtgf_node.store.node_store import DATABASE
from tests.actors.logs import AT, KEY, PATIENCE_SECONDS, SIGNER, our_log, until
from tests.replication import samples

KEYS = KeySet([PublicKey(SIGNER.kid, SIGNER.public, "log", AT - 10, AT + 1000)])
subjects = st.integers(0, 40).map("s{}".format)
commands = st.lists(subjects, min_size=1, max_size=3)


def check(answer: Proved, events: tuple[bytes, ...]) -> None:
    """The bundles prove these events, in their order, under one head that the log signed."""
    assert len({bundle.checkpoint for bundle in answer.bundles}) == 1
    assert [bundle.leafIndex for bundle in answer.bundles] == list(answer.outcome.leaf_indexes)
    for entry, bundle in zip(events, answer.bundles, strict=True):
        leaf = merkle.leaf_hash(entry)
        signed = proof_bundle.verify(bundle, leaf_hash=leaf, verifier_keys=[KEY])
        assert signed.size == bundle.treeSize >= answer.outcome.tree_size
        head = {
            "origin": signed.origin,
            "tree_size": bundle.treeSize,
            "root_hash": bundle.merkleRoot,
            "issued_at": bundle.issuedAt,
            "checkpoint": bundle.checkpoint,
            "signatures": bundle.signatures,
        }
        verify(from_document(head), KEYS, AT)


@settings(max_examples=15, deadline=None)
@given(before=st.integers(0, 300), rounds=st.lists(st.lists(commands, max_size=12), max_size=3))
async def test_every_proof_in_an_answer_verifies(before, rounds):
    """Whatever is appended at the same time, new or there before, once or twice in a command."""

    async def ask(log, names):
        events = samples.append(*names).events
        check(await log.mailbox.ask(CommitProved(AppendEvents(events))), events)

    with tempfile.TemporaryDirectory() as folder:
        async with our_log(Path(folder)) as log:
            await log.append(*map(str, range(before)))
            for asked in rounds:
                async with trio.open_nursery() as askers:
                    for names in asked:
                        askers.start_soon(ask, log, names)


async def test_the_head_of_a_proof_is_durable_and_guarded_before_it_is_told(tmp_path):
    async with our_log(tmp_path) as log:
        answer = await log.mailbox.ask(CommitProved(samples.append("a")))
        [bundle] = answer.bundles
        kept = log.store.log.latest_head()
        last = HeadGuard(tmp_path / "guard" / "head.json").read()
        assert kept.tree_size == last.tree_size == bundle.treeSize == 1
        assert last.root_hash == bundle.merkleRoot == f"sha256:{kept.root.hex()}"


async def test_one_who_asks_again_and_again_does_not_wait_between_heads(tmp_path, monkeypatch):
    monkeypatch.setattr("rtgf_node.actors.log.HEAD_PAUSE_SECONDS", 3600.0)
    async with our_log(tmp_path) as log:
        with trio.fail_after(PATIENCE_SECONDS):
            for number in range(100):
                events = samples.append(f"e{number}").events
                check(await log.mailbox.ask(CommitProved(AppendEvents(events))), events)


async def test_the_index_alone_does_not_wait_for_a_head(tmp_path, monkeypatch):
    async with our_log(tmp_path) as log:
        go_on, swap = trio.Event(), HeadGuard.swap

        def slow(*arguments):
            trio.from_thread.run(go_on.wait)
            return swap(*arguments)

        monkeypatch.setattr(HeadGuard, "swap", slow)
        outcome = await log.mailbox.ask(Commit(samples.append("a"), covered=False))
        assert (outcome.leaf_indexes, log.store.log.size) == ((0,), 1)
        proved = []

        async def ask():
            proved.append(await log.mailbox.ask(CommitProved(samples.append("b"))))

        async with trio.open_nursery() as nursery:
            nursery.start_soon(ask)
            await until(lambda: log.store.log.size == 2)
            assert not proved
            go_on.set()
        assert [bundle.leafIndex for bundle in proved[0].bundles] == [1]


async def test_what_was_there_before_is_proved_too(tmp_path):
    async with our_log(tmp_path) as log:
        command = samples.append("a", "b")
        first = await log.mailbox.ask(CommitProved(command))
        again = await log.mailbox.ask(CommitProved(command))
        check(again, command.events)
        assert again == first


async def test_a_command_without_events_has_no_proofs(tmp_path):
    async with our_log(tmp_path) as log:
        answer = await log.mailbox.ask(CommitProved(NoteBuild("b", "running", AT, "")))
        assert answer.bundles == ()


async def test_a_refused_command_is_refused_and_the_others_are_proved(tmp_path):
    async with our_log(tmp_path) as log:
        await log.append("0")
        forged = AppendEvents((b"{}",))
        answers = []

        async def ask(command):
            try:
                answers.append(await log.mailbox.ask(CommitProved(command)))
            except RtgfError as error:
                answers.append(error.code)

        async with trio.open_nursery() as askers:
            for command in (samples.append("a"), forged, samples.append("b")):
                askers.start_soon(ask, command)
        assert answers.count(Code.RTGF_TXP_EVENT_INVALID) == 1
        assert sum(isinstance(answer, Proved) for answer in answers) == 2


async def test_an_append_violation_halts_intake_and_is_itself_put_on_record(tmp_path):
    """RTGF-CT-64: the incident is in the log, under a signed head; nothing more is taken in."""
    async with our_log(tmp_path) as log:
        await log.mailbox.ask(Commit(samples.append("a")))
        forged = samples.altered(samples.event_bytes("a"))
        with pytest.raises(RtgfError) as violation:
            await log.mailbox.ask(Commit(AppendEvents((forged,))))
        assert violation.value.code is Code.RTGF_TXP_APPEND_VIOLATION
        await until(lambda: (head := log.store.log.latest_head()) and head.tree_size == 2)
        incident = event.parse(log.store.log.entry(1))
        assert (incident.type, incident.subject) == ("incident", "RTGF_TXP_APPEND_VIOLATION")
        assert incident.payload["detail"] == violation.value.detail
        with pytest.raises(RtgfError) as refused:
            await log.mailbox.ask(Commit(samples.append("b")))
        assert refused.value.code is Code.RTGF_UNAVAILABLE
        assert "intake is halted" in refused.value.detail
        assert log.store.log.size == 2


async def test_nothing_is_proved_from_altered_entries_and_the_log_goes_on(tmp_path):
    async with our_log(tmp_path) as log:
        both = samples.append("a", "b")
        await log.mailbox.ask(Commit(both))
        with closing(sqlite3.connect(tmp_path / "data" / DATABASE)) as conn:
            conn.execute("DROP TRIGGER leaves_are_never_changed")
            changed = samples.altered(both.events[0])
            conn.execute("UPDATE leaves SET entry = ? WHERE idx = 0", (changed,))
            conn.commit()
        with pytest.raises(RtgfError) as refused:
            await log.mailbox.ask(CommitProved(AppendEvents((changed,))))
        assert refused.value.code is Code.RTGF_TXP_STORE_DAMAGED
        command = samples.append("b", "c")
        check(await log.mailbox.ask(CommitProved(command)), command.events)


class Overtaken:
    """A member that lost the lead while its head was on its way, as often as it is told to."""

    alone = False

    def __init__(self, replicator: SoloReplicator) -> None:
        self._replicator = replicator
        self.overtaken = 1

    def __getattr__(self, name: str) -> Any:
        return getattr(self._replicator, name)

    async def propose(self, proposals: Sequence[Proposal]) -> list[Applied]:
        if self.overtaken and isinstance(proposals[0].command, SignedHead):
            self.overtaken -= 1
            error = RtgfError(Code.RTGF_CONFLICT, "it does not follow the head of a larger tree")
            return [Applied(1, proposals[0].command, error)]
        return await self._replicator.propose(proposals)


async def test_a_head_that_another_leaders_head_overtook_is_no_reason_to_stop(tmp_path):
    async with our_log(tmp_path, member=Overtaken) as log:
        answer = await log.mailbox.ask(CommitProved(samples.append("a")))
        assert answer.bundles[0].treeSize == log.store.log.latest_head().tree_size == 1
