"""A witness remembers before it answers, and keeps the evidence of a log that forks."""

from __future__ import annotations

import pytest
import trio

from rtgf_node.actors.mailbox import Mailbox
from rtgf_node.actors.messages import Cosign
from rtgf_node.actors.witness import WitnessActor
from rtgf_node.core import canonical_json, checkpoint, cosignature, merkle, note
from rtgf_node.core.add_checkpoint import AddCheckpoint
from rtgf_node.core.keys import SeedSigner
from rtgf_node.errors import Code, RtgfError
from tests.actors.logs import AT, FixedClock, OtherLog, Ours, our_log

SIGNER = SeedSigner("ours.example:ed25519:2026-11:005", bytes([5] * 32))
NAME = "ours.example/witness"
KEY = note.parse_key(cosignature.verifier_key(NAME, SIGNER.public))


async def witness_of(ours: Ours, log: OtherLog, nursery: trio.Nursery) -> Mailbox:
    mailbox = Mailbox("witness", capacity=8)
    actor = WitnessActor(
        mailbox,
        log=ours.mailbox,
        store=ours.store,
        signer=SIGNER,
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
