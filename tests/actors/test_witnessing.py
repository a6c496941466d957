"""Heads are cosigned by whoever is honest and answers; nobody else can hold anything up."""

from __future__ import annotations

import shutil
from collections.abc import Callable

import pytest
import trio

from rtgf_node.actors import witnessing
from rtgf_node.actors.witnessing import WitnessingActor, WitnessLink
from rtgf_node.api.heads import ShownHeads
from rtgf_node.core import add_checkpoint, cosignature, note
from rtgf_node.core.keys import SeedSigner
from rtgf_node.core.witness_policy import WitnessPolicy
from rtgf_node.egress import Egress
from rtgf_node.errors import RtgfError
from tests.actors.logs import AT, FixedClock, HonestWitness, Ours, answers, our_log, until
from tests.simulator import Answer, Asked, Fault, Simulator


@pytest.fixture(autouse=True)
def _soon(monkeypatch):
    for name in ("EVERY_SECONDS", "FIRST_PAUSE_SECONDS", "LONGEST_PAUSE_SECONDS"):
        monkeypatch.setattr(witnessing, name, 0.02)


def actor_of(
    ours: Ours, world: Simulator, *witnesses: HonestWitness, first_seconds: float = 30.0
) -> WitnessingActor:
    """Make it; the first witness has so many seconds for an answer, the others thirty."""
    seconds = [first_seconds, *[30.0] * (len(witnesses) - 1)]
    return WitnessingActor(
        log=ours.mailbox,
        replicator=ours.replicator,
        store=ours.store,
        witnesses=[
            WitnessLink(
                f"w{number}",
                world.url(f"/{number}"),
                one.key,
                Egress(
                    world.config(timeout_seconds=given), jitter=lambda: 0.0, network=world.network
                ),
            )
            for number, (one, given) in enumerate(zip(witnesses, seconds, strict=True))
        ],
        clock=FixedClock(),
        figures=ours.metrics.neighbours,
    )


def keys(ours: Ours, size: int | None = None) -> set[str]:
    size = ours.store.log.size if size is None else size
    return {row.key for row in ours.store.witness.cosignatures(size)}


async def test_each_new_head_is_cosigned_and_only_the_newest_is_asked_for(tmp_path, monkeypatch):
    # Far longer than an append takes, so that most heads are old when it is over.
    monkeypatch.setattr(witnessing, "EVERY_SECONDS", 1.0)
    async with Simulator() as world, our_log(tmp_path) as ours, trio.open_nursery() as nursery:
        witness = HonestWitness()
        answers([witness], world)
        await ours.append("a", "b")
        await nursery.start(actor_of(ours, world, witness).run)
        await until(lambda: keys(ours, 2) == {str(witness.key)})
        begun = trio.current_time()
        for number in range(20):
            await ours.append(f"c{number}")
        await until(lambda: keys(ours, 22) == {str(witness.key)})
        assert witness.asked_from[:2] == [0, 2]
        assert len(witness.asked_from) <= 3 + trio.current_time() - begun
        nursery.cancel_scope.cancel()


async def test_a_witness_tells_that_an_old_backup_was_restored(tmp_path):
    """RTGF-CT-60: it remembers more than the store; neither it nor the guard lets anything pass."""
    witness, node = HonestWitness(), tmp_path / "node"
    async with our_log(node) as ours:
        await ours.append("a")
    shutil.copytree(node / "data", tmp_path / "backup")
    async with Simulator() as world, our_log(node) as ours, trio.open_nursery() as nursery:
        answers([witness], world)
        await nursery.start(actor_of(ours, world, witness).run)
        await ours.append("b", "c")
        await until(lambda: witness.held == 3)
        nursery.cancel_scope.cancel()
    shutil.rmtree(node / "data")
    (tmp_path / "backup").rename(node / "data")
    async with Simulator() as world, our_log(node) as ours, trio.open_nursery() as nursery:
        answers([witness], world)
        actor = actor_of(ours, world, witness)
        await nursery.start(actor.run)
        await until(lambda: "old store was restored" in (actor.statistics()[0].problem or ""))
        assert "old copy" in (ours.actor.forked or "")
        with pytest.raises(RtgfError, match="RTGF_UNAVAILABLE"):
            await ours.append("other")
        assert witness.held == 3
        nursery.cancel_scope.cancel()


async def test_what_was_cosigned_outlives_a_restart(tmp_path):
    witness = HonestWitness()
    async with Simulator() as world:
        answers([witness], world)
        async with our_log(tmp_path) as ours, trio.open_nursery() as nursery:
            await ours.append("a")
            await nursery.start(actor_of(ours, world, witness).run)
            await until(lambda: keys(ours) == {str(witness.key)})
            nursery.cancel_scope.cancel()
        async with our_log(tmp_path) as ours:
            policy = WitnessPolicy.of([str(witness.key)])
            head = ShownHeads(ours.store, policy, "closed").newest()
            assert len(policy.check(head.checkpoint.encode())) == 1
            assert head.tree_size == 1


async def test_a_witness_that_holds_another_size_is_asked_again_from_there(tmp_path):
    async with Simulator() as world, our_log(tmp_path) as ours, trio.open_nursery() as nursery:
        witness = HonestWitness()
        answers([witness], world)
        await ours.append("a", "b", "c")
        witness.held, witness.root = 2, ours.store.log.root_at(2)
        await nursery.start(actor_of(ours, world, witness).run)
        await until(lambda: keys(ours) == {str(witness.key)})
        assert witness.asked_from == [0, 2]
        nursery.cancel_scope.cancel()


