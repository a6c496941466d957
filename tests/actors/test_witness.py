"""A witness remembers before it answers, and keeps the evidence of a log that forks."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest
import trio

from rtgf_node.actors.mailbox import Mailbox
from rtgf_node.actors.messages import Commit, Cosign
from rtgf_node.actors.witness import WitnessActor
from rtgf_node.core import canonical_json, checkpoint, cosignature, merkle, note
from rtgf_node.core.add_checkpoint import AddCheckpoint
from rtgf_node.core.keys import SeedSigner
from rtgf_node.errors import Code, RtgfError
from rtgf_node.guards import witness_guard
from rtgf_node.guards.witness_guard import WitnessGuard
from tests.actors.logs import AT, FixedClock, OtherLog, Ours, our_log

SIGNER = SeedSigner("ours.example:ed25519:2026-11:005", bytes([5] * 32))
NAME = "ours.example/witness"
KEY = note.parse_key(cosignature.verifier_key(NAME, SIGNER.public))


async def witness_of(
    ours: Ours, log: OtherLog, nursery: trio.Nursery, guard: Path | None = None
) -> Mailbox:
    mailbox = Mailbox("witness", capacity=8)
    actor = WitnessActor(
        mailbox,
        log=ours.mailbox,
        store=ours.store,
        signer=SIGNER,
        guard=WitnessGuard(guard or ours.store.folder.parent / "guard" / witness_guard.FILE),
        name=NAME,
        logs={log.origin: (note.parse_key(log.key),)},
        reporter="ours.example/log",
        clock=FixedClock(),
        figures=ours.metrics.neighbours,
    )
    await nursery.start(actor.run)
    return mailbox


def request(log: OtherLog, old: int, new: int) -> Cosign:
    proof = tuple(merkle.consistency_proof(log.leaves[:new], old)) if old <= new else ()
    return Cosign(AddCheckpoint(old, proof, log.note(new)).to_bytes())


@pytest.fixture
def log() -> OtherLog:
    return OtherLog("south.example/log")


async def test_what_it_answers_is_remembered_as_it_was_answered(tmp_path, log):
    async with our_log(tmp_path) as ours, trio.open_nursery() as nursery:
        witness = await witness_of(ours, log, nursery)
        answer = await witness.ask(request(log, 0, 3))
        held = ours.store.witness.cosigned(log.origin)
        (found,) = cosignature.verify(held.note, [KEY])
        assert (found.line, found.at) == (answer.line, AT)
        # Asked again it signs again, and there is nothing new to remember.
        commands = ours.store.reader.execute("SELECT count(*) FROM command_log").fetchone()
        assert (await witness.ask(request(log, 3, 3))).line == answer.line
        assert ours.store.reader.execute("SELECT count(*) FROM command_log").fetchone() == commands
        nursery.cancel_scope.cancel()


async def test_of_many_at_once_each_answer_is_from_the_size_before_it(tmp_path, log):
    async with our_log(tmp_path) as ours, trio.open_nursery() as nursery:
        witness = await witness_of(ours, log, nursery)
        answers = {}

        async def ask(new: int) -> None:
            answers[new] = await witness.ask(request(log, 0, new))

        async with trio.open_nursery() as askers:
            for new in (4, 7, 2, 5):
                askers.start_soon(ask, new)
        (winner,) = [new for new, answer in answers.items() if answer.line is not None]
        assert {a.held_size for a in answers.values()} == {winner}
        assert ours.store.witness.cosigned(log.origin).tree_size == winner
        nursery.cancel_scope.cancel()


async def test_a_log_that_shows_two_roots_is_not_cosigned_and_the_evidence_is_kept_once(
    tmp_path, log
):
    async with our_log(tmp_path) as ours, trio.open_nursery() as nursery:
        witness = await witness_of(ours, log, nursery)
        await witness.ask(request(log, 0, 5))
        before = ours.store.log.size
        for index in (2, 3):
            log.rewrite(index)
            answer = await witness.ask(request(log, 5, 5))
            assert (answer.line, answer.held_size) == (None, 5)
        (found,) = ours.store.gossip.open_findings()
        assert not found.halts
        assert ours.actor.halted is None
        document = canonical_json.parse(ours.store.objects.get(found.evidence))
        heads = [checkpoint.open_note(text.encode(), [log.key]) for text in document["heads"]]
        assert heads[0].size == heads[1].size == 5
        assert heads[0].root != heads[1].root
        assert ours.store.log.size == before + 1
        nursery.cancel_scope.cancel()


def incidents(ours: Ours) -> list[dict]:
    entries = ours.store.log.entries(0, ours.store.log.size)
    events = [canonical_json.parse(entry) for entry in entries]
    return [one["payload"] for one in events if one["payload"].get("what")]


async def test_a_restored_backup_is_not_made_to_cosign_a_second_root(tmp_path, log):
    """RTGF-CT-60: our own log did not grow since the backup, so that it looks new."""
    node = tmp_path / "node"
    async with our_log(node) as ours, trio.open_nursery() as nursery:
        await ours.append("a")
        witness = await witness_of(ours, log, nursery)
        assert (await witness.ask(request(log, 0, 3))).line is not None
        nursery.cancel_scope.cancel()
    shutil.copytree(node / "data", tmp_path / "backup")
    async with our_log(node) as ours, trio.open_nursery() as nursery:
        witness = await witness_of(ours, log, nursery)
        assert (await witness.ask(request(log, 3, 5))).line is not None
        assert incidents(ours) == []
        nursery.cancel_scope.cancel()
    shutil.rmtree(node / "data")
    (tmp_path / "backup").rename(node / "data")
    async with our_log(node) as ours, trio.open_nursery() as nursery:
        assert ours.actor.forked is None
        assert ours.store.witness.cosigned(log.origin).tree_size == 3
        witness = await witness_of(ours, log, nursery)
        (incident,) = incidents(ours)
        assert incident["what"] == "witness_store_is_old"
        assert "5 entries" in incident["detail"]
        forked = OtherLog(log.origin)
        forked.rewrite(4)
        for old in (3, 5):
            answer = await witness.ask(request(forked, old, 5))
            assert (answer.line, answer.held_size) == (None, 5)
        assert len(ours.store.gossip.open_findings()) == 1
        # The honest log is served on from where it stands.
        assert (await witness.ask(request(log, 5, 9))).line is not None
        assert len(incidents(ours)) == 1
        nursery.cancel_scope.cancel()


async def test_a_store_without_any_past_takes_it_from_the_guard(tmp_path, log):
    guard = tmp_path / "guard.json"
    for folder, old, new in (("one", 0, 3), ("two", 3, 5)):
        async with our_log(tmp_path / folder) as ours, trio.open_nursery() as nursery:
            witness = await witness_of(ours, log, nursery, guard)
            assert (await witness.ask(request(log, old, new))).line is not None
            nursery.cancel_scope.cancel()


async def test_a_guard_that_is_new_begins_with_what_the_store_holds(tmp_path, log):
    first, second = tmp_path / "first.json", tmp_path / "second.json"
    for guard, old, new in ((first, 0, 3), (second, 3, 3)):
        async with our_log(tmp_path) as ours, trio.open_nursery() as nursery:
            witness = await witness_of(ours, log, nursery, guard)
            assert (await witness.ask(request(log, old, new))).line is not None
            nursery.cancel_scope.cancel()
    assert WitnessGuard(second).read(log.origin) == WitnessGuard(first).read(log.origin)


async def test_a_guard_of_another_history_or_of_nobody_lets_nothing_be_signed(tmp_path, log):
    guard, other = tmp_path / "guard.json", OtherLog(log.origin)
    other.rewrite(1)
    for folder, shown in (("one", log), ("two", other)):
        async with our_log(tmp_path / folder) as ours, trio.open_nursery() as nursery:
            witness = await witness_of(ours, shown, nursery, guard if folder == "one" else None)
            await witness.ask(request(shown, 0, 3))
            nursery.cancel_scope.cancel()
    async with our_log(tmp_path / "two") as ours, trio.open_nursery() as nursery:
        witness = await witness_of(ours, other, nursery, guard)
        for content in (None, b"{}{"):
            if content is not None:
                guard.write_bytes(content)
            with pytest.raises(RtgfError) as refused:
                await witness.ask(request(other, 3, 5))
            assert refused.value.code is Code.RTGF_TXP_STORE_DAMAGED
        nursery.cancel_scope.cancel()


async def test_two_nodes_with_one_guard_do_not_sign_beside_each_other(tmp_path, log):
    guard = WitnessGuard(tmp_path / "guard.json")
    async with our_log(tmp_path) as ours, trio.open_nursery() as nursery:
        witness = await witness_of(ours, log, nursery, tmp_path / "guard.json")
        await witness.ask(request(log, 0, 3))
        nursery.cancel_scope.cancel()
    held = guard.read(log.origin)
    with pytest.raises(RtgfError, match="two nodes cosign as one witness"):
        guard.swap(None, held)
    guard.swap(held, held)


async def test_what_the_log_did_not_take_is_made_up_for_without_an_incident(
    tmp_path, log, monkeypatch
):
    async with our_log(tmp_path) as ours, trio.open_nursery() as nursery:
        witness = await witness_of(ours, log, nursery)
        with monkeypatch.context() as patched:
            patched.setattr(Mailbox, "ask", _unless_to_log(Mailbox.ask))
            with pytest.raises(RtgfError):
                await witness.ask(request(log, 0, 3))
        answer = await witness.ask(request(log, 0, 5))
        assert (answer.line, answer.held_size) == (None, 3)
        assert (await witness.ask(request(log, 3, 5))).line is not None
        assert incidents(ours) == []
        nursery.cancel_scope.cancel()


def _unless_to_log(ask):
    async def refuse(mailbox, *arguments, **named):
        if isinstance(arguments[0], Commit):
            raise RtgfError(Code.RTGF_OVERLOADED, "later")
        return await ask(mailbox, *arguments, **named)

    return refuse


async def test_a_checkpoint_that_would_fill_the_guard_is_refused(tmp_path, log):
    async with our_log(tmp_path) as ours, trio.open_nursery() as nursery:
        witness = await witness_of(ours, log, nursery)
        lines = f"— other.example/log {'A' * 10_000}\n" * 4
        body = AddCheckpoint(0, (), log.note(3) + lines.encode()).to_bytes()
        with pytest.raises(RtgfError) as refused:
            await witness.ask(Cosign(body))
        assert refused.value.code is Code.RTGF_BAD_REQUEST
        assert "larger" in refused.value.detail
        nursery.cancel_scope.cancel()


async def test_it_does_not_sign_what_it_could_not_remember(tmp_path, log):
    async with our_log(tmp_path, contradiction="a fork") as ours, trio.open_nursery() as nursery:
        witness = await witness_of(ours, log, nursery)
        with pytest.raises(RtgfError) as refused:
            await witness.ask(request(log, 0, 3))
        assert refused.value.code is Code.RTGF_UNAVAILABLE
        assert ours.store.witness.cosigned(log.origin) is None
        nursery.cancel_scope.cancel()


async def test_nobody_but_the_log_can_have_its_checkpoints_cosigned(tmp_path, log):
    async with our_log(tmp_path) as ours, trio.open_nursery() as nursery:
        witness = await witness_of(ours, log, nursery)
        thief = OtherLog(log.origin, signer=SeedSigner("t", bytes([6] * 32)))
        stranger = OtherLog("stranger.example/log")
        for asked, code in (
            (request(thief, 0, 3), Code.RTGF_FORBIDDEN),
            (request(stranger, 0, 3), Code.RTGF_NOT_FOUND),
            (request(log, 9, 3), Code.RTGF_BAD_REQUEST),
        ):
            with pytest.raises(RtgfError) as refused:
                await witness.ask(asked)
            assert refused.value.code is code
        assert ours.store.witness.cosigned(log.origin) is None
        nursery.cancel_scope.cancel()