WITNESS, STRANGER = HonestWitness(), HonestWitness("stranger", 8)


def text_of(asked: Asked) -> str:
    return note.split(add_checkpoint.parse(asked.body).note)[0]


def lies() -> dict[str, tuple[Callable[[Asked], Answer], str]]:
    def signed(make: Callable[[str], str]) -> Callable[[Asked], Answer]:
        return lambda asked: Answer(body=make(text_of(asked)).encode())

    impostor = HonestWitness()
    impostor.signer = SeedSigner("x", bytes([7] * 32))
    wrong = note.SignatureLine(WITNESS.name, WITNESS.key.key_hash(), bytes(72))
    fixed = {
        "silent": (Answer(fault=Fault.SILENT), "no complete answer"),
        "cut": (Answer(body=b"x" * 100, fault=Fault.CUT), "127.0.0.1"),
        "endless": (Answer(body=b"x" * 60_000, fault=Fault.ENDLESS), "127.0.0.1"),
        "error": (Answer(status=500, body=b"<h1>oops"), "it answered 500: <h1>oops"),
        "refused": (Answer(status=403, body=b"who are you"), "it answered 403"),
        "unknown": (Answer(status=404), "it answered 404"),
        "garbage": (Answer(body=b"\xff\xfe"), "not UTF-8"),
        "empty": (Answer(body=b""), "malformed"),
        "no size": (Answer(status=409, body=b"many"), "without the size"),
        "larger": (Answer(status=409, body=b"999\n"), "cosigned 999 entries"),
        "same size": (Answer(status=409, body=b"0\n"), "another history"),
    }
    return {name: ((lambda _, a=answer: a), says) for name, (answer, says) in fixed.items()} | {
        "stranger": (signed(STRANGER.line), "no cosignature of the configured key"),
        "impostor": (signed(impostor.line), "no cosignature of the configured key"),
        "wrong": (signed(lambda _: str(wrong)), "is wrong"),
        "other text": (signed(lambda text: WITNESS.line(text + "x\n")), "is wrong"),
        "future": (signed(lambda text: WITNESS.line(text, at=AT + 3600)), "in the future"),
    }


@pytest.mark.parametrize("lie", lies())
async def test_a_witness_that_fails_or_lies_costs_only_its_own_cosignature(tmp_path, lie):
    handler, says = lies()[lie]
    async with Simulator() as world, our_log(tmp_path) as ours, trio.open_nursery() as nursery:
        honest = HonestWitness("witness.example/honest", 4)
        answers([WITNESS, honest], world)
        world.handle("/0/add-checkpoint", handler)
        actor = actor_of(ours, world, WITNESS, honest, first_seconds=0.2)
        await nursery.start(actor.run)
        for number in range(3):
            await ours.append(f"a{number}")
        await until(lambda: keys(ours) == {str(honest.key)})
        await until(lambda: says in (actor.statistics()[0].problem or ""))
        assert actor.statistics()[1].problem is None
        held = ours.store.witness.newest_size(str(WITNESS.key))
        assert held == 0
        nursery.cancel_scope.cancel()


async def test_a_witness_that_comes_back_is_noticed(tmp_path):
    async with Simulator() as world, our_log(tmp_path) as ours, trio.open_nursery() as nursery:
        witness = HonestWitness()
        world.handle("/0/add-checkpoint", lambda _: Answer(status=503))
        actor = actor_of(ours, world, witness)
        await ours.append("a")
        await nursery.start(actor.run)
        await until(lambda: actor.statistics()[0].problem)
        answers([witness], world)
        await until(lambda: keys(ours) == {str(witness.key)})
        await until(lambda: actor.statistics() == (("w0", 1, None),))
        nursery.cancel_scope.cancel()


async def test_open_shows_the_newest_and_closed_the_newest_that_enough_have_cosigned(tmp_path):
    async with Simulator() as world, our_log(tmp_path) as ours, trio.open_nursery() as nursery:
        witnesses = [HonestWitness(f"w{number}.example", 10 + number) for number in range(3)]
        answers(witnesses, world)
        world.handle("/2/add-checkpoint", lambda _: Answer(status=503))
        policy = WitnessPolicy.of([str(one.key) for one in witnesses], 2)
        closed = ShownHeads(ours.store, policy, "closed")
        opened = ShownHeads(ours.store, policy, "open")
        await ours.append("a")
        with pytest.raises(RtgfError, match="RTGF_UNAVAILABLE"):
            closed.newest()
        assert opened.newest().tree_size == 1
        await nursery.start(actor_of(ours, world, *witnesses).run)
        await until(lambda: len(keys(ours)) == 2)
        assert closed.newest() == opened.newest()
        agreed = policy.check(closed.newest().checkpoint.encode())
        assert {one.key for one in agreed} == {str(one.key) for one in witnesses[:2]}
        world.handle("/1/add-checkpoint", lambda _: Answer(status=503))
        await ours.append("b")
        await until(lambda: len(keys(ours)) == 1)
        assert (closed.newest().tree_size, opened.newest().tree_size) == (1, 2)
        # A witness that is no longer configured does not count.
        fewer = WitnessPolicy.of([str(one.key) for one in witnesses[1:]], 1)
        shown = ShownHeads(ours.store, fewer, "closed").newest()
        assert [one.key for one in cosignature.verify(shown.checkpoint.encode(), policy.witnesses)]
        assert shown.tree_size == 1
        nursery.cancel_scope.cancel()
